"""Bytes for a port that speaks HTTP: not HTTP, half of it, too much of it."""

from __future__ import annotations

import contextlib
import random
import socket
import struct

SHAPES = (
    b"", b"\0" * 100, b"\r\n" * 5_000, b"GET", b"GET / HTTP/1.1\r\nHost: x", b"GET /\xff?\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: " + b"x" * 70_000, b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"y" * 5_000,
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \xff\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01" + b"\x7f" * 99, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAccept: \xff;q=x\r\nAccept-Encoding: gzip;q=z\r\n\r\n" * 3,
)  # fmt: skip


def say(port: int, chance: random.Random, shape: bytes) -> bytes:
    """The beginning of the answer, if one comes at once; leaves in one of the ways that programs leave."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as link:
        link.settimeout(0.02)
        link.sendall(shape)
        answer = b""
        with contextlib.suppress(TimeoutError):
            answer = link.recv(1_000)
        if chance.random() < 0.5:  # a reset in place of a goodbye
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return answer
    return b""
