"""Ears on the ways out of a gateway: everything a broker hands on, every byte to and from the vault."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from foundation.broker import BrokerSettings, Link, connect
from tests.conftest import Mosquitto

_CHUNK_BYTES = 64 * 1024


class Heard:
    """Topics and payloads, in the order in which they came."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []


@asynccontextmanager
async def listening(broker: Mosquitto, topics: str) -> AsyncIterator[Heard]:
    """A second client of a broker, for as long as the context lasts."""
    heard = Heard()

    async def listen(link: Link) -> None:
        async for chunk in link.chunks():
            assert not link.overflowed
            heard.messages += [(one.topic, bytes(one.payload)) for one in chunk]

    async with connect(BrokerSettings(host=broker.host, port=broker.port), "week-listener") as link:
        await link.subscribe([topics])
        task = asyncio.create_task(listen(link), name="listener")
        try:
            yield heard
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class Wire:
    """Where a proxy listens, and all that went through it, one entry a connection and direction."""

    def __init__(self) -> None:
        self.port = 0
        self.streams: list[bytearray] = []


@asynccontextmanager
async def tapped(port: int) -> AsyncIterator[Wire]:
    """A proxy before a TCP port of this machine."""
    wire = Wire()
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = bytearray()
        wire.streams.append(seen)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK_BYTES):
                seen += data
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        for one in (pump(reader, far_writer), pump(far_reader, writer)):
            task = asyncio.create_task(one, name="pump of a tapped wire")
            pumps.add(task)
            task.add_done_callback(pumps.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for task in tuple(pumps):
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
