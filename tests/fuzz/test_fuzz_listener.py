"""Rubbish at the gateways' listener, in clear and over TLS: bytes, half and slow requests, lengths that lie, requests
within requests. Good posts pass meanwhile; nothing hangs, nothing is a fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from collector.intake import http as http_module
from collector.records import StreamKey
from foundation import httpconnection
from telemetry.decoding import INT_MAX
from telemetry.enrolment import CONTENT_TYPE as QUESTION_TYPE
from telemetry.enrolment import ENROL_PATH, ROTATE_PATH, encode
from telemetry.envelope import Kind, open_envelope
from telemetry.posting import CONTENT_TYPE, Place, pack
from tests.collector.conftest import SCHOOL, MakeLab, Sender, check, column, database, eventually, make_lab
from tests.enrolment.enrolling import WRONG_CODE, Box, Site, code_key, site_of, wall_ms
from tests.foundation.test_broker_tls import Authority
from tests.fuzz.conftest import rounds
from tests.fuzz.rubbish import (
    PACKED,
    Envelopes,
    flipped,
    misplace,
    nested,
    noise,
    padded,
    reordered,
    truncated,
)

__all__ = ["database", "make_lab"]

PLACE = Place(SCHOOL, "gw-1", "bulk").path
AT_ONCE = 60
ANSWERS = {200, 400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 429, 431, 501, 503}
"""501: an encoding of transfer that nobody knows; 503: the line has to wait. Whatever else is a fault."""
SMUGGLED = 1_000_000
"""Sequence numbers from here on were never posted in a request of their own."""
FRAMINGS = (
    b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    b"Content-Length: 0\r\nContent-Length: 5\r\n",
    b"Content-Length: 0, 5\r\n",
    b"Content-Length: +0\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 0x0\r\n",
    b"Content-Length: 0_0\r\n",
    b"Content-Length: \xd9\xa0\r\n",
    b"Content-Length : 0\r\n",
    b"Content-Length:\r\n",
    b"Content-Length: " + b"9" * 400 + b"\r\n",
    b"Content-Length: 0\r\nTransfer-Encoding: identity\r\n",
    b"Content-Length: 0\r\nTransfer-Encoding: chunked, identity\r\n",
    b"Content-Length: 0\r\nTransfer-Encoding: xchunked\r\n",
    b"Content-Length: 0\r\nTransfer-Encoding:\x0bchunked\r\n",
    b"Content-Length: 0\r\nTransfer-Encoding : chunked\r\n",
    b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"X: \0\r\nContent-Length: 0\r\n",
    b"\x00: 1\r\nContent-Length: 0\r\n",
    b"Content-Length: 0\rX: y\r\n",
)
"""Of which two programs may see different ends of one request: nothing behind it may be believed."""


class Listener:
    """What is said to a site's listener, and what it answers."""

    def __init__(self, site: Site, tls: ssl.SSLContext | None) -> None:
        self._port = int(site.intake.url.rsplit(":", 1)[1])
        self._tls = tls
        self.statuses: set[int] = set()
        self.asked = 0

    async def say(self, *parts: bytes, pause_s: float = 0, leave: bool = False, clear: bool = False) -> bytes:
        """Everything it answers until it closes. leave: without waiting for that. clear: bytes as they are."""
        tls = None if clear else self._tls
        self.asked += 1
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=tls)
            try:
                return await self._exchange(reader, writer, parts, pause_s=pause_s, leave=leave)
            finally:
                writer.transport.abort()
        return b""

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        parts: Sequence[bytes],
        *,
        pause_s: float,
        leave: bool,
    ) -> bytes:
        async with asyncio.timeout(30):
            for part in parts:
                writer.write(part)
                await writer.drain()
                if pause_s:
                    await asyncio.sleep(pause_s)
            answer = b"" if leave else await reader.read()
        self.statuses |= {int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)}
        return answer


def request(
    path: str, body: bytes, *, type_: str = CONTENT_TYPE, framing: bytes = b"", end: str = ""
) -> bytes:
    framing = framing or b"Content-Length: %d\r\n" % len(body)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {type_}\r\n{end}".encode()
    return head + framing + b"\r\n" + body


class Rubbish:
    """Requests at every path, and ways to spoil them."""

    def __init__(self, chance: random.Random, sender: Sender, box: Box, shown: bytes) -> None:
        self._chance, self._sender = chance, sender
        batch = sender.batch(1, column(values=[1, 2.5, 3])).data
        urgent = sender.batch(1, stream="urgent", records=[check()]).data
        self._envelopes = [Envelopes(chance, one, sender.signer) for one in (batch, urgent)]
        self._question = encode(box.question(WRONG_CODE, shown))
        self._rotation = box.rotation(Box(), wall_ms(), gateway=sender.gateway)
        self._smuggled, self._turn = SMUGGLED, 0

    def body(self) -> tuple[str, str, bytes]:
        """Path, content type and contents, of which nothing is good."""
        chance = self._chance
        kind = chance.choice(("post", "urgent", "enrol", "rotate"))
        if kind in {"post", "urgent"}:
            return PLACE if kind == "post" else PLACE.replace("bulk", "urgent"), CONTENT_TYPE, self._posted()
        good = self._question if kind == "enrol" else self._rotation
        spoilt = [spoil(chance, good) for spoil in (flipped, truncated, reordered, padded)]
        body = chance.choice(
            [*spoilt, noise(chance), chance.choice(PACKED), self._signed(), self._rotation, self._question]
        )
        return ENROL_PATH if kind == "enrol" else ROTATE_PATH, QUESTION_TYPE, body

    def _posted(self) -> bytes:
        envelopes = self._chance.choice(self._envelopes)
        makers = (envelopes.shaken, envelopes.of_nobody, envelopes.badly_signed, envelopes.of_a_strange_kind,
                  envelopes.signed, envelopes.bomb, lambda: noise(self._chance))  # fmt: skip
        made = [self._chance.choice(makers)() for _ in range(self._chance.randrange(1, 6))]
        if self._chance.random() < 0.5:
            made.insert(0, self._sender.status().data)  # rightly signed: the rest is looked at
        body = pack(made)
        if self._chance.random() < 0.3:
            body = self._chance.choice((flipped, truncated, padded))(self._chance, body)
        return body

    def _signed(self) -> bytes:
        """A question for new keys, signed by the gateway it is about, and wrong within."""
        good = open_envelope(self._rotation).payload
        fields = msgspec.msgpack.decode(good)
        misplace(self._chance, fields)
        made = (msgspec.msgpack.encode(fields), nested(good), self._chance.choice(PACKED))
        return self._sender.wrap(self._chance.choice(made), kind=Kind.ROTATION).data

    def whole(self) -> bytes:
        path, type_, body = self.body()
        return request(path, body, type_=type_)

    def spoilt(self) -> bytes:
        """A request whose head or length is not what it should be; one kind after the other."""
        path, type_, body = self.body()
        chance = self._chance
        lie = chance.choice((0, 1, len(body) // 2, len(body) + 1))
        whole = request(path, body, type_=type_)
        kinds = (
            request(path, body, type_=type_, framing=b"Content-Length: %d\r\n" % lie),
            request(path, body, type_=type_, framing=b"Content-Length: %d\r\n" % chance.choice((2**31, 2**63))),
            request(path, body, framing=b"Transfer-Encoding: chunked\r\n"),
            request(path, b"5\r\nab\r\n-1\r\n", framing=b"Transfer-Encoding: chunked\r\n"),
            request(path, b"F" * 40 + b"\r\n", framing=b"Transfer-Encoding: chunked\r\n"),
            request(path, body, type_="text/plain"),
            request(path + "/" + "x" * 20_000, body),
            request(path, body, end="X: " + "y" * 20_000 + "\r\n"),
            request(path, body, end="X: y\r\n" * 3_000),
            request(path, body, end="Expect: 100-continue\r\n"),
            request(path, body, end="Expect: nothing\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"),
            whole.replace(b"HTTP/1.1", chance.choice((b"HTTP/0.9", b"HTTP/1.0", b"HTTP/2", b"HTTP/1.1.1", b"ICY")), 1),
            whole.replace(b"POST", chance.choice((b"GET", b"HEAD", b"CONNECT", b"TRACE", b"P\xd6ST", b"")), 1),
            whole.replace(b"/api", chance.choice((b"http://x/api", b"//api", b"/%2e/api", b"/\xff", b"*", b"")), 1),
            whole.replace(b"\r\n", chance.choice((b"\n", b"\r", b"\r\r\n", b"\0\r\n")), 3),
            flipped(chance, whole[:150]) + whole[150:],
            chance.randbytes(chance.randrange(1, 400)),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(50),
            b"\x16\x03\x01\x02\x00\x01" + chance.randbytes(200),
            b"\r\n" * 30_000,
        )  # fmt: skip
        self._turn += 1
        return kinds[self._turn % len(kinds)]

    def smuggling(self, framing: bytes) -> bytes:
        """A good post behind, or within, a request whose end is in doubt."""
        self._smuggled += 1
        inner = request(PLACE, pack([self._sender.batch(self._smuggled, column()).data]))
        return request(PLACE, b"0\r\n\r\n" + inner, framing=framing)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that would make the test long; a code is stretched once, as at enrolment."""
    monkeypatch.setattr(http_module, "REQUEST_S_MAX", 1.0)
    monkeypatch.setattr(http_module, "IDLE_S_MAX", 0.5)
    monkeypatch.setattr(http_module, "HANDSHAKE_S_MAX", 1.0)
    monkeypatch.setattr(httpconnection, "LINGER_S_MAX", 0.2)
    monkeypatch.setattr("collector.enrolment.registrar.code_key", code_key)


@contextlib.asynccontextmanager
async def listening(
    make_lab: MakeLab, folder: Path, *senders: Sender, tls: bool
) -> AsyncIterator[tuple[Site, Listener]]:
    many: dict[str, Any] = {"connections_max": 500, "connections_per_address_max": 500}
    if not tls:
        many["proxy"] = Authority(folder, "proxy").issue("pulse")[0]
    async with site_of(await make_lab(*senders), folder, **many) as site:
        await eventually(lambda: site.lab.line.registry.was_read)
        context = ssl.create_default_context(cafile=str(site.authority.certificate_file)) if tls else None
        yield site, Listener(site, context)


async def post_until(site: Site, sender: Sender, done: asyncio.Event) -> int:
    """Good posts, one after another and, like a gateway's, again where there was no room or no time for one; how
    many were taken.
    """
    posted, taken = 0, False
    while not (done.is_set() and taken and posted >= 3):
        taken = False
        with contextlib.suppress(httpx.TransportError):
            answer = await post_good(site, sender, posted + 1)
            assert answer.status_code in {200, 408, 429, 503}, answer.text
            taken = answer.status_code == 200
            posted += taken
        await asyncio.sleep(0.02)
    return posted


async def post_good(site: Site, sender: Sender, number: int) -> httpx.Response:
    place = Place(SCHOOL, sender.gateway, "bulk")
    return await site.post(place.path, pack([sender.batch(number, column()).data]), content_type=CONTENT_TYPE)


def stored(site: Site, sender: Sender) -> list[tuple[int, int]]:
    """First and last numbers of the batches that are there."""
    key = StreamKey(SCHOOL, sender.gateway, "bulk", "g1")
    return site.lab.line._marks.held(key, "stored", 1, INT_MAX)


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
async def test_rubbish_at_the_listener_hangs_nothing_and_costs_good_posts_nothing(
    make_lab: MakeLab,
    tmp_path: Path,
    chance: random.Random,
    tls: bool,  # noqa: FBT001
) -> None:
    good, bad, box = Sender("gw-good"), Sender(), Box()
    async with listening(make_lab, tmp_path, good, bad, tls=tls) as (site, listener):
        shown = site.shown if tls else bytes(32)
        rubbish, done = Rubbish(chance, bad, box, shown), asyncio.Event()
        acts: tuple[Callable[[], Any], ...] = (
            lambda: listener.say(rubbish.whole()),
            lambda: listener.say(rubbish.whole(), rubbish.whole(), rubbish.whole()),
            lambda: listener.say(rubbish.spoilt()),
            lambda: listener.say(rubbish.spoilt(), rubbish.whole()),
            lambda: listener.say(truncated(chance, rubbish.whole())),
            lambda: listener.say(truncated(chance, rubbish.whole()), leave=True),
            lambda: listener.say(*(bytes([one]) for one in rubbish.whole()[:80]), pause_s=0.03),
            lambda: listener.say(chance.randbytes(300), clear=True),
            lambda: listener.say(rubbish.whole(), clear=True),
        )
        posting = asyncio.create_task(post_until(site, good, done), name="good-posts")
        for _ in range(rounds(4)):
            async with asyncio.TaskGroup() as group:
                for number in range(AT_ONCE):
                    act = acts[number % len(acts)]
                    group.create_task(act(), name=f"rubbish-{number}")
        done.set()
        posted = await posting
        await check_quiet(site, listener)
        await eventually(lambda: stored(site, good) == [(1, posted)], "every good post is stored")
        assert {200, 400, 401, 404, 408, 411, 413, 415} <= listener.statuses, listener.statuses


async def test_no_request_is_smuggled_in_another(
    make_lab: MakeLab, tmp_path: Path, chance: random.Random
) -> None:
    """Where two programs could see different ends of a request, it is refused and the connection ends."""
    good, sender = Sender("gw-good"), Sender()
    async with listening(make_lab, tmp_path, sender, good, tls=False) as (site, listener):
        rubbish = Rubbish(chance, sender, Box(), bytes(32))
        for framing in FRAMINGS:
            answer = await listener.say(rubbish.smuggling(framing))
            assert re.findall(rb"HTTP/1\.1 (\d)", answer) in ([b"4"], [b"5"]), (framing, answer)
            assert b"connection: close" in answer.lower(), (framing, answer)
        await check_quiet(site, listener)
        assert stored(site, sender) == []
        assert (await post_good(site, good, 1)).status_code == 200
        assert stored(site, good) == [(1, 1)]


async def check_quiet(site: Site, listener: Listener) -> None:
    """Everybody has left, all memory is given back, and nothing was a fault."""
    lab = site.lab
    await eventually(lambda: lab.count("campus_intake_http_connections") == 0, "every connection ends")
    assert site.intake._desk._bodies_bytes == {"urgent": 0, "bulk": 0}
    assert site.desk._waiting == 0
    assert lab.count("campus_intake_http_refused_total", reason="fault") == 0
    assert lab.refused("fault") == 0
    assert listener.statuses <= ANSWERS, listener.statuses
    assert {one.id for one in lab.records.list_gateways()} == {"gw-1", "gw-good"}
