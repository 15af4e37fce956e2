"""Modbus RTU on a serial port (Modbus over Serial Line V1.02), one request at a time.

A frame ends by silence of 3.5 characters, which no driver of a USB adapter passes on. A reply is
therefore recognised by what it must be: the unit, the function, the length the request asks for,
and a checksum that fits. Everything else on the line is thrown away and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final, NamedTuple

from pymodbus.framer import FramerRTU
from pymodbus.transport.serialtransport import create_serial_connection

from edge_agent.drivers.modbus.link import BusAwayError, LinkError, NoReplyError, RefusedError
from edge_agent.drivers.modbus.requests import REFUSED, Request
from foundation.oserrors import of_port

FRAME_BYTES_MAX: Final = 256
QUIET_S_MIN: Final = 0.005
"""How long at least the line must be silent after a request that was not answered."""
OPEN_S_MAX: Final = 5.0


class SerialLine(NamedTuple):
    """How a port is set. `echo`: the adapter gives back what is sent."""

    port: str
    baud: int = 9_600
    parity: str = "N"
    stop_bits: int = 1
    echo: bool = False

    @property
    def character_s(self) -> float:
        bits = 9 + (self.parity != "N") + self.stop_bits
        return bits / self.baud

    @property
    def silence_s(self) -> float:
        """What separates frames: 3.5 characters, 1.75 ms above 19,200 Bd."""
        return 3.5 * self.character_s if self.baud <= 19_200 else 0.001_75


class RtuLink:
    """A serial bus."""

    numbered = False

    def __init__(self, line: SerialLine) -> None:
        self._line = line
        self._port: _Port | None = None

    @property
    def is_open(self) -> bool:
        return self._port is not None and self._port.lost is None

    @property
    def stray_bytes(self) -> int:
        """Bytes that came when nothing was asked, since the port was opened."""
        return self._port.stray_bytes if self._port else 0

    async def open(self) -> None:
        line = self._line
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(OPEN_S_MAX):
                transport, port = await create_serial_connection(
                    loop, _Port, line.port, line.baud, 8, line.parity, line.stop_bits, 0
                )
                assert isinstance(port, _Port)
                self._port = port
                await port.ready.wait()
        except (OSError, ValueError, TimeoutError) as error:
            await self.close()
            raise BusAwayError(of_port(error, "the port does not open")) from error
        _prepare(transport)

    async def close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    async def exchange(self, unit: int, request: Request, timeout_s: float) -> bytes:
        line, port = self._line, self._port
        if port is None:
            raise BusAwayError("the port is not open")
        await self._silence(port, line.silence_s)
        if port.lost is not None:
            raise BusAwayError(port.lost)
        frame = _frame(unit, request)
        wire_s = (len(frame) + request.reply_bytes + 4) * line.character_s + line.silence_s
        answer = port.expect(unit, request, frame if line.echo else b"")
        try:
            async with asyncio.timeout(wire_s + timeout_s):
                port.write(frame)
                return await answer
        except TimeoutError:
            garbled = port.heard_anything
            port.forget()
            # A reply that is only late must find nobody waiting.
            await self._silence(port, max(line.silence_s, QUIET_S_MIN))
            raise NoReplyError("garbled reply" if garbled else "no reply", garbled=garbled) from None
        finally:
            port.forget()

    async def _silence(self, port: _Port, silence_s: float) -> None:
        """Returns when nothing has been heard for a while. Raises NoReplyError when that never is."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + 2 * FRAME_BYTES_MAX * self._line.character_s + silence_s
        while (wait_s := port.active_s + silence_s - loop.time()) > 0:
            if loop.time() > give_up_s:
                raise NoReplyError("the line is never silent", garbled=True)
            await asyncio.sleep(wait_s)


class _Port(asyncio.Protocol):
    """Bytes of the port. One frame at most is expected at a time."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.lost: str | None = None
        self.stray_bytes = 0
        self.active_s = 0.0
        """When the line was last heard, or when somebody stopped waiting for it."""
        self._transport: Any = None
        self._buffer = bytearray()
        self._echo = b""
        self._unit = 0
        self._request: Request | None = None
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.ready.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = str(exc) if exc else "closed"
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BusAwayError(self.lost))

    def close(self) -> None:
        if self._transport is not None and self.lost is None:
            self.lost = "closed"
            # A port that was pulled out may refuse even to be closed.
            with contextlib.suppress(OSError):
                self._transport.close()

    def write(self, frame: bytes) -> None:
        self._transport.write(frame)

    @property
    def heard_anything(self) -> bool:
        return bool(self._buffer)

    def expect(self, unit: int, request: Request, echo: bytes) -> asyncio.Future[bytes]:
        """The next frame of this shape; what was heard before is forgotten."""
        self.stray_bytes += len(self._buffer)
        self._buffer.clear()
        self._unit, self._request, self._echo = unit, request, echo
        self._answer = asyncio.get_running_loop().create_future()
        return self._answer

    def forget(self) -> None:
        if self._answer is not None:
            self._answer = None
            self._buffer.clear()
            self.active_s = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        self.active_s = asyncio.get_running_loop().time()
        if self._answer is None or self._answer.done():
            self.stray_bytes += len(data)
            return
        if len(self._buffer) < 4 * FRAME_BYTES_MAX:
            self._buffer += data
        if self._echo:
            at = self._buffer.find(self._echo)
            if at < 0:
                return
            del self._buffer[: at + len(self._echo)]
            self._echo = b""
        assert self._request is not None
        try:
            body = find_reply(self._buffer, self._unit, self._request)
        except LinkError as error:
            self._answer.set_exception(error)
        else:
            if body is not None:
                self._answer.set_result(body)


def find_reply(heard: bytes | bytearray, unit: int, request: Request) -> bytes | None:
    """The body of the good reply within what was heard; None while there is none. Noise before it,
    which an adapter that switches direction likes to make, does no harm. Raises RefusedError.
    """
    good = bytes((unit, request.fc)) + request.reply_start
    refused = bytes((unit, request.fc | REFUSED))
    at = heard.find(good)
    while at >= 0:
        frame = heard[at : at + 4 + request.reply_bytes]
        if len(frame) == 4 + request.reply_bytes and _is_sound(frame):
            return bytes(frame[2:-2])
        at = heard.find(good, at + 1)
    at = heard.find(refused)
    while at >= 0:
        frame = heard[at : at + 5]
        if len(frame) == 5 and _is_sound(frame):
            raise RefusedError(frame[2])
        at = heard.find(refused, at + 1)
    return None


def _is_sound(frame: bytes | bytearray) -> bool:
    return FramerRTU.compute_CRC(bytes(frame[:-2])) == int.from_bytes(frame[-2:], "big")


def _frame(unit: int, request: Request) -> bytes:
    head = bytes((unit, request.fc)) + request.body
    return head + FramerRTU.compute_CRC(head).to_bytes(2, "big")


def _prepare(transport: Any) -> None:
    """Throws away what the port had stored; asks an FTDI chip not to hold bytes back for 16 ms."""
    port = transport.sync_serial
    with contextlib.suppress(OSError):
        port.reset_input_buffer()
    # Neither a pty nor every adapter knows this mode.
    with contextlib.suppress(OSError, ValueError, AttributeError, NotImplementedError):
        port.set_low_latency_mode(True)
