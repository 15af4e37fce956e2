"""No two readings of a series share a millisecond, in one batch or in two."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from telemetry.batch import FORMAT, Header, decode_body
from telemetry.batch_builder import BatchBuilder
from telemetry.quality import ClockQuality
from telemetry.readings import Chunk, Reading, SeriesKey, SeriesTable

BASE_MS = 1_788_220_862_500
KEYS = (SeriesKey("co2", "air-1", "main/1", ""), SeriesKey("temperature", "air-1", "main/1", ""))


def batches(times_ms: list[list[int]]) -> list[list[Reading]]:
    """What is decoded of batches in which both series have a reading at each of the times."""
    table = SeriesTable()
    numbers = [table.index(key) for key in KEYS]
    builder, found = BatchBuilder(table), []
    for batch in times_ms:
        for time_ms in batch:
            builder.add(Chunk(list(numbers), [time_ms] * 2, [400.0, 21.5], [0, 0]))
        readings = builder.readings
        body = builder.close(BASE_MS)
        header = Header(FORMAT, "s", "g", "bulk", "0", 1, BASE_MS, ClockQuality.SYNCED, "b", "p", readings, 0)
        found.append(decode_body(header, body).readings())
    return found


def test_readings_of_one_moment_get_milliseconds_of_their_own() -> None:
    first, second = batches([[BASE_MS] * 3, [BASE_MS + 1, BASE_MS + 40]])
    times = [one.time_ms - BASE_MS for one in (*first, *second) if one.series == KEYS[0]]
    assert times == [0, 1, 2, 3, 40]


def test_an_older_time_of_a_device_is_kept() -> None:
    (found,) = batches([[BASE_MS, BASE_MS - 1, BASE_MS - 3_600_000]])
    times = [one.time_ms - BASE_MS for one in found if one.series == KEYS[1]]
    assert times == [0, -1, -3_600_000]


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=20), min_size=1, max_size=6))
def test_none_is_there_twice_and_none_is_lost(steps: list[list[int]]) -> None:
    """Readings as drivers stamp them: of one moment, or of a later one."""
    now_ms = BASE_MS
    times_ms = [[now_ms := now_ms + step for step in batch] for batch in steps]
    found = batches(times_ms)
    assert [len(batch) for batch in found] == [2 * len(batch) for batch in steps]
    seen = Counter((one.series, one.time_ms) for batch in found for one in batch)
    assert set(seen.values()) == {1}
    assert max(one.time_ms for batch in found for one in batch) <= now_ms + sum(map(len, steps))
