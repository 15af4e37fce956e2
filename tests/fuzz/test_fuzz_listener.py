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
import pytest

from collector.intake import http as http_module
from collector.records import StreamKey
from foundation import httpconnection
from telemetry.decoding import INT_MAX
from telemetry.posting import CONTENT_TYPE, Place, pack
from tests.collector.conftest import SCHOOL, MakeLab, Sender, column, database, eventually, make_lab
from tests.enrolment.enrolling import Box, Site, code_key, site_of
from tests.foundation.test_broker_tls import Authority
from tests.fuzz.conftest import rounds
from tests.fuzz.posts import Rubbish
from tests.fuzz.rubbish import truncated

__all__ = ["database", "make_lab"]

AT_ONCE = 60
ANSWERS = {200, 400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 429, 431, 501, 503}
"""501: an encoding of transfer that nobody knows; 503: the line has to wait. Whatever else is a fault."""
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
