"""One question over HTTP: a POST with a body, and its answer, every wait and size bounded.

Small on purpose: no redirects, no proxy, no cookies, no pool of connections; one is kept open for the
next question where that is wanted. What can go wrong is named for what the asker does: see
`foundation.postanswer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import h11

from foundation.clienttls import ClientTls, TlsFileError
from foundation.loopback import is_loopback
from foundation.oserrors import why
from foundation.postanswer import (
    PROBLEM,
    Answer,
    PostError,
    PostGarbageError,
    PostRefusedError,
    PostUnavailableError,
    check_status,
    judged,
)

__all__ = [
    "HttpPost",
    "PostError",
    "PostGarbageError",
    "PostRefusedError",
    "PostUnavailableError",
    "Target",
    "Times",
    "parse_target",
]

HEADER_BYTES_MAX: Final = 16 * 1024
READ_BYTES: Final = 64 * 1024


class Target(NamedTuple):
    """Where to: taken apart by `parse_target`. base: path in front of every question's, perhaps empty."""

    tls: bool
    host: str
    port: int
    base: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Times(NamedTuple):
    """step_s: to connect, with TLS, and then between two pieces of the answer. total_s: for all of it."""

    step_s: float = 10.0
    total_s: float = 30.0


def parse_target(url: str) -> Target:
    """Raises ValueError with what is wrong; without TLS only this machine itself can be asked."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not an address; write https://, a host and perhaps a port") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("is not an address; write https://, a host and perhaps a port")
    if parts.username is not None or parts.query or parts.fragment or not url.isascii() or " " in url:
        raise ValueError("must be https://, a host, perhaps a port and a path, and nothing else")
    tls = parts.scheme == "https"
    if not tls and not is_loopback(parts.hostname):
        raise ValueError("must begin with https://; http:// is for a service on this machine only")
    return Target(tls, parts.hostname, port or (443 if tls else 80), parts.path.rstrip("/"))


class _Channel(NamedTuple):
    """An open connection. kept: an earlier question was answered over it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http: h11.Connection
    kept: bool = False


class _StaleError(Exception):
    """A kept connection had ended before the question came."""


class HttpPost:
    """Asks one service, one question at a time where the connection is kept.

    ca_file: who must have signed its certificate; left out, who the system trusts. certificate: what we
    show of ourselves, with its key. keep: the connection stays open for the next question; if it turns out to
    have ended meanwhile, the question is asked again over a new one, so it must be one that may come twice.
    unknown: any certificate will do where there is no ca_file; for who makes sure in another way, see `meet`.
    """

    def __init__(
        self,
        target: Target,
        *,
        answer_bytes_max: int,
        ca_file: Path | None = None,
        certificate: tuple[Path, Path] | None = None,
        unknown: bool = False,
        times: Times | None = None,
        keep: bool = False,
    ) -> None:
        self._target = target
        self._answer_bytes_max = answer_bytes_max
        self._tls = ClientTls(ca_file, certificate, unknown=unknown)
        self._shown: bytes | None = None
        self._times = times or Times()
        self._keep = keep
        self._kept: _Channel | None = None

    def close(self) -> None:
        """Ends the kept connection, if there is one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.writer.transport.abort()

    async def meet(self) -> bytes:
        """Connects, for the question that follows. The certificate (DER) that the service shows, empty without
        TLS: from now on it must be this one. Raises PostError.
        """
        self.close()
        self._kept = await self._connect()
        self._shown = _shown_by(self._kept.writer)
        return self._shown

    async def ask(self, path: str, body: bytes, content_type: str) -> bytes:
        """The answer's body, of the same content type as the question's. Raises PostError."""
        return judged(await self._send(self._request(path, body, content_type), body), content_type)

    async def tell(
        self, path: str, body: bytes, content_type: str, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """A post of which only matters that it was taken: any answer of 200 to 299 will do. Raises PostError."""
        check_status(await self._send(self._request(path, body, content_type, headers), body))

    async def _send(self, request: h11.Request, body: bytes) -> Answer:
        kept, self._kept = self._kept, None
        try:
            async with asyncio.timeout(self._times.total_s):
                if kept is not None:
                    with contextlib.suppress(_StaleError):
                        return await self._exchange(kept._replace(kept=True), request, body)
                return await self._exchange(await self._connect(), request, body)
        except TimeoutError:
            raise PostUnavailableError(f"no whole answer within {self._times.total_s:g} s") from None
        except OSError as error:
            raise PostUnavailableError(f"the connection broke: {why(error)}") from error

    async def _connect(self) -> _Channel:
        target = self._target
        where = f"{target.host}:{target.port}"
        try:
            context = self._tls.context() if target.tls else None
            async with asyncio.timeout(self._times.step_s):
                reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
            if self._shown is not None and _shown_by(writer) != self._shown:
                writer.transport.abort()
                raise PostRefusedError(f"{where} shows another certificate than a moment ago")
            return _Channel(reader, writer, h11.Connection(h11.CLIENT, HEADER_BYTES_MAX))
        except TlsFileError as error:
            raise PostRefusedError(str(error)) from error
        except TimeoutError:
            raise PostUnavailableError(f"no connection to {where} within {self._times.step_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            self._tls.forget()  # somebody may put the right file there
            raise PostRefusedError(
                f"the certificate of {where} is not believed: {error.verify_message}"
            ) from error
        except ssl.SSLError as error:
            raise PostGarbageError(f"{where} does not speak TLS as it should: {error.reason}") from error
        except OSError as error:
            raise PostUnavailableError(f"no connection to {where}: {why(error)}") from error

    def _request(
        self, path: str, body: bytes, content_type: str, headers: Sequence[tuple[str, str]] = ()
    ) -> h11.Request:
        return h11.Request(
            method="POST",
            target=self._target.base + path or "/",
            headers=[
                ("Host", self._target.authority),
                ("Content-Type", content_type),
                ("Content-Length", str(len(body))),
                ("Accept", f"{content_type}, {PROBLEM}"),
                ("Accept-Encoding", "identity"),
                ("Connection", "keep-alive" if self._keep else "close"),
                *headers,
            ],
        )

    async def _exchange(self, channel: _Channel, request: h11.Request, body: bytes) -> Answer:
        """Raises _StaleError where a kept channel gives no sign of life."""
        writer, http = channel.writer, channel.http
        keeping = False
        try:
            head = http.send(request) or b""
            writer.write(
                head + (http.send(h11.Data(data=body)) or b"") + (http.send(h11.EndOfMessage()) or b"")
            )
            answer = await self._answer(channel)
            clean = http.our_state is http.their_state is h11.DONE and not http.trailing_data[0]
            if self._keep and clean:
                http.start_next_cycle()
                keeping, self._kept = True, channel
        finally:
            if not keeping:
                writer.transport.abort()
        return answer

    async def _answer(self, channel: _Channel) -> Answer:
        http = channel.http
        response: h11.Response | None = None
        found = bytearray()
        heard = ended = False
        while True:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError as error:
                if ended:
                    raise PostUnavailableError("the connection ended before the answer did") from error
                raise PostGarbageError(f"the answer is not HTTP: {error}") from error
            if event is h11.NEED_DATA:
                data = await self._heard(channel, begun=response is not None, first=not heard)
                heard, ended = heard or bool(data), not data
                http.receive_data(data)
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                found += event.data
                if len(found) > self._answer_bytes_max:
                    raise PostGarbageError(f"the answer is longer than {self._answer_bytes_max} bytes")
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                return Answer(response, bytes(found))
            elif isinstance(event, h11.ConnectionClosed):
                raise PostUnavailableError("the connection ended without an answer")

    async def _heard(self, channel: _Channel, *, begun: bool, first: bool) -> bytes:
        """What comes next; the question has gone out before the first of it."""
        stale = channel.kept and first
        try:
            if first:
                async with asyncio.timeout(self._times.step_s):
                    await channel.writer.drain()
            data = await self._read(channel.reader, begun=begun)
        except OSError as error:
            if stale and not isinstance(error, TimeoutError):
                raise _StaleError from error
            raise
        if stale and not data:
            raise _StaleError
        return data

    async def _read(self, reader: asyncio.StreamReader, *, begun: bool) -> bytes:
        try:
            async with asyncio.timeout(self._times.step_s):
                return await reader.read(READ_BYTES)
        except TimeoutError:
            what = "the answer stopped half-way" if begun else "no answer"
            raise PostUnavailableError(f"{what}: nothing came for {self._times.step_s:g} s") from None


def _shown_by(writer: asyncio.StreamWriter) -> bytes:
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    return (tls.getpeercert(binary_form=True) if tls else None) or b""
