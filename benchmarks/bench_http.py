"""What the HTTP push driver carries: posts on open connections, from terminals in another process.

The CPU time is the gateway's alone. A terminal's post is a form with an event and a picture of 20 kB.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.http_push.config import HttpSource
from edge_agent.drivers.http_push.driver import HttpDriver
from simulators.http_push import Access, Poster, Terminal, Thermometer
from simulators.http_push.devices import Post, Record
from telemetry.readings import Chunk, SeriesTable

PORT: Final = 18_090
CONNECTIONS: Final = 8
TOKEN: Final = "0123456789abcdef0123"
KINDS: Final = {
    "sensor": "json/environment-http",
    "terminal": "hikvision/isapi",
    "thermometer": "wecom/temperature",
}


class Counted:
    """A sink that counts."""

    def __init__(self) -> None:
        self.readings_in = 0
        self.checks_in = 0
        self.refused_in = 0

    def readings(self, chunk: Chunk) -> None:
        self.readings_in += len(chunk)

    def check(self, observation: object) -> None:
        del observation
        self.checks_in += 1

    def tap(self, observation: object) -> None: ...

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        del device, reason, size_bytes
        self.refused_in += 1


def make(kind: str, number: int, terminal: Terminal) -> Post:
    time_ms = time.time_ns() // 1_000_000
    if kind == "sensor":
        body = b'{"temperature": 21.5, "humidity": 43.2, "co2": %d, "pm2_5": 11}' % (400 + number % 1_000)
        return Post("application/json", body)
    if kind == "thermometer":
        records = [Record(f"wo-{number}-{one}", 36.5, time_ms) for one in range(100)]
        return Thermometer().report(records)
    return terminal.event(time_ms, card="04A2B31C", temperature_c=36.5, pictures=1)


def devices(kind: str, channel: Connection) -> None:
    """The devices, in a process of their own, until they are ended."""

    async def one(number: int) -> None:
        terminal = Terminal(first_serial=1 + number * 10_000_000)
        url = f"http://127.0.0.1:{PORT}/device-{number}"
        posts = 0
        async with Poster(url, Access(token=TOKEN)) as poster:
            while True:
                assert await poster.post(make(kind, posts, terminal)) == 200
                posts += 1

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(CONNECTIONS):
                group.create_task(one(number), name=f"device-{number}")

    channel.recv()
    with suppress(KeyboardInterrupt):
        asyncio.run(all_of_them())


async def measure(folder: Path, kind: str, channel: Connection, seconds: float) -> None:
    token = folder / "token"
    token.write_text(TOKEN, "utf-8")
    token.chmod(0o600)
    source: dict[str, Any] = {
        "name": "bench", "port": PORT, "connections_per_peer_max": CONNECTIONS,
        "devices": [
            {"id": f"device-{number}", "profile": KINDS[kind], "place": "main/gate", "token_file": token}
            for number in range(CONNECTIONS)
        ],
    }  # fmt: skip
    counters, sink = Counters(), Counted()
    driver = HttpDriver(
        HttpSource.model_validate(source),
        catalogue=Catalogue(), table=SeriesTable(), zone=ZoneInfo("Asia/Shanghai"),
        clock=Clock("system"), counters=counters,
    )  # fmt: skip
    task = asyncio.create_task(driver.run(sink), name="driver")
    await driver.listening.wait()
    channel.send("go")
    while counters.messages_in < CONNECTIONS:  # noqa: ASYNC110  # a counter knows no event
        await asyncio.sleep(0.05)
    before, started_s, cpu_s = counters.messages_in, time.perf_counter(), _cpu_s()
    await asyncio.sleep(seconds)
    posts, took_s, cpu_s = counters.messages_in - before, time.perf_counter() - started_s, _cpu_s() - cpu_s
    task.cancel()
    await asyncio.wait({task})
    print(
        f"{kind:12} {posts / took_s:8,.0f} posts/s, {posts / cpu_s:8,.0f} a CPU-second;"
        f" {sink.readings_in:,} readings, {sink.checks_in:,} checks, {sink.refused_in} refused"
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    context = multiprocessing.get_context("spawn")
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as name:
            here, there = context.Pipe()
            process = context.Process(target=devices, args=(kind, there), daemon=True)
            process.start()
            asyncio.run(measure(Path(name), kind, here, seconds))
            process.terminate()
            process.join()


if __name__ == "__main__":
    main()
