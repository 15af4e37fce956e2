"""An HTTP client as simple as a terminal's: one connection, kept open, Digest or a token."""

from __future__ import annotations

import asyncio
import hashlib  # noqa: TID251  # the digest scheme of RFC 7616
import re
import secrets
import ssl
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

import h11

from simulators.http_push.devices import Post

ANSWER_S_MAX: Final = 30.0
READ_BYTES: Final = 16 * 1024
_PARAMETER: Final = re.compile(r'([a-z]+)="?([^",]+)"?')


class Access(NamedTuple):
    """How it shows who it is; nothing at all where both are left out."""

    username: str = ""
    password: str = ""
    token: str = ""


class Poster:
    """Posts to one address. Raises OSError where nobody answers."""

    def __init__(self, url: str, access: Access | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._parts = urlsplit(url)
        if self._parts.scheme not in {"http", "https"} or not self._parts.hostname:
            raise ValueError("must be an address such as http://127.0.0.1:8090/gate-1")
        self._access = access or Access()
        self._secure = self._parts.scheme == "https"
        self._tls = tls
        self._target = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        self._challenge: dict[str, str] = {}
        self._count = 0
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._http = h11.Connection(h11.CLIENT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._stream is None:
            return
        (_, writer), self._stream = self._stream, None
        writer.close()
        await asyncio.wait({asyncio.create_task(_closed(writer), name="closing")}, timeout=1)

    async def post(self, post: Post, *, slow_s: float = 0.0) -> int:
        """The status of the answer. slow_s: the body takes so long to go out. A terminal that is asked
        to show who it is posts once more, as does one whose connection had ended meanwhile.
        """
        status = await self._twice(post, slow_s)
        if status == 401 and self._challenge and self._count == 0:  # unauthorised
            status = await self._twice(post, slow_s)
        return status

    async def cut_off(self, post: Post) -> None:
        """Begins a post and ends the connection in the middle of it."""
        await self._open()
        await self._send(self._request(post))
        await self._send(h11.Data(data=post.body[: len(post.body) // 2]))
        await self.close()

    async def _twice(self, post: Post, slow_s: float) -> int:
        """Once more on a new connection where the old one had ended."""
        try:
            return await self._once(post, slow_s)
        except ConnectionError:
            await self.close()
            return await self._once(post, slow_s)

    async def _once(self, post: Post, slow_s: float) -> int:
        async with asyncio.timeout(ANSWER_S_MAX + slow_s):
            await self._open()
            try:
                await self._send(self._request(post))
                halves = (post.body[: len(post.body) // 2], post.body[len(post.body) // 2 :])
                for half in halves:
                    await asyncio.sleep(slow_s / len(halves))
                    await self._send(h11.Data(data=half))
                await self._send(h11.EndOfMessage())
            except (ConnectionError, h11.LocalProtocolError):
                pass  # refused before all was said; the answer is there to be read
            return await self._answer()

    async def _open(self) -> None:
        if self._stream is not None:
            return
        port = self._parts.port or (443 if self._secure else 80)
        secure = (self._tls or ssl.create_default_context()) if self._secure else None
        self._stream = await asyncio.open_connection(self._parts.hostname, port, ssl=secure)
        self._http = h11.Connection(h11.CLIENT)

    def _request(self, post: Post) -> h11.Request:
        headers = [
            ("Host", self._parts.netloc.rpartition("@")[2]),
            ("Content-Type", post.content_type),
            ("Content-Length", str(len(post.body))),
        ]
        if shown := self._authorization():
            headers.append(("Authorization", shown))
        return h11.Request(method="POST", target=self._target, headers=headers)

    def _authorization(self) -> str:
        access = self._access
        if access.token:
            return f"Bearer {access.token}"
        if not access.username or not self._challenge:
            return ""
        self._count += 1
        told, count, mine = self._challenge, f"{self._count:08x}", secrets.token_hex(8)
        secret = _md5(f"{access.username}:{told['realm']}:{access.password}")
        response = _md5(f"{secret}:{told['nonce']}:{count}:{mine}:auth:{_md5(f'POST:{self._target}')}")
        return (
            f'Digest username="{access.username}", realm="{told["realm"]}", nonce="{told["nonce"]}", '
            f'uri="{self._target}", qop=auth, nc={count}, cnonce="{mine}", response="{response}"'
        )

    async def _answer(self) -> int:
        assert self._stream is not None
        status = 0
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise ConnectionResetError("the answer is none, or is missing") from error
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._stream[0].read(READ_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
                if status == 401:  # unauthorised
                    self._challenged(event)
            elif isinstance(event, h11.EndOfMessage):
                break
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            await self.close()
        return status

    def _challenged(self, response: h11.Response) -> None:
        for name, value in response.headers:
            kind, _, rest = value.decode("latin-1").partition(" ")
            if name == b"www-authenticate" and kind.lower() == "digest":
                self._challenge = dict(_PARAMETER.findall(rest))
                self._count = 0
                return

    async def _send(self, event: h11.Event) -> None:
        assert self._stream is not None
        if data := self._http.send(event):
            self._stream[1].write(data)
            await self._stream[1].drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.wait_closed()
    except OSError:
        return


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
