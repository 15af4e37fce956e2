"""A uvicorn server as a part of a program: it takes its port early and leaves signals alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Generator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from foundation.commands import UsageError
from foundation.tlsdoor import TlsDoor

HEAD_WAIT_S: Final = 10.0
"""For the head of a request: nobody holds a connection by saying nothing, or a byte now and then."""


class PartServer(uvicorn.Server):
    """Stops when `should_exit` is set; SIGINT and SIGTERM are the business of the whole program.

    With `tls` it takes connections at the sockets that it is given as `TlsDoor` does.
    """

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(config)
        # Below that are lines about requests that are none: whoever reaches the port could fill the log.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._tls = tls
        self.answering = asyncio.Event()
        """Set once requests are answered."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._tls is None:
            await super().startup(sockets)
        else:
            doors = [TlsDoor(one, self._tls, self._connection) for one in sockets or ()]
            self.servers = doors  # type: ignore[assignment]  # closed and waited for, as uvicorn's own
            self.started = True
        self.answering.set()

    def _connection(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


class BoundedHttp(H11Protocol):
    """Closes a connection on which no request comes in `head_wait_s`, for uvicorn's ``http`` setting.

    Where `limit_concurrency` connections are open, the one that has asked nothing for longest makes
    room for the next; otherwise a few hundred silent ones would shut everybody else out.
    """

    head_wait_s = HEAD_WAIT_S

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def idle_until_s(self) -> float | None:
        """When it will be closed, as it asks nothing; None while a request is answered."""
        return None if self._deadline is None else self._deadline.when()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room()
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()

    def _wait_for_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.head_wait_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _make_room(self) -> None:
        idle = [
            (until_s, one)
            for one in self.connections
            if isinstance(one, BoundedHttp) and (until_s := one.idle_until_s) is not None
        ]
        if idle:
            _, longest = min(idle, key=lambda each: each[0])
            # Until the loop comes round it still counts: the next of a crowd has to find another.
            longest._stop_waiting()  # noqa: SLF001  # of its own kind
            longest.transport.abort()


def listen(host: str, port: int, section: str = "web") -> socket.socket:
    """Takes the port of a section of the configuration before anything else is opened. Raises UsageError."""
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
            f"[{section}] {host}:{port} cannot be listened on: {error.strerror}; choose another port"
        ) from error
    return listening
