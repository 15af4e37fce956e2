"""Real batches, and a buffer in a real file, for the tests of the buffer."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from edge_agent.buffer import Item, Leased, SqliteBuffer
from telemetry.batch import Stream, encode_body
from telemetry.quality import ClockQuality
from telemetry.readings import SeriesKey
from telemetry.records import MorningCheck

TIME_BASE_MS = 1_790_000_000_000


def _make_item(
    number: int,
    stream: Stream = "bulk",
    *,
    readings: int = 40,
    series: int = 2,
    records: int = 0,
    alarm: bool = False,
) -> Item:
    chance = random.Random(number)
    time_ms = TIME_BASE_MS + number * 2_000
    columns = []
    for index in range(series if readings else 0):
        count = readings // series
        columns.append(
            (
                SeriesKey("temperature", f"sensor-{index}", "building-a/room-101"),
                [time_ms + 50 * i for i in range(count)],
                [round(chance.uniform(15, 30), 2) for _ in range(count)],
                [0] * count,
            )
        )
    checks = [
        MorningCheck(time_ms, "station-1", "building-a/gate", "forehead", round(chance.uniform(36, 38), 1))
        for _ in range(records)
    ]
    body = encode_body(columns, checks, time_ms)
    total = sum(len(column[1]) for column in columns)
    return Item(stream, body, total, records, time_ms, ClockQuality.SYNCED, "boot-1", 7, "policy-1", alarm)


@pytest.fixture
def make_item() -> Callable[..., Item]:
    """Item number n: always the same content for the same number."""
    return _make_item


@pytest.fixture
async def open_sqlite(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[SqliteBuffer]]]:
    """Opens the buffer file of this test; what is open is closed at the end."""
    async with AsyncExitStack() as stack:

        async def opener(**options: int) -> SqliteBuffer:
            settings = {"bytes_max": 10**8, "disk_free_bytes_min": 0, **options}
            return await stack.enter_async_context(
                await SqliteBuffer.open(tmp_path / "buffer.db", **settings)
            )

        yield opener


async def _drain(buffer: SqliteBuffer) -> list[Leased]:
    found: list[Leased] = []
    while leased := await buffer.lease(100):
        found += leased
        for one in leased:
            stream, generation, sequence = one.id
            await buffer.accept(stream, generation, [(sequence, sequence)])
    return found


@pytest.fixture
def drain() -> Callable[[SqliteBuffer], Awaitable[list[Leased]]]:
    """Leases and accepts until nothing is left; returns it in the order it came."""
    return _drain
