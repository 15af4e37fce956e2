"""Collectors for tests of uplinks: they hear everything, and answer when and as they are told to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import h11

from edge_agent.uplink.contract import Uplink
from edge_agent.uplink.https import HttpsUplink
from edge_agent.uplink.mqtt import MqttUplink
from edge_agent.uplink.settings import HttpsSettings
from foundation.broker import BrokerSettings, connect
from foundation.httpconnection import Connection, Handler, Reading, Reply
from telemetry.ack import FORMAT, Ack, encode_ack
from telemetry.batch import Header, Stream, decode_payload
from telemetry.envelope import Kind, open_envelope
from telemetry.posting import CONTENT_TYPE, Pending, decode_pending, pack, parse_path, unpack
from telemetry.topics import topic
from tests.conftest import Mosquitto, free_port
from tests.edge.edge_parts import GATEWAY, SCHOOL, Outlook


class Ears:
    """What a collector has heard, and its signature."""

    def __init__(self, outlook: Outlook) -> None:
        self.outlook = outlook
        self.heard: list[Header] = []
        self.statuses = 0
        self.questions: list[Pending] = []

    def hear(self, data: bytes) -> Header | None:
        envelope = open_envelope(data)
        if envelope.kind is Kind.STATUS:
            self.statuses += 1
        elif envelope.kind is Kind.PENDING:
            self.questions.append(decode_pending(envelope.payload))
        else:
            self.heard.append(decode_payload(envelope.payload)[0])
            return self.heard[-1]
        return None

    def stored(self, header: Header) -> bytes:
        return self.ack(Ack(FORMAT, *_stream(header), stored=((header.sequence, header.sequence),)))

    def received(self, header: Header) -> bytes:
        return self.ack(Ack(FORMAT, *_stream(header), received=((header.sequence, header.sequence),)))

    def ack(self, ack: Ack) -> bytes:
        return self.outlook.collector.wrap(Kind.ACK, encode_ack(ack))


def _stream(header: Header) -> tuple[str, str, Stream, str]:
    return SCHOOL, GATEWAY, header.stream, header.generation


class UplinkSite(Protocol):
    """A collector behind one kind of uplink."""

    ears: Ears
    way: str

    def uplink(self) -> Uplink: ...

    def listening(self, *, answers: bool) -> contextlib.AbstractAsyncContextManager[None]: ...

    def fall(self) -> None:
        """What lies between gateway and collector breaks, and is there again."""


class BrokerSite:
    """Behind a real broker."""

    way = "mqtt"

    def __init__(self, broker: Mosquitto, outlook: Outlook) -> None:
        self.broker = broker
        self.settings = BrokerSettings(host=broker.host, port=broker.port)
        self.ears = Ears(outlook)

    def uplink(self) -> MqttUplink:
        return MqttUplink(self.settings, SCHOOL, GATEWAY)

    @contextlib.asynccontextmanager
    async def listening(self, *, answers: bool) -> AsyncIterator[None]:
        async with connect(self.settings, "collector") as link:
            await link.subscribe([topic(SCHOOL, GATEWAY, leaf) for leaf in ("batch", "urgent", "status")])

            async def hear() -> None:
                async for messages in link.chunks():
                    for message in messages:
                        header = self.ears.hear(message.payload)
                        if header and answers:
                            await link.publish(topic(SCHOOL, GATEWAY, "ack"), self.ears.stored(header))

            task = asyncio.create_task(hear(), name="collector")
            yield
            task.cancel()
            await asyncio.wait([task])

    def fall(self) -> None:
        self.broker.kill()
        self.broker.start()


Say = Callable[[Stream, list[Header]], Awaitable[Reply]]
"""What a collector answers to a post, given its stream and its batches."""


class PostSite:
    """Behind a real listener, with TLS where it has a certificate."""

    way = "https"

    def __init__(self, outlook: Outlook, certificate: tuple[Path, Path] | None = None) -> None:
        self.ears = Ears(outlook)
        self.port = free_port()
        self.posts: list[Stream] = []
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._mixed: set[Stream] = set()
        self._context = None
        if certificate:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(*certificate)

    def uplink(self, **settings: Path) -> HttpsUplink:
        url = f"http{'s' if self._context else ''}://127.0.0.1:{self.port}"
        return HttpsUplink(
            HttpsSettings(url=url, **settings),
            SCHOOL,
            GATEWAY,
            signer=self.ears.outlook.signer,
            counters=self.ears.outlook.counters,
        )

    @contextlib.asynccontextmanager
    async def listening(self, *, answers: bool) -> AsyncIterator[None]:
        async def say(_: Stream, batches: list[Header]) -> Reply:
            return self.told([self.ears.stored(one) for one in batches] if answers else [])

        async with self.saying(say):
            yield

    @staticmethod
    def told(envelopes: list[bytes]) -> Reply:
        return Reply(200, pack(envelopes), ((b"Content-Type", CONTENT_TYPE.encode()),))

    @contextlib.asynccontextmanager
    async def saying(self, say: Say) -> AsyncIterator[None]:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self._open.add(writer)
            handler = Handler(
                lambda request: self._begin(request, say), lambda _: None, lambda _: (b"x", b"")
            )
            with contextlib.suppress(OSError):
                await Connection(
                    reader, writer, handler, body_bytes_max=2**23, request_s_max=60, idle_s_max=60
                ).run()
            self._open.discard(writer)
            writer.transport.abort()

        server = await asyncio.start_server(talk, "127.0.0.1", self.port, ssl=self._context)
        try:
            yield
        finally:
            server.close()
            self.fall()
        assert not self._mixed, "batches of a stream posted with those of the other"

    def fall(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _begin(self, request: h11.Request, say: Say) -> Reading:
        place = parse_path(request.target.decode())
        assert place is not None
        assert (place.school, place.gateway) == (SCHOOL, GATEWAY)
        body = _Body()

        async def finish(_: int) -> Reply:
            self.posts.append(place.stream)
            found = [self.ears.hear(one) for one in unpack(bytes(body.data))]
            batches = [one for one in found if one]
            self._mixed |= {one.stream for one in batches} - {place.stream}
            return await say(place.stream, batches)

        return Reading(body, finish, lambda _: None)


class _Body:
    def __init__(self) -> None:
        self.data = bytearray()

    def feed(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> None: ...
