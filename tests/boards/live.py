"""A desk on a real MicroPython, in its own time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.boards.parts import card, temperature_frame

RUNNER = Path(__file__).with_name("micropython.mjs")
WAIT_S_MAX = 60


class LiveDesk:
    """Its reader, its thermometer and its line to the gateway; what it says there goes to `hear`."""

    def __init__(self, process: asyncio.subprocess.Process, hear: Callable[[bytes], None]) -> None:
        self._process = process
        self._hear = hear
        self._forehead: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._hear(bytes.fromhex(line.decode().split()[1]))

    def put(self, port: str, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{port} {data.hex()}\n".encode())

    def host(self, data: bytes) -> None:
        """What the gateway writes."""
        self.put("host", data)

    def show(self, object_c: float) -> None:
        """The thermometer sees this from now on, ten times a second."""
        self.stop_showing()
        self._forehead = asyncio.create_task(self._keep_showing(object_c), name="forehead")

    def look_away(self) -> None:
        """The thermometer sees the air, once; the board needs no more to know that the forehead is gone."""
        self.stop_showing()
        self.put("sensor", temperature_frame(22.0))

    def stop_showing(self) -> None:
        if self._forehead is not None:
            self._forehead.cancel()

    def hold(self, uid: bytes) -> None:
        """A card, held to the reader once."""
        self.put("reader", bytes.fromhex(card(0, uid)[2]))

    async def _keep_showing(self, object_c: float) -> None:
        while True:
            self.put("sensor", temperature_frame(object_c))
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def live_desk(hear: Callable[[bytes], None]) -> AsyncIterator[LiveDesk]:
    """A desk that has just started."""
    process = await asyncio.create_subprocess_exec(
        "node",
        RUNNER,
        "serve",
        "morning-desk",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    desk = LiveDesk(process, hear)
    listening = asyncio.create_task(desk.listen(), name="from the board")
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            yield desk
            assert process.returncode is None, "MicroPython ended by itself"
    finally:
        desk.stop_showing()
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await listening
