"""Runs the application in uvicorn so that open pages do not keep it from stopping."""

from __future__ import annotations

import socket

import uvicorn

from collector.web.parts import WebParts
from foundation.webserver import PartServer

GRACEFUL_STOP_S: int = 5


class WebServer(PartServer):
    """A uvicorn server that ends the event streams first; uvicorn waits for them for ever otherwise."""

    def __init__(self, config: uvicorn.Config, parts: WebParts) -> None:
        super().__init__(config)
        self._closing = parts.closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)
