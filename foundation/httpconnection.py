"""One connection of whoever posts to us: requests in, answers out, every wait and size bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

import h11

HEADER_BYTES_MAX: Final = 16 * 1024
READ_BYTES: Final = 16 * 1024
LINGER_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of a body that nobody wants: read away, so that the answer arrives before the connection ends."""
LINGER_S_MAX: Final = 2.0


class Reply(NamedTuple):
    """An answer: status, body (of problems the usual text), fields of the header, and for how long to
    hold it back.
    """

    status: int
    body: bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    delay_s: float = 0.0


class Body(Protocol):
    """Where a body goes as it comes."""

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


class Reading(NamedTuple):
    """A body to be read. finish: what is to be done then, given its size in bytes; failed: hears with
    a fixed word that it did not come to that.
    """

    body: Body
    finish: Callable[[int], Reply | Awaitable[Reply]]
    failed: Callable[[str], None]


class Handler(NamedTuple):
    """Who decides. begin: sees the header and gives an answer or a body to read. failed: hears with a
    fixed word of what is no request. usual: content type and body of a problem that has no other.
    """

    begin: Callable[[h11.Request], Reply | Reading]
    failed: Callable[[str], None]
    usual: Callable[[int], tuple[bytes, bytes]]


class Connection:
    """Speaks HTTP/1.1 on a stream until one of both ends it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: Handler,
        *,
        body_bytes_max: int,
        request_s_max: float,
        idle_s_max: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._failed = handler.failed
        self._body_bytes_max = body_bytes_max
        self._request_s_max = request_s_max
        self._idle_s_max = idle_s_max
        self._head_only = False
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES_MAX)

    async def run(self) -> None:
        """Returns when the connection is over. Raises OSError when it breaks."""
        while await self._has_more():
            self._failed, self._head_only = self._handler.failed, False
            try:
                async with asyncio.timeout(self._request_s_max):
                    await self._exchange()
            except TimeoutError:
                self._failed("too_slow")
                await self._last_words(Reply(408))
                return
            except h11.RemoteProtocolError as error:
                self._failed("cut_off" if self._reader.at_eof() else "not_http")
                await self._last_words(Reply(error.error_status_hint))
                return
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                await self._linger()
                return
            self._http.start_next_cycle()

    async def _has_more(self) -> bool:
        """Waits for the first bytes of a request."""
        if self._http.trailing_data[0]:
            return True
        try:
            async with asyncio.timeout(self._idle_s_max):
                data = await self._reader.read(READ_BYTES)
        except TimeoutError:
            return False
        self._http.receive_data(data)
        return bool(data)

    async def _exchange(self) -> None:
        request = await self._next()
        if not isinstance(request, h11.Request):
            return
        self._head_only = request.method == b"HEAD"
        if _ends_in_doubt(request):
            raise h11.RemoteProtocolError("where the request ends is in doubt", error_status_hint=400)
        begun = self._handler.begin(request)
        if isinstance(begun, Reply):
            await self._refuse(begun, length_of(request))
            return
        self._failed = begun.failed
        size_bytes = 0
        while isinstance(event := await self._next(), h11.Data):
            size_bytes += len(event.data)
            if size_bytes > self._body_bytes_max:
                self._failed("too_large")
                await self._say(Reply(413, headers=((b"Connection", b"close"),)))
                return
            begun.body.feed(bytes(event.data))
        if isinstance(event, h11.EndOfMessage):
            begun.body.finish()
            reply = begun.finish(size_bytes)
            await self._say(reply if isinstance(reply, Reply) else await reply)

    async def _refuse(self, reply: Reply, length: int) -> None:
        """Answers before the body has come, which is read away: a terminal sends its pictures along
        with the first, unsigned half of a Digest, and many look at the answer only after that.
        """
        unsent = self._http.they_are_waiting_for_100_continue
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        if unsent or length > self._body_bytes_max:
            await self._say(reply._replace(headers=(*reply.headers, (b"Connection", b"close"))))
            return
        await self._say(reply)
        size_bytes = 0
        while size_bytes <= self._body_bytes_max and isinstance(event := await self._next(), h11.Data):
            size_bytes += len(event.data)

    async def _next(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(READ_BYTES))
        return event

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)

    async def _say(self, reply: Reply) -> None:
        headers, content = list(reply.headers), reply.body
        usual_type, usual = self._handler.usual(reply.status)
        if content is None:
            content = usual
        if not any(name.lower() == b"content-type" for name, _ in headers):
            headers.append((b"Content-Type", usual_type))
        headers.append((b"Content-Length", str(len(content)).encode()))
        self._send(h11.Response(status_code=reply.status, headers=headers))
        if not self._head_only:
            self._send(h11.Data(data=content))
        self._send(h11.EndOfMessage())
        await self._writer.drain()

    async def _last_words(self, reply: Reply) -> None:
        """An answer to what cannot be answered any more but with goodbye."""
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        try:
            async with asyncio.timeout(LINGER_S_MAX):
                await self._say(reply._replace(headers=(*reply.headers, (b"Connection", b"close"))))
        except (TimeoutError, h11.LocalProtocolError):
            return
        await self._linger()

    async def _linger(self) -> None:
        """Reads away what still comes, for a moment: a connection closed over unread data is reset, and
        the other end may lose the answer.
        """
        if self._writer.can_write_eof():
            self._writer.write_eof()
        left = LINGER_BYTES_MAX
        try:
            async with asyncio.timeout(LINGER_S_MAX):
                while left > 0 and (data := await self._reader.read(READ_BYTES)):
                    left -= len(data)
        except TimeoutError:
            return


def length_of(request: h11.Request) -> int:
    """What the header says of the body's size; h11 has made sure that it is a number."""
    return next((int(value) for name, value in request.headers if name == b"content-length"), 0)


def _ends_in_doubt(request: h11.Request) -> bool:
    """Whether a proxy in front of us may see another end of the request than h11 does, and take what we answer
    next for somebody else's (RFC 9112, 6.1 and 6.3).
    """
    names = {name for name, _ in request.headers}
    return b"transfer-encoding" in names and (b"content-length" in names or request.http_version != b"1.1")
