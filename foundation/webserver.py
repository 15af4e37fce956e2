"""A uvicorn server as a part of a program: it takes its port early and leaves signals alone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

from foundation.commands import UsageError


class PartServer(uvicorn.Server):
    """Stops when `should_exit` is set; SIGINT and SIGTERM are the business of the whole program."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()
        """Set once requests are answered."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()


def listen(host: str, port: int) -> socket.socket:
    """Takes the port of a `[web]` section before anything else is opened. Raises UsageError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: asyncio switches Nagle's delay (40 ms an answer) off only where it stands.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # At once: a port that is bound but not listened on can be bound by a second program too.
        listening.listen()
    except OSError as error:
        listening.close()
        raise UsageError(
            f"[web] {host}:{port} cannot be listened on: {error.strerror}; choose another port"
        ) from error
    return listening
