"""Connections that never become TLS: counted, bounded in time, and in nobody's way."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from foundation import tlsdoor
from foundation.servercertificate import server_context
from foundation.tlsdoor import TlsDoor
from foundation.webserver import BoundedHttp, PartServer, listen
from tests.foundation.test_broker_tls import Authority


async def scheme(request: Request) -> PlainTextResponse:
    assert request.client is not None
    return PlainTextResponse(f"{request.url.scheme} {request.client.host}")


class Rig:
    """A server on a free port, and who trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder, "school-ca")
        self.trust = ssl.create_default_context(cafile=str(authority.file))
        self.listening = listen("127.0.0.1", 0)
        self.port = self.listening.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/"
        config = uvicorn.Config(
            Starlette(routes=[Route("/", scheme)]), http=BoundedHttp, log_config=None, lifespan="off"
        )
        self.server = PartServer(config, server_context(authority.issue("pulse"), "web"))

    @property
    def door(self) -> TlsDoor:
        (door,) = self.server.servers
        assert isinstance(door, TlsDoor)
        return door

    async def until(self, handshakes: int) -> None:
        for _ in range(2_000):
            if self.door.handshakes == handshakes:
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"{self.door.handshakes} handshakes, not {handshakes}")

    async def ask(self) -> str:
        async with httpx.AsyncClient(verify=self.trust) as client:
            return (await client.get(self.url)).text

    async def connect(self, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(said)
        return reader, writer


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    serving = asyncio.create_task(rig.server.serve([rig.listening]), name="server-under-test")
    await asyncio.wait_for(rig.server.answering.wait(), 20)
    yield rig
    rig.server.should_exit = True
    await asyncio.wait_for(serving, 20)


async def test_a_request_comes_over_tls_and_is_known_to(rig: Rig) -> None:
    assert await rig.ask() == "https 127.0.0.1"
    await rig.until(0)


async def test_a_crowd_of_silent_connections_shuts_nobody_out(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tlsdoor, "HANDSHAKES_MAX", 5)
    crowd = [await rig.connect() for _ in range(30)]
    await rig.until(5)
    assert await rig.ask() == "https 127.0.0.1"
    # those that made room are closed
    for reader, _ in crowd[:24]:
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
    for _, writer in crowd:
        writer.close()
    await rig.until(0)


async def test_a_handshake_that_does_not_end_is_ended(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlsdoor, "HANDSHAKE_S_MAX", 0.2)
    crowd = [await rig.connect(said) for said in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n")]
    for reader, writer in crowd:
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 20)
        writer.close()
    await rig.until(0)
    assert await rig.ask() == "https 127.0.0.1"


async def test_stopping_ends_handshakes_too(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    serving = asyncio.create_task(rig.server.serve([rig.listening]), name="server-under-test")
    await asyncio.wait_for(rig.server.answering.wait(), 20)
    reader, writer = await rig.connect()
    await rig.until(1)
    rig.server.should_exit = True
    await asyncio.wait_for(serving, 20)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
