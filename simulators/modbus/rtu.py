"""An RTU bus on a pty, paced: a frame takes as long as it would at its baud rate.

A pty has no baud rate of its own. Here a request is passed on only when its last byte would have
arrived, plus the silence of 3.5 characters that ends a frame, and an answer is written when its
last byte would have been sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from simulators.modbus.handler import PLACEHOLDER, FaultyHandler, RtuServer
from simulators.modbus.unit import SimulatedUnit, Units

TURNAROUND_S = 0.005
"""Within so long an answer counts as given at once: what this program takes is not the wire's."""


class RtuBus:
    """Serves units behind `path`, a symbolic link to the pty, as udev makes one for an adapter.

    paced: False answers at once. echo: the adapter gives back what is sent to it.
    """

    def __init__(
        self,
        path: Path,
        units: Iterable[SimulatedUnit],
        *,
        baud: int = 9_600,
        bits_a_character: int = 10,
        paced: bool = True,
        echo: bool = False,
    ) -> None:
        self.path = path
        self.units = Units(units)
        self.echo = echo
        self.character_s = bits_a_character / baud if paced else 0.0
        silence_s = 3.5 * bits_a_character / baud if baud <= 19_200 else 0.001_75
        self.silence_s = silence_s if paced else 0.0
        self._server: RtuServer | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """The adapter is there (again), as another device behind the same name."""
        server = RtuServer(PLACEHOLDER)
        server.units = self.units
        server.call_create = lambda: self._open(server)
        await server.serve_forever(background=True)
        self._server = server

    async def stop(self) -> None:
        """The adapter is pulled out: whoever has it open sees an error."""
        if self._server is not None:
            self.path.unlink(missing_ok=True)
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it so
            self._server = None

    async def _open(self, server: RtuServer) -> tuple[asyncio.BaseTransport, FaultyHandler]:
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        handler = server.handle_new_connection()
        assert isinstance(handler, FaultyHandler)
        transport = _Wire(self, handler, master, slave)
        handler.connection_made(transport)
        return transport, handler


class _Wire(asyncio.Transport):
    """The far end of the pty. Holds the near end open too, so that a client may come and go."""

    def __init__(self, bus: RtuBus, handler: FaultyHandler, master: int, slave: int) -> None:
        super().__init__()
        self._bus = bus
        self._handler = handler
        self._master, self._slave = master, slave
        self._loop = asyncio.get_running_loop()
        self._heard = bytearray()
        self._free_s = 0.0
        """When the last byte so far has passed over the wire."""
        self._frame_end: asyncio.TimerHandle | None = None
        self._closed = False
        self._loop.add_reader(master, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 1_024)
        except BlockingIOError:
            return
        self._heard += data
        if self._bus.echo:
            self._put(data)
        start_s = max(self._loop.time(), self._free_s)
        self._free_s = start_s + len(data) * self._bus.character_s
        if self._frame_end is not None:
            self._frame_end.cancel()
        self._frame_end = self._loop.call_at(self._free_s + self._bus.silence_s, self._end_of_frame)

    def _end_of_frame(self) -> None:
        self._frame_end = None
        self._free_s += self._bus.silence_s
        data, self._heard = bytes(self._heard), bytearray()
        # A frame is what stands between two silences; nothing of an earlier one belongs to it.
        self._handler.recv_buffer = b""
        self._handler.data_received(data)

    def write(self, data: Any) -> None:
        now_s = self._loop.time()
        start_s = self._free_s if now_s - self._free_s < TURNAROUND_S else now_s
        self._free_s = start_s + len(data) * self._bus.character_s
        self._loop.call_at(self._free_s, self._put, bytes(data))

    def _put(self, data: bytes) -> None:
        # A pty that nobody reads is full some day; a real line would lose the bytes too.
        with contextlib.suppress(BlockingIOError):
            if not self._closed:
                os.write(self._master, data)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._master)
            if self._frame_end is not None:
                self._frame_end.cancel()
            os.close(self._slave)
            os.close(self._master)

    def is_closing(self) -> bool:
        return self._closed
