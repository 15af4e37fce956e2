"""Modbus TCP (Modbus Messaging on TCP/IP V1.0b): a device, or a gateway with a serial bus behind it.

Replies carry the number of their request; one that comes late is thrown away and counted. A
connection is given up only when nothing at all has come for several requests in a row, never for
one silent unit.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from edge_agent.drivers.modbus.link import (
    GATEWAY_SILENT,
    BusAwayError,
    NoReplyError,
    RefusedError,
)
from edge_agent.drivers.modbus.requests import REFUSED, Request
from foundation.oserrors import why

CONNECT_S_MAX: Final = 5.0
UNANSWERED_MAX: Final = 4
"""So many requests in a row without a byte: the gateway has gone without saying so."""
_HEAD: Final = struct.Struct(">HHHB")
"""Number of the request, protocol 0, how many bytes follow from the unit on, unit."""
_PDU_BYTES_MAX: Final = 253


class TcpLink:
    """A connection to one host."""

    numbered = True

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._number = 0
        self._unanswered = 0
        self._connection: _Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None and self._connection.lost is None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._unanswered = 0
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                transport, self._connection = await loop.create_connection(
                    _Connection, self._host, self._port
                )
        except TimeoutError as error:
            raise BusAwayError("no answer") from error
        except OSError as error:
            raise BusAwayError(why(error)) from error
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def exchange(self, unit: int, request: Request, timeout_s: float) -> bytes:
        connection = self._connection
        if connection is None or connection.lost is not None:
            raise BusAwayError(connection.lost if connection and connection.lost else "not connected")
        self._number = self._number % 0xFFFF + 1
        frame = _frame(self._number, unit, request)
        answer = connection.ask(self._number, frame)
        try:
            async with asyncio.timeout(timeout_s):
                replied_unit, pdu = await answer
        except TimeoutError:
            self._unanswered += 1
            if self._unanswered >= UNANSWERED_MAX:
                connection.close()
            raise NoReplyError from None
        finally:
            connection.forget()
        self._unanswered = 0
        return _body(unit, request, replied_unit, pdu)


def _frame(number: int, unit: int, request: Request) -> bytes:
    return _HEAD.pack(number, 0, 2 + len(request.body), unit) + bytes((request.fc,)) + request.body


def _body(unit: int, request: Request, replied_unit: int, pdu: bytes) -> bytes:
    if replied_unit == unit and len(pdu) == 2 and pdu[0] == request.fc | REFUSED:
        if pdu[1] in GATEWAY_SILENT:
            raise NoReplyError("no answer behind the gateway")
        raise RefusedError(pdu[1])
    body = pdu[1:]
    good = (
        replied_unit == unit
        and pdu[0] == request.fc
        and len(body) == request.reply_bytes
        and body.startswith(request.reply_start)
    )
    if not good:
        raise NoReplyError("a reply of the wrong shape", garbled=True)
    return body


class _Connection(asyncio.Protocol):
    """Frames of one connection; one reply at most is waited for."""

    def __init__(self) -> None:
        self.lost: str | None = None
        self.late_replies = 0
        self._buffer = bytearray()
        self._number = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc else "closed by the other side")

    def close(self) -> None:
        self._end("closed")
        if self._transport is not None:
            self._transport.abort()

    def _end(self, why: str) -> None:
        if self.lost is None:
            self.lost = why
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BusAwayError(why))

    def ask(self, number: int, frame: bytes) -> asyncio.Future[tuple[int, bytes]]:
        assert self._transport is not None
        self._number = number
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(frame)
        return self._answer

    def forget(self) -> None:
        self._answer = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            number, protocol, length, unit = _HEAD.unpack_from(self._buffer)
            if protocol or not 2 <= length <= _PDU_BYTES_MAX + 1:
                # Out of step: from here on nothing can be told from anything.
                self.close()
                return
            if len(self._buffer) < 6 + length:
                return
            pdu = bytes(self._buffer[_HEAD.size : 6 + length])
            del self._buffer[: 6 + length]
            if self._answer is None or self._answer.done() or number != self._number:
                self.late_replies += 1
            else:
                self._answer.set_result((unit, pdu))
