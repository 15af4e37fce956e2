"""Listening for a web server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from foundation.commands import UsageError
from foundation.webserver import BoundedHttp, PartServer, listen

CONNECTIONS_MAX = 6


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_know_their_protocol(host: str) -> None:
    """Else asyncio leaves Nagle's algorithm on, and a kept connection waits 40 ms for each answer."""
    with (
        listen(host, 0) as listening,
        socket.create_connection(listening.getsockname()[:2]),
        listening.accept()[0] as accepted,
    ):
        assert accepted.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port} cannot be listened on"):
            listen("127.0.0.1", port)


class Hasty(BoundedHttp):
    head_wait_s = 0.2


@contextlib.asynccontextmanager
async def answering(protocol: type[BoundedHttp]) -> AsyncIterator[int]:
    """The port of a server that says hello."""
    config = uvicorn.Config(
        PlainTextResponse("hello"), http=protocol, ws="none", log_config=None, lifespan="off",
        limit_concurrency=CONNECTIONS_MAX,
    )  # fmt: skip
    server = PartServer(config)
    with listen("127.0.0.1", 0) as listening:
        task = asyncio.create_task(server.serve([listening]), name="web")
        await server.answering.wait()
        yield listening.getsockname()[1]
        server.should_exit = True
        await task


async def test_who_asks_nothing_makes_room_for_who_asks() -> None:
    async with answering(BoundedHttp) as port, contextlib.AsyncExitStack() as stack:
        for count in range(3 * CONNECTIONS_MAX):  # the server sees them all at once
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            silent.sendall(b"GET / HTTP/1.1\r\nHost: local" if count % 2 else b"")
        async with httpx.AsyncClient() as client:
            for _ in range(3):
                assert (await client.get(f"http://127.0.0.1:{port}/")).text == "hello"


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /"])
async def test_a_connection_without_a_request_is_closed(said: bytes) -> None:
    async with answering(Hasty) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 4)  # sooner than what uvicorn closes by itself
        writer.close()
