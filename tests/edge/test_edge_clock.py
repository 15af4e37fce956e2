"""A clock that is not known at boot: what is stamped then, and what becomes of it."""

from __future__ import annotations

import asyncio
import ctypes
from pathlib import Path
from typing import Any

import pytest
import structlog

from edge_agent.buffer import SqliteBuffer
from edge_agent.clock import Clock, kernel_disciplined
from telemetry.quality import ClockQuality
from telemetry.records import MorningCheck
from tests.edge.edge_parts import BYTES_MAX, NOW_MS, HandClock, Outlook, eventually, item

BOOTED_MS = 1_000_000
"""A machine without a battery wakes up in 1970."""


def test_time_becomes_known() -> None:
    hands = HandClock(BOOTED_MS, synced=False)
    clock = hands.clock()
    assert clock.quality == ClockQuality.UNSYNCED
    assert not clock.plausible
    stamp = (clock.now_ms(), clock.quality, clock.boot, clock.offset_ms)
    hands.pass_ms(7_000)
    hands.wall_ms, hands.synced = NOW_MS, True
    clock.refresh()
    assert (clock.quality, clock.version) == (ClockQuality.SYNCED, 1)
    assert clock.correct(*stamp) == (NOW_MS - 7_000, ClockQuality.CORRECTED)
    base_ms, quality, _, offset_ms = stamp
    assert clock.correct(base_ms, quality, "boot-before", offset_ms) == (base_ms, ClockQuality.UNSYNCED)
    assert clock.correct(5, ClockQuality.SYNCED, clock.boot, 0) == (5, ClockQuality.SYNCED)


def test_a_date_set_by_hand_is_a_better_guess() -> None:
    hands = HandClock(BOOTED_MS, synced=False)
    clock = hands.clock()
    stamp = (clock.now_ms(), clock.quality, clock.boot, clock.offset_ms)
    hands.wall_ms = NOW_MS
    clock.refresh()
    assert clock.plausible
    assert clock.version == 1
    assert clock.correct(*stamp) == (NOW_MS, ClockQuality.UNSYNCED)


def test_small_drift_of_an_unknown_clock_breaks_no_batch() -> None:
    hands = HandClock(synced=False)
    clock = hands.clock()
    hands.wall_ms += 20
    clock.refresh()
    assert (clock.version, clock.now_ms()) == (0, NOW_MS)


def test_a_clock_once_synced_is_held_over() -> None:
    hands = HandClock()
    clock = hands.clock()
    seen = []
    for hands.synced in (False, True):
        clock.refresh()
        seen.append(clock.quality)
    assert seen == [ClockQuality.HOLDOVER, ClockQuality.SYNCED]
    assert HandClock(synced=False).clock(has_rtc=True).quality is ClockQuality.HOLDOVER
    assert HandClock(BOOTED_MS, synced=False).clock(has_rtc=True).quality is ClockQuality.UNSYNCED


@pytest.mark.parametrize("answer", [0, 4, 5, -1])
def test_the_kernel_is_believed_only_when_it_answers(answer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def __init__(self, _: None) -> None: ...

        def adjtimex(self, _: object) -> int:
            return answer

    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert kernel_disciplined() is (answer in {0, 4})


def test_the_system_clock_can_be_trusted_by_configuration() -> None:
    assert Clock("system", disciplined=lambda: False).quality is ClockQuality.SYNCED


async def test_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.clock.INTERVAL_S", 0.001)
    hands = HandClock(BOOTED_MS, synced=False)
    clock = hands.clock()
    looking = asyncio.create_task(clock.run())
    with structlog.testing.capture_logs() as logs:
        hands.wall_ms, hands.synced = NOW_MS, True
        await eventually(lambda: clock.quality is ClockQuality.SYNCED, "it is known")
        hands.synced = False
        await eventually(lambda: clock.quality is ClockQuality.HOLDOVER, "it is held over")
    looking.cancel()
    await asyncio.wait([looking])
    assert [one["quality"] for one in logs] == ["synced", "holdover"]


async def test_bulk_waits_for_the_date_and_urgent_does_not(tmp_path: Path) -> None:
    hands = HandClock(BOOTED_MS, synced=False)
    clock = hands.clock()
    early: dict[str, Any] = {"clock": clock.quality, "base_ms": clock.now_ms(), "offset_ms": clock.offset_ms}
    async with await SqliteBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as buffer:
        outlook = Outlook(buffer, clock)
        await buffer.append([item(**early), item("urgent", **early)])
        [(header, _)] = await outlook.sent()
        assert (header.stream, header.clock) == ("urgent", ClockQuality.UNSYNCED)
        assert await outlook.sends_nothing()
        hands.pass_ms(60_000)
        hands.wall_ms, hands.synced = NOW_MS, True
        clock.refresh()
        [(header, body)] = await outlook.sent()
        assert (header.stream, header.clock) == ("bulk", ClockQuality.CORRECTED)
        assert header.time_base_ms == NOW_MS - 60_000
        assert body.time_ms == [NOW_MS - 60_000 + 10]


async def test_the_time_of_a_record_is_corrected_too(tmp_path: Path) -> None:
    hands = HandClock(BOOTED_MS, synced=False)
    clock = hands.clock()
    check = MorningCheck(clock.now_ms() + 5, "station-1", "main/gate", "ear", 38.4, pseudonym="p-1")
    waiting = item(
        "urgent", clock=clock.quality, base_ms=clock.now_ms(), offset_ms=clock.offset_ms, record=check
    )
    async with await SqliteBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as buffer:
        await buffer.append([waiting])
        hands.wall_ms, hands.synced = NOW_MS, True
        clock.refresh()
        [(header, body)] = await Outlook(buffer, clock).sent()
    assert header.time_base_ms == NOW_MS
    assert [(one.time_ms, one.pseudonym) for one in body.records] == [(NOW_MS + 5, "p-1")]
