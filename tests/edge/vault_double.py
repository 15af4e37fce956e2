"""A vault for tests of the gateway: keeps what telemetry/exchange.py says, on a real socket, and can be
told to misbehave.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from foundation.keyfiles import public_text
from telemetry.credential_map import MapUpdate, encode_update
from telemetry.envelope import Signer, open_envelope
from telemetry.exchange import CONTENT_TYPE, PATH, MapQuestion, read_question, wrap_answer

Trouble = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class VaultDouble:
    """Answers each question with `update`: with no changes to who has its version, with the whole map to
    others. `trouble`: takes the place of the answer. `asked`: the version of every question; `answered`: every answer, as it went out.
    """

    def __init__(self, gateway_key: Ed25519PublicKey, update: MapUpdate) -> None:
        self.update = update
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.asked: list[int] = []
        self.answered: list[bytes] = []
        self.trouble: Trouble | None = None
        self.answers_with: Callable[[MapQuestion], MapUpdate] = self._current
        self.port = 0
        self._gateway_key = gateway_key

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def public_key(self) -> str:
        return public_text(self.signer.public_key)

    def _current(self, question: MapQuestion) -> MapUpdate:
        found = self.update
        if question.have == found.version:
            return msgspec.structs.replace(found, base=found.version, people=[], credentials={})
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert head.startswith(f"POST {PATH} ".encode())
        assert f"content-type: {CONTENT_TYPE}".encode() in head.lower()
        question = read_question(open_envelope(await reader.readexactly(size)), self._gateway_key)
        assert isinstance(question, MapQuestion)
        self.asked.append(question.have)
        if self.trouble is not None:
            await self.trouble(reader, writer)
            return
        answer = wrap_answer(question, encode_update(self.answers_with(question)), self.signer)
        self.answered.append(http(answer))
        writer.write(self.answered[-1])
        await writer.drain()


def http(body: bytes, status: str = "200 OK", content_type: str = CONTENT_TYPE) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@asynccontextmanager
async def serving(vault: VaultDouble) -> AsyncIterator[VaultDouble]:
    """The vault answers at its `url` while the context lasts."""
    working: set[asyncio.Task[None]] = set()

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        working.add(task)
        try:
            await vault.serve(reader, writer)
        except OSError:
            pass  # the gateway has gone
        finally:
            working.discard(task)
            writer.close()

    server = await asyncio.start_server(work, "127.0.0.1", vault.port)
    vault.port = server.sockets[0].getsockname()[1]
    try:
        yield vault
    finally:
        server.close()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def answers_500(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(http(b'{"title": "broken"}', "500 Oh", "application/problem+json"))


async def redirects(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")


async def answers_garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(http(b"\x93" * 5_000))


async def says_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def never_ends(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n".encode())
    while True:
        writer.write(bytes(100_000))
        await writer.drain()
