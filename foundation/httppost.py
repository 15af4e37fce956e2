"""One question over HTTP: a POST with a body, and its answer, every wait and size bounded.

Small on purpose: no redirects, no proxy, no cookies, no pool of connections. What can go wrong is
named for what the asker does::

    PostError
    ├── PostUnavailableError   nobody answers, or not in time, or "later" (5xx, 429): ask again
    ├── PostRefusedError       an answer that says no (3xx, 4xx): a person is needed
    └── PostGarbageError       no HTTP, too long, or not what was asked for
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import h11

from foundation.oserrors import why

HEADER_BYTES_MAX: Final = 16 * 1024
READ_BYTES: Final = 64 * 1024
DETAIL_CHARS_MAX: Final = 200
_OK, _REDIRECTS, _TOO_MANY, _SERVER_ERRORS = 200, 300, 429, 500
_PROBLEM: Final = "application/problem+json"


class PostError(Exception):
    """No answer; the message says why, in words that can stand in a log."""


class PostUnavailableError(PostError):
    """Nobody answered in time, or the answer was to come later."""


class PostRefusedError(PostError):
    """The answer is no, and will be no the next time."""


class PostGarbageError(PostError):
    """What came is not an answer to what was asked."""


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
        raise ValueError("is not an address; write https://vault.school.example") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("is not an address; write https://vault.school.example")
    if parts.username is not None or parts.query or parts.fragment or not url.isascii() or " " in url:
        raise ValueError("must be https://, a host, perhaps a port and a path, and nothing else")
    tls = parts.scheme == "https"
    if not tls and not _is_loopback(parts.hostname):
        raise ValueError("must begin with https://; http:// is for a service on this machine only")
    return Target(tls, parts.hostname, port or (443 if tls else 80), parts.path.rstrip("/"))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return False


class HttpPost:
    """Asks one service. ca_file: who must have signed its certificate; left out, who the system trusts."""

    def __init__(
        self,
        target: Target,
        *,
        answer_bytes_max: int,
        ca_file: Path | None = None,
        times: Times | None = None,
    ) -> None:
        self._target = target
        self._answer_bytes_max = answer_bytes_max
        self._ca_file = ca_file
        self._times = times or Times()
        self._context: ssl.SSLContext | None = None

    async def ask(self, path: str, body: bytes, content_type: str) -> bytes:
        """The answer's body, of the same content type as the question's. Raises PostError."""
        try:
            async with asyncio.timeout(self._times.total_s):
                reader, writer = await self._connect()
                try:
                    return await self._exchange(reader, writer, self._request(path, body, content_type), body)
                finally:
                    writer.transport.abort()
        except TimeoutError:
            raise PostUnavailableError(f"no whole answer within {self._times.total_s:g} s") from None
        except OSError as error:
            raise PostUnavailableError(f"the connection broke: {why(error)}") from error

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._target
        context = self._tls() if target.tls else None
        where = f"{target.host}:{target.port}"
        try:
            async with asyncio.timeout(self._times.step_s):
                return await asyncio.open_connection(target.host, target.port, ssl=context)
        except TimeoutError:
            raise PostUnavailableError(f"no connection to {where} within {self._times.step_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise PostRefusedError(
                f"the certificate of {where} is not believed: {error.verify_message}"
            ) from error
        except ssl.SSLError as error:
            raise PostGarbageError(f"{where} does not speak TLS as it should: {error.reason}") from error
        except OSError as error:
            raise PostUnavailableError(f"no connection to {where}: {why(error)}") from error

    def _tls(self) -> ssl.SSLContext:
        """Made with the first question: the authorities' certificates take time and memory."""
        if self._context is None:
            try:
                self._context = ssl.create_default_context(
                    cafile=None if self._ca_file is None else str(self._ca_file)
                )
            except OSError as error:  # ssl.SSLError is one
                raise PostRefusedError(
                    f"{self._ca_file} holds no certificate that can be used: {why(error)}"
                ) from error
        return self._context

    def _request(self, path: str, body: bytes, content_type: str) -> h11.Request:
        return h11.Request(
            method="POST",
            target=self._target.base + path,
            headers=[
                ("Host", self._target.authority),
                ("Content-Type", content_type),
                ("Content-Length", str(len(body))),
                ("Accept", f"{content_type}, {_PROBLEM}"),
                ("Accept-Encoding", "identity"),
                ("Connection", "close"),
            ],
        )

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes
    ) -> bytes:
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES_MAX)
        head = http.send(request) or b""
        writer.write(head + (http.send(h11.Data(data=body)) or b"") + (http.send(h11.EndOfMessage()) or b""))
        async with asyncio.timeout(self._times.step_s):
            await writer.drain()
        return await self._answer(reader, http, _header(request, b"content-type"))

    async def _answer(self, reader: asyncio.StreamReader, http: h11.Connection, content_type: str) -> bytes:
        response: h11.Response | None = None
        found = bytearray()
        ended = False
        while True:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError as error:
                if ended:
                    raise PostUnavailableError("the connection ended before the answer did") from error
                raise PostGarbageError(f"the answer is not HTTP: {error}") from error
            if event is h11.NEED_DATA:
                data = await self._read(reader, begun=response is not None)
                ended = not data
                http.receive_data(data)
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                found += event.data
                if len(found) > self._answer_bytes_max:
                    raise PostGarbageError(f"the answer is longer than {self._answer_bytes_max} bytes")
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                return _judged(response, bytes(found), content_type)
            elif isinstance(event, h11.ConnectionClosed):
                raise PostUnavailableError("the connection ended without an answer")

    async def _read(self, reader: asyncio.StreamReader, *, begun: bool) -> bytes:
        try:
            async with asyncio.timeout(self._times.step_s):
                return await reader.read(READ_BYTES)
        except TimeoutError:
            what = "the answer stopped half-way" if begun else "no answer"
            raise PostUnavailableError(f"{what}: nothing came for {self._times.step_s:g} s") from None


def _judged(response: h11.Response, body: bytes, content_type: str) -> bytes:
    status, found = response.status_code, _header(response, b"content-type").split(";")[0].strip().lower()
    if status == _OK:
        if found != content_type:
            raise PostGarbageError("the answer has another content type than the question")
        return body
    text = f"answered {status}{_detail(body) if found == _PROBLEM else ''}"
    if status == _TOO_MANY or status >= _SERVER_ERRORS:
        raise PostUnavailableError(text)
    if _REDIRECTS <= status < _REDIRECTS + 100:
        raise PostRefusedError(f"{text}: it sends us elsewhere, where we do not go; is the address right?")
    raise PostRefusedError(text)


def _detail(body: bytes) -> str:
    """What a problem says of itself (RFC 9457), bounded and on one line."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    words = [found.get(name) for name in ("title", "detail")] if isinstance(found, dict) else []
    text = "; ".join(word for word in words if isinstance(word, str) and word)
    shown = "".join(sign if sign.isprintable() else " " for sign in text[:DETAIL_CHARS_MAX])
    return f" ({shown})" if shown else ""


def _header(event: h11.Request | h11.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in event.headers if key == name), "")
