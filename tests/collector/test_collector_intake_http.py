"""The intake over HTTPS on a real line and real sockets: who is let in, how much, and what is answered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from collector.intake import http as http_module
from collector.intake import http_bodies, http_desk
from collector.intake.contract import Incoming
from collector.intake.http import HttpIntake
from collector.intake.http_settings import IntakeHttpSection
from foundation.commands import UsageError
from foundation.webserver import listen
from telemetry.ack import Ack, decode_ack
from telemetry.batch import Stream
from telemetry.envelope import Kind, open_envelope, verify
from telemetry.posting import (
    CONTENT_TYPE,
    FORMAT,
    POST_BYTES_MAX,
    Pending,
    Place,
    encode_pending,
    pack,
    unpack,
)
from tests.collector.conftest import SCHOOL, SMOKE, Lab, MakeLab, Sender, check, column, eventually
from tests.foundation.test_broker_tls import Authority


class Post:
    """A lab with a listener, and what is said to it."""

    def __init__(self, lab: Lab, intake: HttpIntake) -> None:
        self.lab, self.intake = lab, intake
        self.client = httpx.AsyncClient(base_url=intake.url, timeout=20)

    async def post(self, sender: Sender, *messages: Incoming, stream: Stream = "bulk") -> httpx.Response:
        return await self.raw(
            Place(sender.school, sender.gateway, stream).path, pack([one.data for one in messages])
        )

    async def until(
        self, status: int, sender: Sender, *messages: Incoming, stream: Stream = "bulk"
    ) -> httpx.Response:
        async with asyncio.timeout(20):
            while True:
                answer = await self.post(sender, *messages, stream=stream)
                if answer.status_code == status:
                    return answer
                await asyncio.sleep(0.1)

    async def until_stored(self, sender: Sender, urgent: Incoming) -> httpx.Response:
        async with asyncio.timeout(20):
            while True:
                answer = await self.post(sender, urgent, stream="urgent")
                if self.stored(answer):
                    return answer
                await asyncio.sleep(0.1)

    async def raw(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        return await self.client.post(path, content=body, headers={"Content-Type": CONTENT_TYPE} | headers)

    def acks(self, answer: httpx.Response) -> list[Ack]:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == CONTENT_TYPE
        opened = [open_envelope(one) for one in unpack(answer.content)]
        return [decode_ack(verify(one, self.lab.key.public_key())) for one in opened]

    def stored(self, answer: httpx.Response) -> list[tuple[int, int]]:
        return [one for ack in self.acks(answer) for one in ack.stored]

    def count(self, status: int, stream: str = "bulk") -> float:
        return self.lab.count("campus_intake_http_answers_total", stream=stream, status=str(status))


@contextlib.asynccontextmanager
async def posting(lab: Lab, **section: Any) -> AsyncIterator[Post]:
    made = IntakeHttpSection(host="127.0.0.1", port=0, **section)
    intake = HttpIntake(made, listen("127.0.0.1", 0), lab.registry, lab.overview.refused)
    running = asyncio.create_task(intake.run(lab.line), name="intake-under-test")
    post = Post(lab, intake)
    await eventually(lambda: lab.line.registry.was_read)
    try:
        yield post
    finally:
        await post.client.aclose()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        intake._listening.close()
        assert not running.done() or running.cancelled(), running


def question(sender: Sender, *ranges: tuple[int, int], stream: Stream = "bulk", **names: str) -> Incoming:
    fields = {"school": sender.school, "gateway": sender.gateway, "generation": "g1"} | names
    pending = Pending(FORMAT, fields["school"], fields["gateway"], stream, fields["generation"], ranges)
    return sender.wrap(encode_pending(pending), kind=Kind.PENDING)


async def test_batches_are_stored_once_and_the_answer_says_so(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    async with posting(lab) as post:
        batches = [sender.batch(n, column(values=[600.0 + n])) for n in range(1, 6)]
        answer = await post.post(sender, sender.status(), *batches)
        assert sum(last - first + 1 for first, last in post.stored(answer)) == 5
        assert lab.overview.of(SCHOOL, "gw-1").status is not None
        again = await post.post(sender, *batches)
        assert sum(last - first + 1 for first, last in post.stored(again)) == 5
        urgent = sender.batch(1, stream="urgent", records=[check()])
        told = post.acks(await post.post(sender, urgent, stream="urgent"))
        assert any(ack.received == ((1, 1),) for ack in told)
    assert lab.count("campus_intake_readings_total") == 5
    assert lab.count("campus_intake_records_total") == 1


async def test_what_became_of_a_batch_can_be_asked_for_ever(make_lab: MakeLab) -> None:
    sender, other = Sender(), Sender("gw-2")
    lab = await make_lab(sender, other)
    async with posting(lab) as post:
        await post.post(sender, *(sender.batch(n, column()) for n in (1, 2, 3, 7)))
        await eventually(lambda: lab.count("campus_intake_batches_total", outcome="stored") == 4)
        assert post.stored(await post.post(sender, question(sender, (1, 1), (3, 9)))) == [
            (1, 1),
            (3, 3),
            (7, 7),
        ]
        for nothing in (
            question(sender, (4, 6)),
            question(sender),
            question(sender, (1, 9), generation="g2"),
            question(sender, (1, 9), gateway="gw-2"),
            question(sender, (0, 9)),
            question(sender, (1, 9), stream="urgent"),
        ):
            assert post.acks(await post.post(sender, nothing)) == []
        stolen = await post.post(other, other.status(), question(sender, (1, 9)))
        assert post.acks(stolen) == [], "nobody asks for another"


@pytest.mark.parametrize("stream", ["bulk", "urgent"])
async def test_who_is_not_known_is_told_nothing(make_lab: MakeLab, stream: Stream) -> None:
    sender, stranger, neighbour = Sender(), Sender("gw-2"), Sender("gw-3")
    lab = await make_lab(sender, neighbour)
    async with posting(lab) as post:
        forged = stranger.batch(1, column())
        twisted = sender.batch(1, column())
        twisted = twisted._replace(data=twisted.data[:-1] + b"x")
        place = Place(SCHOOL, "gw-1", stream).path
        for body in (
            pack([forged.data]),
            pack([twisted.data]),
            pack([neighbour.batch(1, column()).data]),
            pack([b"rubbish"]),
            pack([b""]),
            b"",
        ):
            answer = await post.raw(place, body)
            assert (answer.status_code, answer.json()["detail"]) == (401, "not known")
            assert answer.headers["content-type"] == "application/problem+json"
        assert post.count(401, stream) == 6
        assert lab.overview.refusals == {"unknown_key": 6}
        await asyncio.to_thread(lab.records.revoke_gateway, SCHOOL, "gw-1", 2)

        await post.until(403, sender, sender.status(), stream=stream)
    assert lab.count("campus_intake_readings_total") == 0


async def test_requests_that_are_none(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    async with posting(lab) as post:
        place = Place(SCHOOL, "gw-1", "bulk").path
        good = pack([sender.batch(1, column()).data])

        async def chunks() -> AsyncIterator[bytes]:
            yield good

        async def said(answer: httpx.Response) -> int:
            if answer.status_code != 200:
                assert answer.json()["status"] == answer.status_code
                assert answer.headers["content-type"] == "application/problem+json"
            return answer.status_code

        for path in ("/", "/api/v1/alerts", "/metrics", "/healthz", f"{place}/x", "/api/v1/intake/A/b/bulk"):
            assert await said(await post.client.get(path)) == 404, path
        assert await said(await post.client.get(place)) == 405
        assert (await post.client.head(place)).status_code == 405, "without a body"
        assert await said(await post.raw(place, good, **{"Content-Type": "application/json"})) == 415
        chunked = await post.client.post(place, content=chunks(), headers={"Content-Type": CONTENT_TYPE})
        assert await said(chunked) == 411
        assert await said(await post.raw(place, bytes(POST_BYTES_MAX + 1))) == 413
        for garbage in (good[:-1], b"\0\0", bytes(4 * 65), b"\xff\xff\xff\xff"):
            assert await said(await post.raw(place, garbage)) == 400
        assert await said(await post.raw(place, good)) == 200


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=200), st.integers(0, 250)), max_size=6), st.binary(max_size=9))
def test_no_bytes_break_the_framing(parts: list[bytes | int], rest: bytes) -> None:
    whole = Sender("gw-fuzz").batch(1, column()).data
    envelopes = [whole[:one] if isinstance(one, int) else one for one in parts]
    assert unpack(pack(envelopes)) == envelopes
    with contextlib.suppress(ValueError):
        unpack(pack(envelopes) + rest)
    parcel = http_desk._take_apart(Place(SCHOOL, "gw-fuzz", "bulk"), envelopes)
    assert len(parcel.messages) + len(parcel.questions) == len(envelopes)


async def test_one_bad_envelope_costs_the_others_nothing(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    async with posting(lab) as post:
        personal = sender.batch(2, records=[check()])
        bad = [sender.wrap(b"nonsense"), Incoming(personal.address, b"rubbish"), personal]
        answer = await post.post(sender, sender.batch(1, column()), *bad, sender.batch(3, column()))
        assert {n for first, last in post.stored(answer) for n in range(first, last + 1)} == {1, 3}
        rejected = [one for ack in post.acks(answer) for one in ack.rejected]
        assert [(one.sequence, one.reason) for one in rejected] == [(2, "record_on_bulk")]


async def test_a_store_that_is_away_is_said_and_tried_again(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After, at once after the first; urgent batches are received all the same, and one post
    now and then finds out that the store is back.
    """
    monkeypatch.setattr(http_desk, "HOLD_S", 0.3)
    monkeypatch.setattr("collector.intake.door.AWAY_RETRY_S", 1)
    monkeypatch.setattr("collector.intake.line.UNAVAILABLE_PAUSE_S", 0.01)
    sender = Sender()
    lab = await make_lab(sender)
    async with posting(lab) as post:
        lab.store.away = True
        numbers = iter(range(1, 1_000))
        answers = [await post.post(sender, sender.batch(next(numbers), column())) for _ in range(3)]
        assert answers[-1].status_code == 503
        assert int(answers[-1].headers["retry-after"]) >= 1
        given_back = lab.count("campus_intake_given_back_total", reason="series")
        assert (await post.post(sender, sender.batch(next(numbers), column()))).status_code == 503
        assert lab.count("campus_intake_given_back_total", reason="series") == given_back, "told at the door"
        assert (await post.post(sender, sender.status())).status_code == 200
        urgent = sender.batch(1, stream="urgent", records=[check()])
        told = post.acks(await post.post(sender, urgent, stream="urgent"))
        assert [ack.received for ack in told] == [((1, 1),)]
        lab.store.away = False
        await post.until(200, sender, sender.batch(next(numbers), column()))
        assert (await post.post(sender, sender.batch(next(numbers), column()))).status_code == 200


async def test_a_line_that_is_behind_says_when_to_come_again_and_urgent_passes(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of bulk before a store that hangs: 429, memory bounded, the urgent lane free; and all of it
    is stored once in the end.
    """
    monkeypatch.setattr(http_desk, "HOLD_S", 0.3)
    senders = [Sender(f"gw-{n}") for n in range(8)]
    lab = await make_lab(*senders)
    queue = lab.line._lanes["bulk"].arrived
    queue._messages_max = 10
    async with posting(lab) as post:
        lab.store.hold = asyncio.Event()
        batches = {one.gateway: [one.batch(n, column()) for n in range(1, 30)] for one in senders}

        async def flood(sender: Sender) -> httpx.Response:
            return await post.post(sender, *batches[sender.gateway])

        for _ in range(3):
            answers = await asyncio.gather(*map(flood, senders))
            assert len(queue) <= 10
        assert {one.status_code for one in answers} <= {200, 429}
        late = [one for one in answers if one.status_code == 429]
        assert late
        assert all(int(one.headers["retry-after"]) >= 1 for one in late)
        assert all(post.acks(one) == [] for one in answers if one.status_code == 200)
        for sender in senders:
            urgent = sender.batch(1, stream="urgent", records=[check()])
            told = post.acks(await post.post(sender, urgent, stream="urgent"))
            assert [ack.received for ack in told] == [((1, 1),)]
        lab.store.hold.set()

        async def until_stored(sender: Sender) -> None:
            stored: set[int] = set()
            while len(stored) < 29:
                answer = await post.post(sender, question(sender, (1, 29)), *batches[sender.gateway])
                if answer.status_code == 200:
                    stored |= {n for first, last in post.stored(answer) for n in range(first, last + 1)}

        await asyncio.wait_for(asyncio.gather(*map(until_stored, senders)), 60)
    assert lab.count("campus_intake_readings_total") == 8 * 29


async def test_bodies_have_a_bound_together_which_is_given_back(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    good = pack([sender.batch(1, column()).data])
    monkeypatch.setattr(http_bodies, "BODIES_BYTES_MAX", 3 * len(good))
    async with posting(lab) as post:
        place = Place(SCHOOL, "gw-1", "bulk").path
        head = (
            f"POST {place} HTTP/1.1\r\nHost: x\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(good)}\r\n\r\n"
        ).encode()
        slow = [await _connect(post, head + good[:-1]) for _ in range(3)]
        await eventually(lambda: post.intake._desk._bodies_bytes["bulk"] == 3 * (len(good) - 1))
        answer = await post.raw(place, good)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert post.intake._desk._bodies_bytes["bulk"] == 3 * (len(good) - 1)
        urgent = sender.batch(1, stream="urgent", records=[check()])
        assert (await post.post(sender, urgent, stream="urgent")).status_code == 200
        for _, writer in slow:
            writer.transport.abort()
        await eventually(lambda: post.intake._desk._bodies_bytes["bulk"] == 0)
        assert (await post.raw(place, good)).status_code == 200
        assert post.intake._desk._bodies_bytes == {"urgent": 0, "bulk": 0}, "also of connections that stay"


async def test_an_urgent_post_is_answered_when_it_is_received(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_desk, "HOLD_S", 3_600)
    sender = Sender()
    lab = await make_lab(sender)
    async with posting(lab) as post:
        lab.store.hold = asyncio.Event()
        smoke = sender.batch(1, column(SMOKE, [1.0]), stream="urgent")
        told = post.acks(await post.post(sender, smoke, stream="urgent"))
        assert [(ack.received, ack.stored) for ack in told] == [(((1, 1),), ())]
        lab.store.hold.set()
        assert post.stored(await post.until_stored(sender, smoke)) == [(1, 1)], "sent again it is told all"


async def _connect(post: Post, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = post.intake.url.partition("://")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    return reader, writer


@pytest.mark.parametrize("said", [b"", b"POST /api/v1/intake/s/g/bulk HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_who_is_silent_or_slow_is_sent_away_and_too_many_are_not_let_in(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(http_module, "REQUEST_S_MAX", 0.5)
    monkeypatch.setattr(http_module, "IDLE_S_MAX", 0.5)
    sender = Sender()
    lab = await make_lab(sender)
    async with posting(lab, connections_max=6, connections_per_address_max=4) as post:
        crowd = [await _connect(post, said) for _ in range(4)]
        await eventually(lambda: lab.count("campus_intake_http_connections") == 4)
        reader, writer = await _connect(post, said)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b"", "closed unheard"
        writer.close()
        assert lab.count("campus_intake_http_refused_total", reason="connections_of_address") == 1
        for reader, _ in crowd:
            answer = await asyncio.wait_for(reader.read(), 20)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")
        for _, writer in crowd:
            writer.close()
        await eventually(lambda: lab.count("campus_intake_http_connections") == 0)
        assert (await post.post(sender, sender.status())).status_code == 200


async def test_who_never_ends_the_handshake_is_counted_and_sent_away(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(http_module, "HANDSHAKE_S_MAX", 0.5)
    authority = Authority(tmp_path, "school-ca")
    cert_file, key_file = authority.issue("pulse")
    lab = await make_lab(Sender())
    async with posting(lab, connections_max=4, cert_file=cert_file, key_file=key_file) as post:
        assert post.intake.url.startswith("https://")
        crowd = [
            await _connect(post, said) for said in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"")
        ]
        await eventually(lambda: lab.count("campus_intake_http_connections") >= 2)
        for reader, writer in crowd:
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 20)
            writer.close()
        await eventually(lambda: lab.count("campus_intake_http_connections") == 0)
        context = ssl.create_default_context(cafile=str(authority.file))
        async with httpx.AsyncClient(verify=context) as client:
            assert (await client.get(f"{post.intake.url}/")).status_code == 404


async def test_a_gateway_has_so_many_posts_at_a_time_and_no_more(make_lab: MakeLab) -> None:
    sender, other = Sender(), Sender("gw-2")
    lab = await make_lab(sender, other)
    async with posting(lab) as post:
        lab.store.hold = asyncio.Event()
        held = [
            asyncio.create_task(post.post(sender, sender.batch(n, column())), name=f"post-{n}")
            for n in range(1, 5)
        ]
        place = Place(SCHOOL, "gw-1", "bulk")
        await eventually(lambda: len(post.intake._desk._exchanges.get(place, ())) == 4)
        assert (await post.post(sender, sender.batch(5, column()))).status_code == 429
        assert (await post.post(other, other.status())).status_code == 200
        lab.store.hold.set()
        assert {one.status_code for one in await asyncio.gather(*held)} == {200}
        assert post.intake._desk._exchanges == {}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"host": "0.0.0.0"}, "in clear; give both"),  # refused
        ({}, "in clear; give both"),
        ({"host": "pulse.campus.example"}, "in clear; give both"),
        ({"host": "127.0.0.1", "cert_file": Path("a.pem")}, "belong together"),
    ],
)
def test_the_section_never_listens_in_clear_to_the_network(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        IntakeHttpSection(**section)


def test_the_section_with_a_certificate_or_on_this_machine(tmp_path: Path) -> None:
    section = IntakeHttpSection(host="10.0.0.1", cert_file=Path("a.pem"), key_file=Path("a.key"))
    assert section.relative_to(tmp_path).certificate == (tmp_path / "a.pem", tmp_path / "a.key")
    assert IntakeHttpSection(host="::1").certificate is None
    unusable = pytest.raises(UsageError, match=r"a\.pem.*cannot be used.*without a passphrase")
    with socket.socket() as listening, unusable:
        HttpIntake(section.relative_to(tmp_path), listening, CollectorRegistry(), print)
