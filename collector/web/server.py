"""Runs the application in uvicorn so that open pages do not keep it from stopping."""

from __future__ import annotations

import socket
import ssl
from typing import Final

import uvicorn
from fastapi import FastAPI

from collector.web.events import LISTENERS_MAX
from collector.web.parts import WebParts
from foundation.webserver import BoundedHttp, PartServer

GRACEFUL_STOP_S: Final = 5
CONNECTIONS_MAX: Final = LISTENERS_MAX + 400


def server_config(app: FastAPI) -> uvicorn.Config:
    """How the page is served: every connection bounded."""
    return uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # Who is believed about an address is decided in one place, collector.web.proxies.
        proxy_headers=False,
        lifespan="off",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
    )


class WebServer(PartServer):
    """A uvicorn server that ends the event streams first; uvicorn waits for them for ever otherwise.

    Without `tls` it speaks in clear.
    """

    def __init__(self, config: uvicorn.Config, parts: WebParts, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(config, tls)
        self._closing = parts.closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)
