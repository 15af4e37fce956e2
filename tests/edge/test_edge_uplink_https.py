"""What is particular to posts: answers that come later, back-pressure, streams that do not wait for each
other, certificates, and standing in for MQTT.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError

from edge_agent.uplink.choice import FallbackUplink, make_uplink
from edge_agent.uplink.contract import UplinkError
from edge_agent.uplink.https import POST_BYTES_MAX, HttpsUplink, _parcels
from edge_agent.uplink.mqtt import MqttUplink
from edge_agent.uplink.settings import CollectorSection, HttpsSettings
from foundation.broker import BrokerSettings
from foundation.httpconnection import Reply
from foundation.keyfiles import public_text
from telemetry.batch import Header, Stream
from telemetry.posting import CONTENT_TYPE, ENVELOPES_MAX
from tests.conftest import MakeMosquitto
from tests.edge.edge_parts import BYTES_MAX, GATEWAY, SCHOOL, FickleBuffer, Outlook, eventually, item
from tests.edge.test_edge_uplink import running
from tests.edge.uplink_sites import BrokerSite, PostSite
from tests.foundation.test_broker_tls import Authority


@pytest.fixture
async def outlook(tmp_path: Path) -> AsyncIterator[Outlook]:
    async with await FickleBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as buffer:
        yield Outlook(buffer)


def _empty(outlook: Outlook) -> bool:
    return outlook.buffer.stats().batches == 0


async def test_an_answer_that_comes_later_is_asked_for(outlook: Outlook) -> None:
    """Nothing is sent twice for it: what is stored is told in the answer to a question."""
    site = PostSite(outlook)
    ears = site.ears

    async def say(stream: Stream, batches: list[Header]) -> Reply:
        due = {one.generation for one in ears.questions if one.stream == stream}
        told = [ears.received(one) for one in batches if stream == "urgent"]
        told += [ears.stored(one) for one in ears.heard if one.stream == stream and one.generation in due]
        return site.told(told)

    await outlook.buffer.append([item(), item("urgent", alarm=True), item()])
    async with running(site.uplink(), outlook.forwarder), site.saying(say):
        await eventually(lambda: _empty(outlook), "all stored")
    assert len(ears.heard) == 3
    assert {(one.stream, one.ranges) for one in ears.questions} == {
        ("urgent", ((1, 1),)),
        ("bulk", ((1, 2),)),
    }
    assert site.connections == 2, "one for each stream, kept"
    assert outlook.counters.batches_unanswered == 0


@pytest.mark.parametrize(("status", "wait"), [(429, b"1"), (503, b"1"), (503, b"0")])
async def test_who_is_told_to_wait_waits_and_loses_nothing(
    outlook: Outlook, status: int, wait: bytes
) -> None:
    site = PostSite(outlook)
    refused = 0

    async def say(stream: Stream, batches: list[Header]) -> Reply:
        nonlocal refused
        if batches and refused < 2:
            refused += 1
            return Reply(status, headers=((b"Retry-After", wait),))
        return site.told([site.ears.stored(one) for one in batches])

    await outlook.buffer.append([item() for _ in range(7)])
    with structlog.testing.capture_logs() as logs:
        async with running(site.uplink(), outlook.forwarder), site.saying(say):
            await eventually(lambda: _empty(outlook), "all stored")
    told = [one for one in logs if "takes no posts" in one["event"]]
    assert [one["log_level"] for one in told] == ["warning", "debug"]
    assert all(1.0 <= one["retry_s"] <= 1.3 for one in told)
    assert outlook.counters.post_failures == {"later": 2}
    assert outlook.counters.readings_stored == 7


async def test_an_urgent_batch_never_waits_for_bulk(outlook: Outlook) -> None:
    """The bulk post hangs, and after it all bulk posts are turned away for long."""
    site = PostSite(outlook)
    hanging = asyncio.Event()

    async def say(stream: Stream, batches: list[Header]) -> Reply:
        if stream == "bulk":
            await hanging.wait()
            return Reply(429, headers=((b"Retry-After", b"500"),))
        return site.told([site.ears.stored(one) for one in batches])

    await outlook.buffer.append([item() for _ in range(9)])
    async with running(site.uplink(), outlook.forwarder), site.saying(say):
        await eventually(lambda: "bulk" in site.posts, "a bulk post is under way")
        for turn in range(1, 4):
            await outlook.buffer.append([item("urgent", alarm=True)])
            outlook.forwarder.wake()
            await eventually(lambda: outlook.buffer.stats().urgent_batches == 0, f"urgent batch {turn}")
            hanging.set()
        assert outlook.buffer.stats().batches == 9


@pytest.mark.parametrize(("stream", "waits_s"), [("urgent", 60.0), ("bulk", 600.0)])
async def test_nobody_can_ask_an_urgent_batch_to_wait_for_long(
    outlook: Outlook, stream: Stream, waits_s: float
) -> None:
    site = PostSite(outlook)

    async def say(_: Stream, batches: list[Header]) -> Reply:
        return Reply(503, headers=((b"Retry-After", b"90000"),))

    await outlook.buffer.append([item(stream)])
    with structlog.testing.capture_logs() as logs:
        async with running(site.uplink(), outlook.forwarder), site.saying(say):
            await eventually(lambda: any(one.get("stream") == stream for one in logs), "it is said")
    told = next(one["retry_s"] for one in logs if one.get("stream") == stream)
    assert waits_s <= told <= 1.25 * waits_s


async def test_bulk_goes_on_while_urgent_posts_are_turned_away(outlook: Outlook) -> None:
    site = PostSite(outlook)

    async def say(stream: Stream, batches: list[Header]) -> Reply:
        if stream == "urgent":
            return Reply(503, headers=((b"Retry-After", b"500"),))
        return site.told([site.ears.stored(one) for one in batches])

    await outlook.buffer.append([item("urgent"), item(), item("urgent"), item()])
    async with running(site.uplink(), outlook.forwarder), site.saying(say):
        await eventually(lambda: outlook.buffer.stats().batches == 2, "bulk is stored")
        await outlook.buffer.append([item("urgent"), item()])
        await eventually(lambda: outlook.buffer.stats().batches == 3, "bulk passes what nobody takes")
    assert outlook.buffer.stats().urgent_batches == 3


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"no envelopes", ((b"Content-Type", CONTENT_TYPE.encode()),)),
        Reply(200, b"", ((b"Content-Type", b"text/html"),)),
        Reply(500),
        Reply(401),
        Reply(413),
        Reply(302, headers=((b"Location", b"http://127.0.0.1:1/"),)),
    ],
)
async def test_whatever_is_answered_the_batch_stays(
    outlook: Outlook, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.uplink.https.BACKOFF_S_MAX", {"urgent": 0.1, "bulk": 0.1})
    site = PostSite(outlook)

    async def say(stream: Stream, batches: list[Header]) -> Reply:
        if len(site.posts) < 4:
            return reply
        return site.told([site.ears.stored(one) for one in batches])

    await outlook.buffer.append([item(), item("urgent")])
    async with running(site.uplink(), outlook.forwarder), site.saying(say):
        await eventually(lambda: _empty(outlook), "all stored")
    assert outlook.counters.post_failures.total() >= 3


async def test_a_post_ends_with_what_it_was_about(outlook: Outlook) -> None:
    """What a failed post carried is taken from the buffer anew, and nothing that was erased meanwhile."""
    site = PostSite(outlook)

    async def refuse(_: Stream, __: list[Header]) -> Reply:
        return Reply(503, headers=((b"Retry-After", b"1"),))

    await outlook.buffer.append([item(), item()])
    async with running(site.uplink(), outlook.forwarder), site.saying(refuse):
        await eventually(lambda: len(site.ears.heard) == 2, "both were posted")
        await outlook.buffer.accept("bulk", outlook.buffer.generation, [(1, 1)])
        await eventually(lambda: len(site.ears.heard) >= 3, "posted again")
    assert [one.sequence for one in site.ears.heard[2:]] == [2] * len(site.ears.heard[2:])


@pytest.mark.parametrize("bytes_max", [POST_BYTES_MAX, 16 * 1024])
def test_posts_are_bounded_in_bytes_and_envelopes(bytes_max: int) -> None:
    sizes = [bytes_max // 2, bytes_max // 2, 1, bytes_max * 3, 5, *([1] * 200)]
    parcels = [
        [len(one) for one in parcel] for parcel in _parcels([bytes(size) for size in sizes], bytes_max)
    ]
    assert [size for parcel in parcels for size in parcel] == sizes
    assert all(parcel for parcel in parcels)
    assert all(len(one) == 1 or sum(one) <= bytes_max for one in parcels)
    assert all(len(one) <= ENVELOPES_MAX for one in parcels)
    assert list(_parcels([], bytes_max)) == []


async def test_a_way_on_which_large_posts_fail_gets_smaller_ones(
    outlook: Outlook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow line, or a proxy with a bound."""
    monkeypatch.setattr("edge_agent.uplink.https.BACKOFF_S_MAX", {"urgent": 0.1, "bulk": 0.1})
    monkeypatch.setattr("edge_agent.uplink.https.POST_BYTES_MIN", 64)
    monkeypatch.setattr("edge_agent.uplink.https.POST_BYTES_MAX", 4_096)
    site = PostSite(outlook)

    async def say(_: Stream, batches: list[Header]) -> Reply:
        if len(batches) > 1:
            return Reply(413)
        return site.told([site.ears.stored(one) for one in batches])

    await outlook.buffer.append([item() for _ in range(4)])
    async with running(site.uplink(), outlook.forwarder), site.saying(say):
        await eventually(lambda: _empty(outlook), "all stored")
    assert outlook.counters.post_failures["refused"] >= 1


async def test_only_a_certificate_of_the_right_authority_and_time_is_believed(
    outlook: Outlook, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    site = PostSite(outlook, ours.issue("collector"))
    async with site.listening(answers=True):
        assert "knows this gateway" in await site.uplink(ca_file=ours.file).check()
        with pytest.raises(UplinkError, match="is not believed"):
            await site.uplink(ca_file=theirs.file).check()
        with pytest.raises(UplinkError, match="is not believed"):
            await site.uplink().check()
        with pytest.raises(UplinkError, match="holds no certificate"):
            await site.uplink(ca_file=tmp_path / "nowhere.pem").check()
    old = PostSite(outlook, ours.issue("old", days=(-9, -1)))
    async with old.listening(answers=True):
        with pytest.raises(UplinkError, match=r"is not believed.*expired"):
            await old.uplink(ca_file=ours.file).check()
    assert site.ears.heard == old.ears.heard == []
    with pytest.raises(UplinkError, match=f"{site.port}.*refused"):
        await site.uplink(ca_file=ours.file).check()


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "campus collector gateway add"), (403, "has revoked"), (404, r"\[intake_http\]"), (503, "503")],
)
async def test_check_says_what_is_to_be_done(outlook: Outlook, status: int, words: str) -> None:
    site = PostSite(outlook)

    async def say(_: Stream, __: list[Header]) -> Reply:
        return Reply(status)

    async with site.saying(say):
        with pytest.raises(UplinkError, match=words):
            await site.uplink().check()
    assert [one.ranges for one in site.ears.questions] == [()], "it asks, and changes nothing"


async def test_posts_stand_in_while_mqtt_has_no_connection(
    outlook: Outlook, make_mosquitto: MakeMosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.uplink.https.BACKOFF_S_MAX", {"urgent": 0.1, "bulk": 0.1})
    broker = BrokerSite(make_mosquitto(), outlook)
    posts = PostSite(outlook)
    uplink = FallbackUplink(broker.uplink(), posts.uplink(), after_s=0.3)
    async with running(uplink, outlook.forwarder), posts.listening(answers=True):
        async with broker.listening(answers=True):
            await outlook.buffer.append([item(), item("urgent")])
            await eventually(lambda: _empty(outlook), "stored over MQTT")
        assert posts.posts == []
        broker.broker.kill()
        await outlook.buffer.append([item(), item("urgent")])
        await eventually(lambda: _empty(outlook), "stored by posts")
        assert "urgent" in posts.posts
        broker.broker.start()
        await eventually(uplink._mqtt.up.is_set, "MQTT is back")
        async with broker.listening(answers=True):
            before = len(posts.ears.heard)
            heard = len(broker.ears.heard)
            await outlook.buffer.append([item(), item("urgent")])
            await eventually(lambda: _empty(outlook), "stored over MQTT again")
            assert len(posts.ears.heard) == before
            assert len(broker.ears.heard) >= heard + 2
    broker.broker.kill()
    with pytest.raises(UplinkError, match=r"broker.*; collector http"):
        await uplink.check()


def test_the_section_has_a_way_or_two(outlook: Outlook, tmp_path: Path) -> None:
    key = public_text(outlook.collector.public_key)
    mqtt, https = BrokerSettings(host="h"), HttpsSettings(url="https://x", ca_file=Path("ca.pem"))

    def kind(**ways: object) -> type:
        section = CollectorSection(public_key=key, **ways)  # type: ignore[arg-type]  # what is given
        names = {"signer": outlook.signer, "counters": outlook.counters}
        return type(make_uplink(section.relative_to(tmp_path), SCHOOL, GATEWAY, **names))  # type: ignore[arg-type]

    assert kind(mqtt=mqtt) is MqttUplink
    assert kind(https=https) is HttpsUplink
    assert kind(mqtt=mqtt, https=https) is FallbackUplink
    with pytest.raises(ValidationError, match="no way to the collector"):
        kind()
    for bad, words in (
        ({"url": "http://pulse.school.example"}, "must begin with https://"),
        ({"url": "pulse.school.example"}, "is not an address"),
        ({"url": "https://x", "client_cert_file": "a.pem"}, "belong together"),
    ):
        with pytest.raises(ValidationError, match=words):
            HttpsSettings(**bad)  # type: ignore[arg-type]  # as a file gives it
    assert https.relative_to(tmp_path).ca_file == tmp_path / "ca.pem"
    assert HttpsSettings(url="http://127.0.0.1:8421").certificate is None
