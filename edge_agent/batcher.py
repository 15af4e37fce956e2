"""Collects what passed the gate into batches and commits them to the buffer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog

from edge_agent.buffer.contract import BatchId, Buffer, BufferFullError, Item
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from foundation.logs import FirstOnly
from telemetry.batch import Stream
from telemetry.batch_builder import BatchBuilder
from telemetry.quality import ClockQuality
from telemetry.readings import Chunk, SeriesTable
from telemetry.records import Record

WAITING_MAX: Final = 64
"""Closed batches that wait in memory while the disk takes nothing."""
RECORDS_MAX: Final = 1_000
"""Records in one batch."""
RETRY_S: Final = 1.0

log = structlog.get_logger()

Committed = Callable[[Sequence[tuple[BatchId, Item]]], None]


class _Stamp(NamedTuple):
    """The clock when a batch was begun."""

    version: int
    quality: ClockQuality
    offset_ms: int
    base_ms: int


class _Lane:
    """Where batches of one kind are collected; `stamp` is of the batch that is open."""

    def __init__(self, stream: Stream, table: SeriesTable, stamp: _Stamp, *, alarm: bool = False) -> None:
        self.stream = stream
        self.alarm = alarm
        self.builder = BatchBuilder(table)
        self.stamp = stamp


class Batcher:
    """The gate's outlet. Bulk readings and records that can wait close into a batch by time or size;
    what is urgent at once, and what comes while the disk is busy shares the next batch.

    Calls never block; `run` does the writing. `committed` is told what became durable,
    `uncommitted` how many batches with an alarm the disk refuses at the moment.
    """

    def __init__(
        self,
        table: SeriesTable,
        clock: Clock,
        buffer: Buffer,
        counters: Counters,
        *,
        interval_s: float,
        readings_max: int,
        policy: str,
        committed: Committed,
        uncommitted: Callable[[int], None],
    ) -> None:
        """policy: version of the gate's policy, told with every batch."""
        self._clock = clock
        self._buffer = buffer
        self._wake = asyncio.Event()
        self._counters = counters
        self.tune(interval_s=interval_s, readings_max=readings_max)
        self._policy = policy
        self._committed = committed
        self._uncommitted = uncommitted
        stamp = self._stamp()
        self._bulk = _Lane("bulk", table, stamp)
        self._alarms = _Lane("urgent", table, stamp, alarm=True)
        self._urgent = _Lane("urgent", table, stamp)
        self._records = _Lane("urgent", table, stamp)
        self._waiting: deque[Item] = deque()
        self._trouble = FirstOnly()
        self._full = False
        self._stopping = False

    def tune(self, *, interval_s: float, readings_max: int) -> None:
        """When a batch closes from now on, the one that is open too."""
        self._interval_s = interval_s
        self._readings_max = readings_max
        self._wake.set()

    def _stamp(self) -> _Stamp:
        clock = self._clock
        return _Stamp(clock.version, clock.quality, clock.offset_ms, clock.now_ms())

    def bulk(self, chunk: Chunk) -> None:
        lane = self._bulk
        self._begin(lane)
        lane.builder.add(chunk)
        if lane.builder.readings >= self._readings_max:
            self._close(lane)
            self._wake.set()

    def urgent(self, chunk: Chunk | None, records: Sequence[Record], *, alarm: bool) -> None:
        lane = self._alarms if alarm else self._urgent
        self._begin(lane)
        if chunk:
            lane.builder.add(chunk)
        self._add_records(lane, records)
        if lane.builder.readings >= self._readings_max:
            self._close(lane)
        self._wake.set()

    def records(self, records: Sequence[Record]) -> None:
        """Taps, windows and the like: on the urgent stream, but one batch an interval, not one each."""
        waiting = len(self._waiting)
        self._add_records(self._records, records)
        if len(self._waiting) > waiting:
            self._wake.set()

    def _add_records(self, lane: _Lane, records: Sequence[Record]) -> None:
        for record in records:
            self._begin(lane)
            lane.builder.add_record(record)
            if lane.builder.records >= RECORDS_MAX:
                self._close(lane)

    def _begin(self, lane: _Lane) -> None:
        """Times before and after a change of the clock do not share a batch."""
        if lane.builder and lane.stamp.version != self._clock.version:
            self._close(lane)
        if not lane.builder:
            lane.stamp = self._stamp()

    def _close(self, lane: _Lane) -> None:
        builder = lane.builder
        if not builder:
            return
        _, quality, offset_ms, base_ms = lane.stamp
        readings, records = builder.readings, builder.records
        body, boot = builder.close(base_ms), self._clock.boot
        self._waiting.append(
            Item(
                lane.stream,
                body,
                readings,
                records,
                base_ms,
                quality,
                boot,
                offset_ms,
                self._policy,
                lane.alarm,
            )
        )
        self._bound_waiting()

    def _bound_waiting(self) -> None:
        while len(self._waiting) > WAITING_MAX:
            victim = min(self._waiting, key=lambda item: (item.stream == "urgent", item.alarm))
            self._waiting.remove(victim)
            self._drop([victim], "disk_full" if self._full else "disk_slow")

    def _drop(self, items: Sequence[Item], reason: str) -> None:
        lost = sum(item.readings + item.records for item in items)
        self._counters.dropped[reason] += lost
        if self._trouble.first(reason):
            log.error("dropped before it reached the disk", reason=reason, readings_and_records=lost)

    async def run(self) -> None:
        """Writes until `stop`; what has been taken by then is committed before this returns."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(begun_s + self._interval_s):
                    await self._wake.wait()
            self._wake.clear()
            if loop.time() >= begun_s + self._interval_s:
                begun_s = loop.time()
                self._close(self._bulk)
                self._close(self._records)
            if not await self._write():
                await asyncio.sleep(RETRY_S)
                self._wake.set()
        self._close(self._bulk)
        self._close(self._records)
        if not await self._write():
            self._drop(self._waiting, "disk_full")

    def stop(self) -> None:
        """Ends `run`; to be called when the drivers have stopped."""
        self._stopping = True
        self._wake.set()

    async def _write(self) -> bool:
        """Commits what is closed and all that is urgent; False when the disk does not take it all."""
        while True:
            self._close(self._alarms)
            self._close(self._urgent)
            if not self._waiting:
                return True
            items = sorted(self._waiting, key=lambda item: (item.stream == "bulk", not item.alarm))
            self._waiting.clear()
            taken = await self._append(items)
            self._full = taken < len(items)
            if self._full:
                self._waiting.extendleft(reversed(items[taken:]))
                self._bound_waiting()
            elif self._trouble.forget("full"):
                self._trouble.forget("disk_full")
                log.info("buffer takes batches again")
            self._uncommitted(sum(item.alarm for item in self._waiting) if self._full else 0)
            if self._full:
                return False

    async def _append(self, items: Sequence[Item]) -> int:
        """How many of these, from the first on, the buffer took."""
        try:
            ids = await self._buffer.append(items)
        except BufferFullError as error:
            if len(items) > 1:  # perhaps a part of it fits
                half = len(items) // 2
                taken = await self._append(items[:half])
                return taken if taken < half else half + await self._append(items[half:])
            self._counters.disk_full += 1
            if self._trouble.first("full"):
                log.error("buffer takes nothing", error=str(error))
            return 0
        self._counters.readings_buffered += sum(item.readings for item in items)
        self._counters.records_buffered += sum(item.records for item in items)
        self._committed(list(zip(ids, items, strict=True)))
        return len(items)
