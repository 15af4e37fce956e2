"""How many messages a second a subscriber takes from mosquitto through `foundation.broker`: QoS 0,
200-byte payloads, against plain aiomqtt in the same run. Run by hand:
``python benchmarks/bench_broker.py``.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiomqtt

from foundation.broker import BrokerSettings, connect

MEASURE_S: Final = 4.0
PAYLOAD: Final = bytes(200)
TOPIC: Final = b"zigbee2mqtt/room-101"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def flood(port: int, seconds: float) -> None:
    """Publishes as fast as the broker takes it, from prepared bytes."""
    body = len(TOPIC).to_bytes(2, "big") + TOPIC + PAYLOAD
    packet = bytes((0x30, len(body) & 127 | 128, len(body) >> 7)) + body
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(bytes.fromhex("10 11 0004 4d515454 04 02 003c 0005") + b"flood")
        sock.recv(4)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sock.sendall(packet * 200)


async def by_link(port: int) -> AsyncIterator[int]:
    async with connect(BrokerSettings(host="127.0.0.1", port=port), "bench") as link:
        await link.subscribe(["#"])
        yield 0
        async for chunk in link.chunks():
            yield len(chunk)


async def by_aiomqtt(port: int) -> AsyncIterator[int]:
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("#")
        yield 0
        async for _ in client.messages:
            yield 1


async def measure(name: str, port: int, source: AsyncIterator[int]) -> None:
    await anext(source)  # connected and subscribed
    command = [sys.executable, __file__, str(port), str(MEASURE_S + 2)]
    publisher = await asyncio.create_subprocess_exec(*command)
    start, cpu, taken = time.perf_counter(), time.process_time(), 0
    async for count in source:
        taken += count
        if time.perf_counter() > start + MEASURE_S:
            break
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    print(f"{name:<18} {taken / wall_s:>10,.0f} messages/s {taken / cpu_s:>12,.0f} per CPU-second")
    await publisher.wait()


async def main() -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "mosquitto.conf")
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n", "utf-8")  # noqa: ASYNC240  # before anything runs
        broker = subprocess.Popen(  # noqa: ASYNC220  # before anything runs
            ["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL
        )
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                await asyncio.sleep(0.02)
            await measure("foundation.broker", port, by_link(port))
            await measure("aiomqtt 2.5", port, by_aiomqtt(port))
        finally:
            broker.terminate()
            broker.wait()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        flood(int(sys.argv[1]), float(sys.argv[2]))
    else:
        asyncio.run(main())
