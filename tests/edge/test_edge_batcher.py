"""The batcher on a real buffer: bursts, stops in the middle of a write, disks that take nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from edge_agent import batcher as batcher_module
from edge_agent.alarm import LocalAlarm
from edge_agent.batcher import WAITING_MAX, Batcher
from edge_agent.buffer.contract import BatchId, Item
from edge_agent.counters import Counters
from telemetry.quality import ClockQuality
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from telemetry.records import AccessEvent, MorningCheck
from tests.edge.edge_parts import BYTES_MAX, NOW_MS, FickleBuffer, HandClock, eventually

CHECK = MorningCheck(NOW_MS, "station-1", "main/gate", "ear", 38.4, pseudonym="p-1")

TAP = AccessEvent(NOW_MS, "door-1", "main/gate", pseudonym="p-2")


class Line:
    """A batcher and what stands around it."""

    def __init__(self, buffer: FickleBuffer, *, interval_s: float = 60.0, readings_max: int = 5_000) -> None:
        self.buffer = buffer
        self.hands = HandClock(synced=False)
        self.clock = self.hands.clock()
        self.table = SeriesTable()
        self.series = self.table.index(SeriesKey("co2", "air-1", "main/301", "test"))
        self.counters = Counters()
        self.alarm = LocalAlarm(self.counters, after_s=3_600, topic="alarm")
        self.batcher = Batcher(
            self.table,
            self.clock,
            buffer,
            self.counters,
            interval_s=interval_s,
            readings_max=readings_max,
            policy="test",
            committed=self._committed,
            uncommitted=self.alarm.unbuffered,
        )

    def _committed(self, batches: Sequence[tuple[BatchId, Item]]) -> None:
        for id_, one in batches:
            if one.alarm:
                self.alarm.watch(id_)

    def read(self, readings: int = 1) -> None:
        chunk = Chunk()
        for _ in range(readings):
            chunk.append(self.series, NOW_MS, 640.0)
        self.batcher.bulk(chunk)

    def warn(self) -> None:
        self.batcher.urgent(None, [CHECK], alarm=True)

    async def kept(self) -> list[Item]:
        """What the buffer holds, in the order of delivery."""
        await self.buffer.keep()
        return [one.item for one in await self.buffer.lease(10_000)]


@asynccontextmanager
async def working(line: Line) -> AsyncIterator[None]:
    task = asyncio.create_task(line.batcher.run(), name="batcher")
    yield
    line.batcher.stop()
    await task


@pytest.fixture
async def buffer(tmp_path: Path) -> AsyncIterator[FickleBuffer]:
    async with await FickleBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as opened:
        yield opened


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries a full disk again at once."""
    monkeypatch.setattr(batcher_module, "RETRY_S", 0.01)


async def test_a_burst_of_urgent_events_is_whole(buffer: FickleBuffer) -> None:
    line = Line(buffer)
    async with working(line):
        for at in range(2_500):
            line.batcher.urgent(None, [CHECK], alarm=at % 2 == 0)
        await eventually(lambda: line.counters.records_buffered == 2_500, "all committed")
    kept = await line.kept()
    assert sum(one.records for one in kept) == 2_500
    assert sum(one.records for one in kept if one.alarm) == 1_250
    assert not line.counters.dropped


async def test_what_comes_during_a_write_is_kept_at_the_stop(buffer: FickleBuffer) -> None:
    for _ in range(30):
        line = Line(buffer, interval_s=0.001)
        async with working(line):
            for _ in range(5):
                line.read()
                await asyncio.sleep(0)
        assert line.counters.readings_buffered == 5
    assert sum(one.readings for one in await line.kept()) == 150


async def test_a_full_batch_closes_at_once_and_an_urgent_one_too(buffer: FickleBuffer) -> None:
    line = Line(buffer, readings_max=10)
    async with working(line):
        line.read(9)
        line.warn()
        await eventually(lambda: line.counters.records_buffered == 1, "the urgent record")
        assert line.counters.readings_buffered == 0
        line.read(1)
        await eventually(lambda: line.counters.readings_buffered == 10, "the full batch")


async def test_records_that_can_wait_share_a_batch(buffer: FickleBuffer) -> None:
    line = Line(buffer)
    async with working(line):
        for at in range(40):
            line.batcher.records([TAP, TAP] if at % 2 else [TAP])
            await asyncio.sleep(0)
        line.warn()
        await eventually(lambda: line.counters.records_buffered == 1, "the urgent record, alone")
    kept = await line.kept()
    assert [(one.stream, one.records, one.alarm) for one in kept] == [
        ("urgent", 1, True),
        ("urgent", 60, False),
    ]


async def test_records_do_not_wait_longer_than_the_interval(buffer: FickleBuffer) -> None:
    line = Line(buffer, interval_s=0.01)
    async with working(line):
        line.batcher.records([TAP])
        await eventually(lambda: line.counters.records_buffered == 1, "the record")


async def test_very_many_records_are_more_than_one_batch(buffer: FickleBuffer) -> None:
    line = Line(buffer)
    async with working(line):
        line.batcher.records([TAP] * 2_500)
        await eventually(lambda: line.counters.records_buffered == 2_000, "two full ones at once")
    assert [one.records for one in await line.kept()] == [1_000, 1_000, 500]


async def test_times_before_and_after_a_change_of_the_clock_share_no_batch(buffer: FickleBuffer) -> None:
    line = Line(buffer)
    async with working(line):
        line.read()
        line.hands.synced = True
        line.clock.refresh()
        line.read()
    assert [one.clock for one in await line.kept()] == [ClockQuality.UNSYNCED, ClockQuality.SYNCED]


async def test_a_full_disk_delays_and_alarms(buffer: FickleBuffer, soon: None) -> None:
    line = Line(buffer, readings_max=1)
    buffer.full = frozenset({"append"})
    with structlog.testing.capture_logs() as logs:
        async with working(line):
            line.read()
            line.warn()
            await eventually(lambda: line.counters.disk_full >= 3, "tries")
            assert line.alarm.raised == 1
            buffer.full = frozenset()
            await eventually(lambda: line.counters.records_buffered == 1, "the disk takes it")
            assert line.alarm.raised == 1, "it stays until the collector has the event"
            await eventually(lambda: line.counters.readings_buffered == 1, "the reading too")
    errors = [one["event"] for one in logs if one["log_level"] == "error"]
    assert errors == ["buffer takes nothing", "LOCAL ALARM: the disk does not take an urgent event"]
    assert "buffer takes batches again" in [one["event"] for one in logs]
    assert [one.stream for one in await line.kept()] == ["urgent", "bulk"]


async def test_memory_is_bounded_while_the_disk_is_full(buffer: FickleBuffer, soon: None) -> None:
    line = Line(buffer, readings_max=1)
    buffer.full = frozenset({"append"})
    async with working(line):
        line.warn()
        await eventually(lambda: line.counters.disk_full >= 1, "a try")
        for _ in range(3 * WAITING_MAX):
            line.read()
        await eventually(lambda: line.counters.disk_full >= 3, "more tries")
        assert len(line.batcher._waiting) == WAITING_MAX
        buffer.full = frozenset()
        await eventually(lambda: line.counters.readings_buffered, "the disk takes it")
    assert line.counters.records_buffered == 1, "bulk goes first"
    lost = line.counters.dropped["disk_full"]
    assert line.counters.readings_buffered + lost == 3 * WAITING_MAX
    assert lost == 2 * WAITING_MAX + 1


async def test_alarms_are_the_last_to_go(buffer: FickleBuffer, soon: None) -> None:
    line = Line(buffer)
    buffer.full = frozenset({"append"})
    async with working(line):
        line.warn()
        await eventually(lambda: line.counters.disk_full >= 1, "a try")
        for _ in range(WAITING_MAX):
            line.batcher.records([TAP] * 1_000)
        buffer.full = frozenset()
        await eventually(lambda: line.counters.records_buffered > 1, "the disk takes it")
    assert [one.alarm for one in await line.kept()].count(True) == 1
    assert line.counters.dropped["disk_full"] == 1_000


async def test_what_the_disk_refuses_to_the_end_is_counted(buffer: FickleBuffer, soon: None) -> None:
    line = Line(buffer)
    buffer.full = frozenset({"append"})
    with structlog.testing.capture_logs() as logs:
        async with working(line):
            line.read(7)
    assert line.counters.dropped == {"disk_full": 7}
    assert "dropped before it reached the disk" in [one["event"] for one in logs]


async def test_one_batch_too_large_for_the_rest_of_the_disk_blocks_no_other(
    tmp_path: Path, soon: None
) -> None:
    path = tmp_path / "small.db"
    async with await FickleBuffer.open(path, bytes_max=64 * 1024) as buffer:
        line = Line(buffer, readings_max=2_000)
        for at in range(40):  # together more than the buffer takes in one go
            chunk = Chunk()
            for number in range(2_000):
                chunk.append(
                    line.series, NOW_MS + number * (at + 7919) % 60_013, number * 0.123456 / (at + 1)
                )
            line.batcher.bulk(chunk)
        line.warn()
        async with working(line):
            await eventually(lambda: line.counters.records_buffered == 1, "the urgent record")
            await eventually(lambda: line.counters.readings_buffered == 80_000, "the readings")
        assert "urgent" in [one.stream for one in await line.kept()]
