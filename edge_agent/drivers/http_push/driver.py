"""Listens for devices that post, each read through its profile."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import DeviceReport, Sink
from edge_agent.drivers.http_push.config import HttpSource
from edge_agent.drivers.http_push.desk import Desk
from edge_agent.drivers.http_push.heard import Heard
from edge_agent.drivers.http_push.peers import Peers
from foundation.backoff import Backoff
from foundation.faults import kind_of, where_of
from foundation.httpconnection import Connection
from foundation.logs import FirstOnly
from telemetry.readings import SeriesTable

log = structlog.get_logger()

HANDSHAKE_S_MAX: Final = 10.0
CLOSE_S_MAX: Final = 2.0
BACKLOG: Final = 64
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class HttpDriver:
    """One listener and the devices that post to it."""

    def __init__(
        self,
        source: HttpSource,
        *,
        catalogue: Catalogue,
        table: SeriesTable,
        zone: ZoneInfo,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.name = source.name
        self._source = source
        self._catalogue = catalogue
        self._table = table
        self._zone = zone
        self._clock = clock
        self._counters = counters
        self._reported = FirstOnly()
        self.listening = asyncio.Event()
        """Set while connections are taken."""

    async def run(self, sink: Sink) -> None:
        desk = self._make_desk(sink, self._counters, taking=True)
        backoff = Backoff()
        while True:
            try:
                await self._serve(desk)
            except OSError as error:
                # Also a certificate that cannot be read, and an address that the machine has not yet.
                if self._reported.first("listen"):
                    log.error("cannot listen for posts", driver=self.name, error=_words(error))
                await asyncio.sleep(backoff.delay_s())

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        waiting = {device.id: device for device in self._source.devices}
        heard = Heard(self._table)
        # Nothing is taken from the devices: they keep what they post, and post it again.
        desk = self._make_desk(heard, Counters(), taking=False)
        serving = asyncio.create_task(self._serve(desk), name=f"check-{self.name}")
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        try:
            while waiting and (left_s := until_s - loop.time()) > 0:
                posting = asyncio.create_task(heard.next(), name="next-post")
                ended = {posting, serving}
                await asyncio.wait(ended, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if not posting.done():
                    posting.cancel()
                    break
                name, text = posting.result()
                if text and name in waiting:
                    del waiting[name]
                    yield DeviceReport(name, ok=True, text=text)
        finally:
            trouble = await _end(serving)
        for device in waiting.values():
            address = f"{self._source.where}{device.address}"
            reason = heard.reasons.get(device.id)
            if trouble:
                text = f"cannot listen at {self._source.where}: {trouble}; does the gateway run already?"
            elif unusable := desk.unusable.get(device.id):
                text = unusable
            elif reason:
                text = f"it posts, but to no avail ({reason})"
            else:
                text = f"no post within {timeout_s:g} s; does it post to {address}?"
            yield DeviceReport(device.id, ok=False, text=text)

    def _make_desk(self, sink: Sink, counters: Counters, *, taking: bool) -> Desk:
        return Desk(
            self._source,
            catalogue=self._catalogue,
            table=self._table,
            zone=self._zone,
            clock=self._clock,
            counters=counters,
            sink=sink,
            taking=taking,
        )

    async def _serve(self, desk: Desk) -> None:
        """Listens until it is cancelled. Raises OSError when it cannot."""
        source = self._source
        peers = Peers(source.connections_max, source.connections_per_peer_max)
        taking: list[asyncio.TaskGroup] = []

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = _peer(writer)
            if not taking or not peers.admit(peer):
                desk.counters.dropped["connections_refused"] += 1
                writer.write(_BUSY)
                writer.close()
                return
            talking = self._talk(reader, writer, desk, peers, peer)
            taking[0].create_task(talking, name=f"post-{self.name}-{peer}")

        server = await asyncio.start_server(
            accept,
            source.host,
            source.port,
            ssl=_context(source),
            ssl_handshake_timeout=HANDSHAKE_S_MAX if source.tls else None,
            backlog=BACKLOG,
        )
        try:
            async with asyncio.TaskGroup() as group:
                taking.append(group)
                self._reported.forget("listen")
                log.info("listening for posts", driver=self.name, address=source.where, devices=desk.devices)
                self.listening.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    taking.clear()
        finally:
            self.listening.clear()
            server.close()

    async def _talk(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        desk: Desk,
        peers: Peers,
        peer: str,
    ) -> None:
        source = self._source
        connection = Connection(
            reader,
            writer,
            desk.handler(peer, peers),
            body_bytes_max=source.body_bytes_max,
            request_s_max=source.request_s_max,
            idle_s_max=source.idle_s_max,
        )
        try:
            await connection.run()
        except OSError:
            desk.counters.dropped["connections_broken"] += 1
        except Exception as error:  # noqa: BLE001  # a supervising boundary: one post must not end the gateway
            desk.counters.dropped["posts_failed"] += 1
            if self._reported.first(type(error)):
                # Without its words, which may quote what was posted.
                log.error(
                    "a post could not be handled",
                    driver=self.name,
                    error=kind_of(error),
                    where=where_of(error),
                )
        finally:
            peers.leave(peer)
            await _close(writer)


def _context(source: HttpSource) -> ssl.SSLContext | None:
    if source.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(source.tls.certificate_file, source.tls.key_file)
    return context


def _peer(writer: asyncio.StreamWriter) -> str:
    found = writer.get_extra_info("peername")
    return str(found[0]) if found else "unknown"


async def _close(writer: asyncio.StreamWriter) -> None:
    """Whoever does not answer a goodbye in time is left without one."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_S_MAX):
            await writer.wait_closed()
    except OSError:
        writer.transport.abort()


def _words(error: OSError) -> str:
    what = error.strerror or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what


async def _end(serving: asyncio.Task[None]) -> str:
    """Ends the listener; what was wrong with it, if something was."""
    serving.cancel()
    await asyncio.wait({serving})
    if serving.cancelled():
        return ""
    error = serving.exception()
    if isinstance(error, OSError):
        return _words(error)
    if error is not None:
        raise error
    return ""
