"""What one gateway process carries: MQTT socket → profile → gate → durable buffer, no collector.

A real `campus edge run` on a real mosquitto; air quality boxes of Zigbee2MQTT with five values a
message at QoS 0, at a fixed rate and then as fast as they go. ``python benchmarks/bench_gateway.py``
prints a table and writes the row `edge_line` of build/bench.json.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from foundation.keyfiles import create_signing_key, public_text

DEVICES: Final = 40
ROUNDS: Final = 500
"""Different messages of each device, then they repeat."""
WARM_UP_S: Final = 4.0
MEASURE_S: Final = 10.0
RATES: Final = (5_000, 0)
"""Messages a second; 0: as fast as they go."""
RESULTS: Final = Path("build/bench.json")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """The gateway's figures at one moment."""

    wall_s: float
    cpu_s: float
    messages: float
    readings: float
    buffered: float
    dropped: float
    written_bytes: float

    def minus(self, before: Sample) -> Sample:
        return Sample(*(now - then for now, then in zip(self, before, strict=True)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def packets() -> list[bytes]:
    """PUBLISH packets of one round each: every device once, its values a random walk."""
    random.seed(7)
    walks = [
        {"temperature": random.uniform(18, 26), "humidity": random.uniform(30, 60), "co2": 600.0, "voc": 20.0}
        for _ in range(DEVICES)
    ]
    rounds = []
    for _ in range(ROUNDS):
        parts = []
        for number, at in enumerate(walks):
            at["temperature"] += random.uniform(-0.05, 0.05)
            at["humidity"] += random.uniform(-0.2, 0.2)
            at["co2"] = max(400, at["co2"] + random.uniform(-8, 8))
            payload = {
                "co2": round(at["co2"]),
                "formaldehyd": random.randint(1, 9),
                "humidity": round(at["humidity"], 1),
                "temperature": round(at["temperature"], 2),
                "voc": round(at["voc"] + random.uniform(-2, 2)),
            }
            topic = f"zigbee2mqtt/air-{number}".encode()
            body = len(topic).to_bytes(2, "big") + topic + json.dumps(payload).encode()
            length = (
                bytes((len(body),)) if len(body) < 128 else bytes((len(body) & 127 | 128, len(body) >> 7))
            )
            parts.append(b"\x30" + length + body)
        rounds.append(b"".join(parts))
    return rounds


def flood(port: int, rate: int) -> None:
    """Publishes for ever, `rate` messages a second or as fast as the broker takes them."""
    rounds = packets()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(bytes.fromhex("10 11 0004 4d515454 04 02 0000 0005") + b"flood")
        sock.recv(4)
        begun, sent = time.monotonic(), 0
        while True:
            sock.sendall(rounds[sent // DEVICES % ROUNDS])
            sent += DEVICES
            if rate:
                time.sleep(max(0.0, begun + sent / rate - time.monotonic()))


def write_config(folder: Path, port: int, metrics_port: int) -> Path:
    key = create_signing_key(folder / "gateway.key")
    devices = "".join(
        f'[[mqtt.devices]]\nid = "air-{number}"\nprofile = "zigbee2mqtt/tuya-ts0601-air"\n'
        f'place = "main/{number}"\n'
        for number in range(DEVICES)
    )
    file = folder / "gateway.toml"
    file.write_text(
        '[gateway]\nid = "gw"\nschool = "example-primary"\nkey_file = "gateway.key"\ndata_dir = "data"\n'
        f'clock = "system"\n[collector]\npublic_key = "{public_text(key.public_key())}"\n'
        f'mqtt = {{ host = "127.0.0.1", port = {port} }}\n[metrics]\nport = {metrics_port}\n'
        f'[[mqtt]]\nname = "flood"\nbroker = {{ host = "127.0.0.1", port = {port} }}\n{devices}',
        "utf-8",
    )
    return file


@contextmanager
def running(*command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_for_port(port: int) -> None:
    for _ in range(1_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


def sample(pid: int, metrics_port: int) -> Sample:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    metric: dict[str, float] = {}
    for line in lines:
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name = name.split("{")[0].removeprefix("campus_edge_").removesuffix("_total")
            metric[name] = metric.get(name, 0.0) + float(value)
    stat = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(") ", 1)[1].split()
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text("ascii").splitlines())
    return Sample(
        time.monotonic(),
        (int(stat[11]) + int(stat[12])) / _TICKS_PER_S,
        metric["messages"],
        metric["readings"],
        metric["readings_buffered"],
        metric.get("dropped", 0.0),
        float(io["write_bytes"]),
    )


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


def measure(rate: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port, metrics_port = Path(name), free_port(), free_port()
        conf = folder / "mosquitto.conf"
        conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n", "utf-8")
        stack.enter_context(running("mosquitto", "-c", conf))
        wait_for_port(port)
        config = write_config(folder, port, metrics_port)
        gateway = stack.enter_context(running(sys.executable, "-m", "campus", "edge", "run", config))
        wait_for_port(metrics_port)
        time.sleep(1)
        idle_mb = resident_mb(gateway.pid)
        stack.enter_context(running(sys.executable, __file__, str(port), str(rate)))
        time.sleep(WARM_UP_S)
        before = sample(gateway.pid, metrics_port)
        time.sleep(MEASURE_S)
        spent = sample(gateway.pid, metrics_port).minus(before)
        return {
            "messages_per_s": spent.messages / spent.wall_s,
            "readings_per_s": spent.readings / spent.wall_s,
            "readings_per_cpu_s": spent.readings / spent.cpu_s,
            "cpu_percent": 100 * spent.cpu_s / spent.wall_s,
            "bytes_written_per_reading": spent.written_bytes / max(spent.buffered, 1),
            "dropped": spent.dropped,
            "rss_idle_mb": idle_mb,
            "rss_mb": resident_mb(gateway.pid),
        }


def main() -> None:
    figures: dict[str, float] = {}
    for rate in RATES:
        figures = measure(rate)
        print(f"{f'{rate:,} messages/s' if rate else 'as fast as it goes'}:")
        for name, value in figures.items():
            print(f"  {name:<28} {value:>12,.1f}")
    RESULTS.parent.mkdir(exist_ok=True)
    rows = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    rows["edge_line"] = figures
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        flood(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
