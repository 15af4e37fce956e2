"""A way for posts that loses, cuts, doubles, delays and turns away: a bad proxy between gateway and collector."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final, Self

import h11

from foundation.httpconnection import Connection, Handler, Reading, Reply

TURNED_AWAY: Final = 0.15
LOST: Final = 0.15
CUT: Final = 0.15
DOUBLED: Final = 0.25
DELAY_S_MAX: Final = 0.3
_KEPT_HEADERS: Final = (b"content-type", b"retry-after")


class BadPosts:
    """Runs in a thread of its own between `with`; `done` counts what it did."""

    def __init__(self, collectors_port: int, chance: random.Random) -> None:
        self._collectors_port = collectors_port
        self._chance = chance
        self.port = 0
        self.done: Counter[str] = Counter()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="bad-posts")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._thread.join()

    _end: Callable[[], object]

    async def _run(self) -> None:
        ended = asyncio.Event()
        self._end = partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set)
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await ended.wait()
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = Handler(partial(self._begin, writer), lambda _: None, lambda _: (b"text/plain", b""))
        with contextlib.suppress(OSError):
            await Connection(
                reader, writer, handler, body_bytes_max=2**23, request_s_max=60, idle_s_max=60
            ).run()
        writer.transport.abort()

    def _begin(self, writer: asyncio.StreamWriter, request: h11.Request) -> Reading:
        body = _Body()

        async def finish(_: int) -> Reply:
            return await self._carry(request, bytes(body.data), writer)

        return Reading(body, finish, lambda _: None)

    async def _carry(self, request: h11.Request, body: bytes, writer: asyncio.StreamWriter) -> Reply:
        chance, done = self._chance, self.done
        done["carried"] += 1
        fate = chance.random()
        if fate < TURNED_AWAY:
            done["turned away"] += 1
            return Reply(chance.choice((429, 503)), headers=((b"Retry-After", b"0"),))
        if fate < TURNED_AWAY + LOST:
            done["lost"] += 1
            raise ConnectionResetError
        if chance.random() < DOUBLED:
            done["doubled"] += 1
            answers = await asyncio.gather(self._ask(request, body), self._ask(request, body))
            answer = chance.choice(answers)
        else:
            answer = await self._ask(request, body)
        if chance.random() < 0.3:
            done["delayed"] += 1
            await asyncio.sleep(chance.uniform(0, DELAY_S_MAX))
        if chance.random() < CUT:
            done["cut"] += 1
            writer.write(answer[: chance.randrange(len(answer))])
            await writer.drain()
            raise ConnectionResetError
        return _as_reply(answer)

    async def _ask(self, request: h11.Request, body: bytes) -> bytes:
        """The whole answer of the collector. Raises OSError."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._collectors_port)
        head = [request.method + b" " + request.target + b" HTTP/1.1", b"Host: x", b"Connection: close"]
        head += [b"Content-Length: " + str(len(body)).encode()]
        head += [b"Content-Type: " + value for name, value in request.headers if name == b"content-type"]
        try:
            writer.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
            answer = await reader.read(-1)
        finally:
            writer.transport.abort()
        if not answer:
            raise ConnectionResetError
        return answer


class _Body:
    def __init__(self) -> None:
        self.data = bytearray()

    def feed(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> None: ...


def _as_reply(answer: bytes) -> Reply:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = [line.split(b": ", 1) for line in lines]
    headers = tuple((name, value) for name, value in pairs if name.lower() in _KEPT_HEADERS)
    return Reply(int(first.split()[1]), body, headers)
