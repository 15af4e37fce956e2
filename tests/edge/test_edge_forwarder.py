"""The forwarder against a real buffer: the window, full disks, refusals, a buffer that is replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from telemetry.ack import Rejection, encode_ack, greeting
from telemetry.envelope import Kind, open_envelope
from telemetry.posting import decode_pending
from tests.edge.edge_parts import BYTES_MAX, GATEWAY, SCHOOL, FickleBuffer, Outlook, eventually, item


@pytest.fixture
async def buffer(tmp_path: Path) -> AsyncIterator[FickleBuffer]:
    async with await FickleBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as opened:
        yield opened


async def test_urgent_batches_have_a_reserve_and_a_bound(buffer: FickleBuffer) -> None:
    outlook = Outlook(buffer)
    await buffer.append([item() for _ in range(20)])
    assert [header.stream for header, _ in await outlook.sent()] == ["bulk"] * 4
    assert await outlook.sends_nothing()
    await buffer.append([item("urgent") for _ in range(30)])
    assert [header.stream for header, _ in await outlook.sent()] == ["urgent"] * 8
    assert await outlook.sends_nothing()


@pytest.mark.parametrize("call", ["lease", "gaps"])
async def test_a_full_disk_delays_sending(buffer: FickleBuffer, call: str) -> None:
    outlook = Outlook(buffer)
    await buffer.append([item(), item()])
    buffer.full = frozenset({call})
    assert await outlook.sends_nothing()
    assert outlook.counters.disk_full == 2
    buffer.full = frozenset()
    assert [header.sequence for header, _ in await outlook.sent()] == [1, 2]


@pytest.mark.parametrize("call", ["accept", "received", "reject"])
async def test_an_answer_that_cannot_be_kept_comes_again(buffer: FickleBuffer, call: str) -> None:
    outlook = Outlook(buffer, resend_s=0.0)
    await buffer.append([item()])
    answers: dict[str, dict[str, Any]] = {
        "accept": {"stored": ((1, 1),)},
        "received": {"received": ((1, 1),)},
        "reject": {"rejected": (Rejection(1, "too_new"),)},
    }
    answer = answers[call]
    await outlook.sent()
    buffer.full = frozenset({call})
    with structlog.testing.capture_logs() as logs:
        await outlook.answer("bulk", buffer.generation, **answer)
        await outlook.answer("bulk", buffer.generation, **answer)
    assert [one["log_level"] for one in logs if "cannot be changed" in one["event"]] == ["error"]
    assert outlook.counters.disk_full == 2
    buffer.full = frozenset()
    assert [header.sequence for header, _ in await outlook.sent()] == [1]
    await outlook.answer("bulk", buffer.generation, **answer)
    assert buffer.stats().batches == (1 if call == "received" else 0)


async def test_a_silent_collector_is_told_of_once(buffer: FickleBuffer) -> None:
    outlook = Outlook(buffer, resend_s=0.0)
    await buffer.append([item()])
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await outlook.sent()
        await outlook.answer("bulk", buffer.generation, stored=((1, 1),))
    assert [one["event"] for one in logs] == [
        "collector does not answer; batches are kept and sent again",
        "collector answers again",
    ]
    assert outlook.counters.batches_unanswered == 2
    assert outlook.counters.readings_stored == 1


async def test_a_greeting_frees_what_was_under_way(buffer: FickleBuffer) -> None:
    outlook = Outlook(buffer)
    await buffer.append([item(), item()])
    await outlook.sent()
    hello = outlook.collector.wrap(Kind.ACK, encode_ack(greeting(SCHOOL, GATEWAY)))
    await outlook.forwarder.answered(hello)
    assert outlook.counters.batches_unanswered == 2
    assert [header.sequence for header, _ in await outlook.sent()] == [1, 2]


async def test_answers_of_strangers_change_nothing(buffer: FickleBuffer) -> None:
    outlook, stranger = Outlook(buffer), Outlook(buffer)
    await buffer.append([item()])
    for data in (b"", b"rubbish", stranger.collector.wrap(Kind.ACK, encode_ack(greeting(SCHOOL, GATEWAY)))):
        await outlook.forwarder.answered(data)
    other = outlook.collector.wrap(Kind.ACK, encode_ack(greeting(SCHOOL, "gw-other")))
    await outlook.forwarder.answered(other)
    assert outlook.counters.acks_refused == 4
    assert buffer.stats().batches == 1


async def test_a_new_buffer_file_while_running(buffer: FickleBuffer) -> None:
    outlook = Outlook(buffer)
    await buffer.append([item("urgent", alarm=True), item()])
    before = buffer.generation
    assert len(await outlook.sent()) == 2
    engine = buffer._engine

    def replace() -> None:
        engine._quarantine(engine._connection, "a test")
        engine._open_once()

    await buffer._run(replace)
    assert buffer.generation != before
    await buffer.append([item()])
    found = set()
    while (buffer.generation, "bulk", 1) not in found:
        found |= {(header.generation, header.stream, header.sequence) for header, _ in await outlook.sent()}
    assert found == {(before, "urgent", 1), (before, "bulk", 1), (buffer.generation, "bulk", 1)}
    await outlook.answer("urgent", before, stored=((1, 1),))
    await outlook.answer("bulk", before, stored=((1, 1),))
    await outlook.answer("bulk", buffer.generation, stored=((1, 1),))
    await eventually(lambda: buffer.stats().batches == 0, "everything delivered")


async def test_what_is_due_is_asked_for_less_and_less_often(
    buffer: FickleBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlook, now_s = Outlook(buffer), 100.0
    monkeypatch.setattr(outlook.forwarder, "_now_s", lambda: now_s)
    await buffer.append([item(), item()])
    await outlook.forwarder.next_of("bulk")
    asked = []
    for second in range(1, 25):
        now_s = 100.0 + second
        questions = outlook.forwarder._ask("bulk")
        assert outlook.forwarder._ask("urgent") == []
        if questions:
            (question,) = [decode_pending(open_envelope(one.data).payload) for one in questions]
            assert (question.generation, question.ranges) == (buffer.generation, ((1, 2),))
            asked.append(second)
    assert asked == [1, 2, 4, 8, 13, 18, 23]
    await outlook.answer("bulk", buffer.generation, stored=((1, 1),))
    now_s += 9
    (left,) = outlook.forwarder._ask("bulk")
    assert decode_pending(open_envelope(left.data).payload).ranges == ((2, 2),)
