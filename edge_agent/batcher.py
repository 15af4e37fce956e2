"""Collects what passed the gate into batches and commits them to the buffer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from edge_agent.buffer.contract import BatchId, Buffer, BufferFullError, Item
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from foundation.logs import FirstOnly
from telemetry.batch import BatchBuilder, Stream
from telemetry.quality import ClockQuality
from telemetry.readings import Chunk, SeriesTable
from telemetry.records import MorningCheck

POLICY: Final = "builtin-1"
"""Name of the gate's policy, told with every batch."""
WAITING_MAX: Final = 64
"""Closed batches that wait in memory while the disk takes nothing."""
RETRY_S: Final = 1.0

log = structlog.get_logger()

Committed = Callable[[Sequence[tuple[BatchId, Item]]], None]


class Batcher:
    """The gate's outlet. Bulk readings close into a batch by time or size; urgent ones at once.

    Calls never block; `run` does the writing. `committed` is told what became durable.
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
        committed: Committed,
    ) -> None:
        self._clock = clock
        self._buffer = buffer
        self._counters = counters
        self._interval_s = interval_s
        self._readings_max = readings_max
        self._committed = committed
        self._bulk = BatchBuilder(table)
        self._urgent = BatchBuilder(table)
        self._opened = self._stamp()
        self._waiting: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._trouble = FirstOnly()
        self._stopping = False

    def _stamp(self) -> tuple[int, ClockQuality, int, int]:
        clock = self._clock
        return clock.version, clock.quality, clock.offset_ms, clock.now_ms()

    def bulk(self, chunk: Chunk) -> None:
        if not self._bulk:
            self._opened = self._stamp()
        elif self._opened[0] != self._clock.version:
            self._close("bulk", self._bulk, self._opened, alarm=False)
            self._opened = self._stamp()
        self._bulk.add(chunk)
        if self._bulk.readings >= self._readings_max:
            self._close("bulk", self._bulk, self._opened, alarm=False)

    def urgent(self, chunk: Chunk | None, record: MorningCheck | None, *, alarm: bool) -> None:
        if chunk:
            self._urgent.add(chunk)
        if record:
            self._urgent.add_record(record)
        self._close("urgent", self._urgent, self._stamp(), alarm=alarm)

    def _close(
        self,
        stream: Stream,
        builder: BatchBuilder,
        stamp: tuple[int, ClockQuality, int, int],
        *,
        alarm: bool,
    ) -> None:
        readings, records = builder.readings, builder.records
        _, quality, offset_ms, base_ms = stamp
        body = builder.close(base_ms)
        boot = self._clock.boot
        self._waiting.append(
            Item(stream, body, readings, records, base_ms, quality, boot, offset_ms, POLICY, alarm)
        )
        self._bound_waiting()
        self._wake.set()

    def _bound_waiting(self) -> None:
        while len(self._waiting) > WAITING_MAX:
            victim = next((item for item in self._waiting if item.stream == "bulk"), self._waiting[0])
            self._waiting.remove(victim)
            self._counters.dropped["disk_full"] += victim.readings + victim.records

    async def run(self) -> None:
        """Writes until `stop`; what has been taken by then is committed before this returns."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            until = loop.time() + self._interval_s
            while (left := until - loop.time()) > 0 and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._wake.wait()
                self._wake.clear()
                await self._write()
            if self._bulk:
                self._close("bulk", self._bulk, self._opened, alarm=False)
            await self._write()

    def stop(self) -> None:
        """Ends `run`; to be called when the drivers have stopped."""
        self._stopping = True
        self._wake.set()

    async def _write(self) -> None:
        while self._waiting:
            items = list(self._waiting)
            self._waiting.clear()
            try:
                ids = await self._buffer.append(items)
            except BufferFullError as error:
                if self._trouble.first("full"):
                    log.error("buffer takes nothing", error=str(error), waiting=len(items))
                self._waiting.extendleft(reversed(items))
                self._bound_waiting()
                await asyncio.sleep(0 if self._stopping else RETRY_S)
                return
            if self._trouble.forget("full"):
                log.info("buffer takes batches again")
            self._counters.readings_buffered += sum(item.readings for item in items)
            self._counters.records_buffered += sum(item.records for item in items)
            self._committed(list(zip(ids, items, strict=True)))
