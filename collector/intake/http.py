"""Intake over HTTPS: posts of envelopes in, acknowledgements in the answers.

A listener of its own without page or API. It accepts connections itself, so that also those that have not
finished their TLS handshake are counted; each is bounded in time, and so is each request. What a post
waits for is told in docs/wire-format.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter as Counts
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.intake.contract import Line
from collector.intake.http_callers import Caller, Questions, badge_of, fingerprint_of, shown_certificate
from collector.intake.http_desk import PostDesk
from collector.intake.http_settings import IntakeHttpSection
from foundation.httpconnection import Connection
from foundation.logs import FirstOnly
from foundation.oserrors import why
from foundation.servercertificate import server_context
from telemetry.posting import POST_BYTES_MAX

HANDSHAKE_S_MAX: Final = 10.0
REQUEST_S_MAX: Final = 30.0
IDLE_S_MAX: Final = 75.0
"""Longer than a gateway's status lets its connection rest."""
CLOSE_S_MAX: Final = 2.0
ACCEPT_PAUSE_S: Final = 1.0
READ_AHEAD_BYTES: Final = 64 * 1024

log = structlog.get_logger()


class HttpIntake:
    """Takes posts at a listening socket. `refused` hears the reason for who is not let in. authority_file:
    who signs gateways' certificates; without it none is asked for. questions: answers what else is asked.

    Raises UsageError for a certificate that cannot be used.
    """

    def __init__(
        self,
        section: IntakeHttpSection,
        listening: socket.socket,
        registry: CollectorRegistry,
        refused: Callable[[str], None],
        *,
        authority_file: Path | None = None,
        questions: Questions | None = None,
    ) -> None:
        self._section = section
        self._listening = listening
        self._context, self._shown = None, b""
        self.certificate_ends_ms: int | None = None
        """Of the certificate that is shown; None without TLS."""
        if section.certificate:
            self._context = server_context(section.certificate, "intake_http")
            certificate = shown_certificate(section.certificate[0])
            self._shown = fingerprint_of(certificate)
            self.certificate_ends_ms = int(certificate.not_valid_after_utc.timestamp() * 1000)
        self._asks_for_badges = self._context is not None and authority_file is not None
        if self._context and authority_file:
            self._context.load_verify_locations(authority_file)
            # Also who has none is talked to: to enrol, and where it was registered by hand.
            self._context.verify_mode = ssl.CERT_OPTIONAL
        self._desk = PostDesk(registry, refused, questions)
        self._connections: Counts[str] = Counts()
        self._reported = FirstOnly(100)
        self._open = Gauge("campus_intake_http_connections", "Connections of gateways", registry=registry)
        self._refused = Counter(
            "campus_intake_http_refused",
            "Connections closed unheard, and requests that were none, by reason",
            ["reason"],
            registry=registry,
        )
        host, port = listening.getsockname()[:2]
        scheme = "https" if self._context else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        self.name = f"posts at {self.url}"

    async def run(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        self._listening.setblocking(False)
        log.info("listening for posts of gateways", url=self.url)
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    connection, address = await loop.sock_accept(self._listening)
                except OSError as error:
                    # No more files can be opened: those who are here have to leave first.
                    if self._reported.first("accept"):
                        log.error("cannot take connections", error=why(error))
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                    continue
                peer = str(address[0])
                if self._admit(peer):
                    group.create_task(self._talk(connection, peer, line), name=f"intake-http-{peer}")
                else:
                    connection.close()

    def _admit(self, peer: str) -> bool:
        section = self._section
        if self._connections.total() >= section.connections_max:
            reason = "connections"
        elif self._connections[peer] >= section.connections_per_address_max:
            reason = "connections_of_address"
        else:
            self._connections[peer] += 1
            self._open.inc()
            return True
        self._refused.labels(reason).inc()
        if self._reported.first(reason):
            log.warning("too many connections, some are closed", reason=reason)
        return False

    async def _talk(self, connection: socket.socket, peer: str, line: Line) -> None:
        try:
            reader, writer = await self._open_stream(connection)
            try:
                with self._desk.talking(line, self._caller(peer, writer), self._note) as handler:
                    await Connection(
                        reader,
                        writer,
                        handler,
                        body_bytes_max=POST_BYTES_MAX,
                        request_s_max=REQUEST_S_MAX,
                        idle_s_max=IDLE_S_MAX,
                    ).run()
            finally:
                await _close(writer)
        except OSError as error:
            self._note("handshake" if isinstance(error, ssl.SSLError) else "broken")
        except Exception:  # the supervising boundary of a connection
            self._note("fault")
            if self._reported.first("fault"):
                log.exception("a post could not be handled")
        finally:
            self._open.dec()
            self._connections[peer] -= 1
            if self._connections[peer] <= 0:
                del self._connections[peer]

    def _caller(self, peer: str, writer: asyncio.StreamWriter) -> Caller:
        badge = None
        if self._asks_for_badges:
            required = self._section.client_certificates == "required"
            badge = badge_of(writer.get_extra_info("ssl_object"), required=required)
        return Caller(peer, badge, self._shown)

    def _note(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    async def _open_stream(
        self, connection: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = asyncio.StreamReader(READ_AHEAD_BYTES, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_S_MAX if self._context else None,
            ssl_shutdown_timeout=CLOSE_S_MAX if self._context else None,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Whoever does not answer a goodbye in time is left without one."""
    writer.close()
    try:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CLOSE_S_MAX):
                await writer.wait_closed()
    finally:
        writer.transport.abort()
