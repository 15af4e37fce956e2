"""Parts of a gateway for tests: a real buffer that can play a full disk, a clock set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.alarm import LocalAlarm
from edge_agent.buffer import SqliteBuffer
from edge_agent.buffer.contract import BatchId, BufferFullError, Item, Leased, Removed
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.uplink.contract import Outgoing
from edge_agent.uplink.forwarder import Forwarder
from telemetry.ack import FORMAT, Ack, encode_ack
from telemetry.batch import Body, Gap, Header, Stream, decode_body, decode_payload
from telemetry.batch_builder import BatchBuilder
from telemetry.envelope import Kind, Signer, open_envelope
from telemetry.quality import ClockQuality
from telemetry.ranges import Range
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from telemetry.records import MorningCheck
from telemetry.status import FORMAT as STATUS_FORMAT
from telemetry.status import Status

SCHOOL, GATEWAY = "example-primary", "gw-test"
NOW_MS = 1_788_220_800_000
"""2026-09-01 08:00 in Shanghai."""
BYTES_MAX = 8 * 1024 * 1024
WAIT_S_MAX = 20.0


class HandClock:
    """The system's clocks as a test sets them."""

    def __init__(self, wall_ms: int = NOW_MS, *, synced: bool = True) -> None:
        self.wall_ms = wall_ms
        self.monotonic_ms = 5_000
        self.synced = synced

    def pass_ms(self, ms: int) -> None:
        self.wall_ms += ms
        self.monotonic_ms += ms

    def clock(self, boot: str = "boot-a", *, has_rtc: bool = False) -> Clock:
        return Clock(
            disciplined=lambda: self.synced,
            has_rtc=has_rtc,
            wall_ms=lambda: self.wall_ms,
            monotonic_ms=lambda: self.monotonic_ms,
            boot=boot,
        )


class FickleBuffer(SqliteBuffer):
    """A real buffer whose disk is full while `full` is set, for the calls named in it."""

    full: frozenset[str] = frozenset()

    def _refuse(self, call: str) -> None:
        if call in self.full:
            raise BufferFullError("the disk is full")

    async def append(self, items: Sequence[Item]) -> list[BatchId]:
        self._refuse("append")
        return await super().append(items)

    async def lease(self, batches_max: int, stream: Stream | None = None) -> list[Leased]:
        self._refuse("lease")
        return await super().lease(batches_max, stream)

    async def received(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> None:
        self._refuse("received")
        await super().received(stream, generation, ranges)

    async def accept(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> Removed:
        self._refuse("accept")
        return await super().accept(stream, generation, ranges)

    async def reject(self, id_: BatchId, reason: str) -> Removed:
        self._refuse("reject")
        return await super().reject(id_, reason)

    async def erase(self, pseudonyms: Container[str]) -> int:
        self._refuse("erase")
        return await super().erase(pseudonyms)

    async def gaps(self, limit: int) -> tuple[Gap, ...]:
        self._refuse("gaps")
        return await super().gaps(limit)

    async def gaps_delivered(self, gaps: Sequence[Gap]) -> None:
        self._refuse("gaps_delivered")
        await super().gaps_delivered(gaps)


def item(
    stream: Stream = "bulk",
    *,
    alarm: bool = False,
    clock: ClockQuality = ClockQuality.SYNCED,
    boot: str = "boot-a",
    base_ms: int = NOW_MS,
    offset_ms: int = NOW_MS - 5_000,
    record: MorningCheck | None = None,
) -> Item:
    """A batch of one reading, or of one record."""
    table = SeriesTable()
    builder = BatchBuilder(table)
    if record:
        builder.add_record(record)
    else:
        chunk = Chunk()
        chunk.append(table.index(SeriesKey("co2", "air-1", "main/301", "test")), base_ms + 10, 640.0)
        builder.add(chunk)
    readings, records = builder.readings, builder.records
    body = builder.close(base_ms)
    return Item(stream, body, readings, records, base_ms, clock, boot, offset_ms, "test", alarm)


class Outlook:
    """A forwarder on a buffer, and the collector's side of it."""

    def __init__(self, buffer: SqliteBuffer, clock: Clock | None = None, **settings: Any) -> None:
        self.buffer = buffer
        self.counters = Counters()
        self.alarm = LocalAlarm(self.counters, after_s=0.01, topic="alarm")
        self.clock = clock or HandClock().clock()
        self.collector = Signer(Ed25519PrivateKey.generate())
        self.signer = Signer(Ed25519PrivateKey.generate())
        wanted: dict[str, Any] = {
            "window_batches": 4,
            "resend_s": 3_600,
            "late_after_s": 60,
            "status_interval_s": 3_600,
        }
        self.forwarder = Forwarder(
            school=SCHOOL,
            gateway=GATEWAY,
            buffer=buffer,
            clock=self.clock,
            signer=self.signer,
            collector_key=self.collector.public_key,
            counters=self.counters,
            alarm=self.alarm,
            status=self._status,
            **(wanted | settings),
        )

    def _status(self) -> Status:
        return Status(
            STATUS_FORMAT, SCHOOL, GATEWAY, NOW_MS, ClockQuality.SYNCED, "test", NOW_MS, 0, 0, None, 0, 0, {}
        )

    async def sent(self) -> list[tuple[Header, Body]]:
        """The batches of one `next`, opened as a collector would; a status alone is passed over."""
        async with asyncio.timeout(WAIT_S_MAX):
            while True:
                batches = [one for one in await self.forwarder.next() if one.leaf != "status"]
                if batches:
                    return [_open(one) for one in batches]

    async def sends_nothing(self) -> bool:
        """Whether the forwarder, asked twice as it polls, has nothing to say but its status."""
        for _ in range(2):
            if [one for one in await self.forwarder._batches() if one.leaf != "status"]:
                return False
        return True

    async def answer(self, stream: Stream, generation: str, **ranges: Any) -> None:
        ack = Ack(FORMAT, SCHOOL, GATEWAY, stream, generation, **ranges)
        await self.forwarder.answered(self.collector.wrap(Kind.ACK, encode_ack(ack)))


def _open(one: Outgoing) -> tuple[Header, Body]:
    header, body = decode_payload(open_envelope(one.data).payload)
    return header, decode_body(header, body)


async def eventually(look: Callable[[], object], what: str) -> None:
    """Returns once `look` is true. Fails the test after a while."""
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            while not look():  # noqa: ASYNC110  # what is looked at has no event
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"did not happen within {WAIT_S_MAX:g} s: {what}", pytrace=False)
