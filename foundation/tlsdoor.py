"""Takes TLS connections for a server of uvicorn's, whose own way bounds neither how many handshakes there are
nor, below a minute, how long one takes: a thousand silent connections would leave a program no files to open.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from foundation.logs import FirstOnly
from foundation.oserrors import why

HANDSHAKE_S_MAX: Final = 10.0
HANDSHAKES_MAX: Final = 100
"""At a time; with one more, the one that has taken longest makes room."""
CLOSE_S_MAX: Final = 2.0
ACCEPT_PAUSE_S: Final = 1.0

log = structlog.get_logger()


class TlsDoor:
    """Accepts at a socket and gives each connection, once its handshake is done, a protocol of its own.

    Is to uvicorn what an asyncio server is: it closes it and waits for it.
    """

    def __init__(
        self, listening: socket.socket, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol]
    ) -> None:
        self._listening = listening
        self._context = context
        self._make = make
        self._handshakes: dict[asyncio.Task[None], None] = {}
        self._reported = FirstOnly()
        listening.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(), name="tls-accept")

    @property
    def handshakes(self) -> int:
        """In progress."""
        return len(self._handshakes)

    def close(self) -> None:
        for task in (self._accepting, *self._handshakes):
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(self._accepting, *self._handshakes, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listening)
            except OSError as error:
                # No more files can be opened: those who are here have to leave first.
                if self._reported.first("accept"):
                    log.error("cannot take connections", error=why(error))
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if len(self._handshakes) >= HANDSHAKES_MAX:
                longest = next(iter(self._handshakes))
                # Until the loop comes round it is not over: the next of a crowd has to find another.
                del self._handshakes[longest]
                longest.cancel()
            task = asyncio.create_task(self._shake_hands(connection), name="tls-handshake")
            self._handshakes[task] = None
            task.add_done_callback(lambda done: self._handshakes.pop(done, None))

    async def _shake_hands(self, connection: socket.socket) -> None:
        """Whoever does not manage it is gone; whoever does is the protocol's from then on."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # ssl.SSLError is one
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S_MAX,
                ssl_shutdown_timeout=CLOSE_S_MAX,
            )
