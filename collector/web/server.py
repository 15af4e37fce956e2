"""Runs the application in uvicorn so that open pages do not keep it from stopping."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

from collector.web.parts import WebParts

GRACEFUL_STOP_S: int = 5


class WebServer(uvicorn.Server):
    """A uvicorn server that ends the event streams first; uvicorn waits for them for ever otherwise."""

    def __init__(self, config: uvicorn.Config, parts: WebParts) -> None:
        super().__init__(config)
        self._closing = parts.closing
        self.answering = asyncio.Event()
        """Set once requests are answered."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals alone: they are the business of the program that serves more than a page."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)
