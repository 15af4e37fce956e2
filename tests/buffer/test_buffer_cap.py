"""The byte cap: what goes first, that all of it is declared, and a week without the collector."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.buffer import Item, Leased, SqliteBuffer
from edge_agent.buffer.giving_up import THIN_READINGS_MIN
from edge_agent.buffer.thinning import thin
from telemetry.batch import FORMAT, Body, Header, decode_body, encode_body
from telemetry.quality import ClockQuality
from telemetry.readings import SeriesKey

Open = Callable[..., Awaitable[SqliteBuffer]]
MakeItem = Callable[..., Item]
Drain = Callable[[SqliteBuffer], Awaitable[list[Leased]]]


def decode(item: Item) -> Body:
    header = Header(
        FORMAT,
        "s",
        "g",
        item.stream,
        "0",
        1,
        item.time_base_ms,
        item.clock,
        "",
        "",
        item.readings,
        item.records,
    )
    return decode_body(header, item.body)


@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_thinning_keeps_first_last_and_every_fourth(counts: list[int]) -> None:
    chance = random.Random(1)
    columns = [
        (
            SeriesKey("co2", f"sensor-{index}", "room"),
            [1_000 + i for i in range(n)],
            [chance.random() for i in range(n)],
            [i % 2 for i in range(n)],
        )
        for index, n in enumerate(counts)
    ]
    item = Item(
        "bulk", encode_body(columns, [], 1_000), sum(counts), 0, 1_000, ClockQuality.SYNCED, "b", 0, "p"
    )
    thinned = thin(item)
    if thinned is None:
        assert max(counts) <= 4
        return
    body = decode(thinned)
    assert body.series == [column[0] for column in columns]
    at = 0
    for (_, times, values, qualities), count in zip(columns, body.counts, strict=True):
        kept = slice(at, at + count)
        wanted = [i for i in range(len(times)) if i % 4 == 0 or i == len(times) - 1]
        assert body.time_ms[kept] == [times[i] for i in wanted]
        assert body.value[kept] == [values[i] for i in wanted]
        assert body.quality[kept] == [qualities[i] for i in wanted]
        at += count


def test_thinning_leaves_records_and_what_it_cannot_read(make_item: MakeItem) -> None:
    item = make_item(1, readings=80, records=3)
    thinned = thin(item)
    assert thinned is not None
    assert decode(thinned).records == decode(item).records
    assert thin(item._replace(body=b"no body")) is None
    assert thin(make_item(1, readings=2)) is None


async def accounts(buffer: SqliteBuffer, drain: Drain, appended: int) -> list[Leased]:
    """Readings appended = readings still there + given up, by the counters and by the gaps."""
    gaps = await buffer.gaps(10_000)
    given_up = {k: n for k, n in buffer.stats().given_up.items() if not k.endswith("_records")}
    by_reason = Counter[str]()
    for gap in gaps:
        by_reason[gap.reason] += gap.readings
    assert dict(by_reason) == given_up
    found = await drain(buffer)
    there = sum(one.item.readings for one in found)
    assert there == sum(len(decode(one.item).time_ms) for one in found)
    assert there + sum(given_up.values()) == appended
    numbers = {(one.id.stream, one.id.sequence) for one in found}
    for gap in gaps:
        if gap.reason == "dropped":
            assert not any((gap.stream, n) in numbers for n in range(gap.first, gap.last + 1))
    return found


async def test_thins_before_it_drops_bulk_before_urgent(
    open_sqlite: Open, make_item: MakeItem, drain: Drain
) -> None:
    buffer = await open_sqlite(bytes_max=60_000)
    appended = 0

    async def append(number: int, stream: str) -> None:
        nonlocal appended
        item = make_item(number, stream, readings=400, records=1)
        await buffer.append([item])
        appended += item.readings
        assert buffer.stats().size_bytes <= 60_000

    for number in range(5):
        await append(number, "urgent")
    number = 5
    while not buffer.stats().given_up:
        await append(number, "bulk")
        number += 1
    assert set(buffer.stats().given_up) == {"thinned"}
    while "dropped" not in buffer.stats().given_up:
        await append(number, "bulk")
        number += 1
    assert buffer.stats().given_up["thinned"] > 1_000
    for _ in range(40):
        await append(number, "bulk")
        number += 1
    assert buffer.stats().urgent_batches == 5
    given_up = buffer.stats().given_up
    assert given_up["dropped_records"] >= given_up["dropped"] / 400
    gaps = await buffer.gaps(1_000)
    assert len(gaps) == 2, "neighbouring gaps are one"
    found = await accounts(buffer, drain, appended)
    assert [one.id.stream for one in found[:5]] == ["urgent"] * 5
    assert [one.id.sequence for one in found[5:]] == list(range(found[5].id.sequence, number - 5 + 1))


async def test_alarms_go_last_of_all(open_sqlite: Open, make_item: MakeItem) -> None:
    """Taps and checks of weeks cannot push out a fever; only newer alarms can."""
    buffer = await open_sqlite(bytes_max=60_000)
    alarms = await buffer.append([make_item(number, "urgent", alarm=True) for number in range(3)])
    for number in range(3, 100):
        await buffer.append([make_item(number, "urgent", readings=400)])
    assert buffer.stats().given_up["dropped"]
    assert await buffer.unreceived_alarms() == alarms
    found = await buffer.lease(1_000)
    assert [one.id for one in found[:3]] == alarms
    await buffer.keep()
    for number in range(100, 200):
        await buffer.append([make_item(number, "urgent", readings=400, alarm=True)])
    kept = await buffer.unreceived_alarms()
    assert kept
    assert kept[0].sequence > 100
    assert buffer.stats().urgent_batches == len(kept)


async def test_urgent_goes_last_and_a_new_bulk_batch_before_it(
    open_sqlite: Open, make_item: MakeItem, drain: Drain
) -> None:
    buffer = await open_sqlite(bytes_max=40_000)
    appended = 0
    for number in range(60):
        item = make_item(number, "urgent", readings=400)
        await buffer.append([item])
        appended += item.readings
    urgent = buffer.stats().urgent_batches
    dropped = (await buffer.gaps(9))[0]
    assert (dropped.stream, dropped.first, dropped.last) == ("urgent", 1, 60 - urgent)
    item = make_item(60, "bulk", readings=2_000)
    await buffer.append([item])
    assert buffer.stats().urgent_batches == urgent
    assert "thinned" in buffer.stats().given_up or buffer.stats().batches == urgent
    await accounts(buffer, drain, appended + item.readings)


async def test_loans_are_left_alone_while_others_remain(
    open_sqlite: Open, make_item: MakeItem, drain: Drain
) -> None:
    buffer = await open_sqlite(bytes_max=30_000)
    first = await buffer.append([make_item(number, readings=400) for number in range(5)])
    loaned = await buffer.lease(5)
    assert [one.id for one in loaned] == first
    for number in range(5, 60):
        await buffer.append([make_item(number, readings=400)])
    await buffer.keep()
    assert [one.item for one in (await buffer.lease(5))] == [one.item for one in loaned]
    await buffer.keep()
    await accounts(buffer, drain, 60 * 400)


async def test_everything_on_loan_is_dropped_in_the_end(open_sqlite: Open, make_item: MakeItem) -> None:
    urgent = [make_item(number, "urgent", readings=400) for number in range(8, 18)]
    bytes_max = sum(len(item.body) + 256 for item in urgent) + 1_000
    buffer = await open_sqlite(bytes_max=bytes_max)
    await buffer.append([make_item(number, readings=400) for number in range(8)])
    assert len(await buffer.lease(100)) == 8
    await buffer.append(urgent)
    assert buffer.stats().urgent_batches == 10
    assert buffer.stats().size_bytes <= bytes_max
    # A late answer for what has gone meanwhile changes nothing.
    assert await buffer.accept("bulk", buffer.generation, [(1, 1)]) == (0, 0, 0)


async def test_one_append_over_the_cap_looks_at_a_bounded_part_of_the_file(
    open_sqlite: Open, make_item: MakeItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = await open_sqlite(bytes_max=10**8)
    for start in range(0, 1_000, 100):
        await buffer.append([make_item(number, readings=200) for number in range(start, start + 100)])
    size = buffer.stats().size_bytes
    await buffer.close()
    buffer = await open_sqlite(bytes_max=size)
    await buffer.append([make_item(1_000, readings=200)])
    slack = size // 64
    stats = buffer.stats()
    assert stats.size_bytes <= size
    assert stats.size_bytes >= size - slack - 3_000, "more was given up than was needed"
    assert stats.given_up["thinned"] < THIN_READINGS_MIN


@pytest.mark.parametrize("bytes_max", [10**8, 400_000])
async def test_a_week_without_the_collector_then_drained_in_order(
    open_sqlite: Open, make_item: MakeItem, drain: Drain, bytes_max: int
) -> None:
    """A batch every five minutes for a week, an urgent one every two hours, restarts on the way."""
    buffer = await open_sqlite(bytes_max=bytes_max)
    appended = urgent = 0
    for number in range(7 * 288):
        items = [make_item(number, readings=40)]
        if number % 24 == 0:
            items.append(make_item(10_000 + number, "urgent", readings=0, records=1, alarm=True))
            urgent += 1
        await buffer.append(items)
        appended += 40
        if number % 500 == 499:
            await buffer.close()
            buffer = await open_sqlite(bytes_max=bytes_max)
    reached = bytes_max < 10**8
    assert bool(buffer.stats().given_up) is reached
    assert buffer.stats().size_bytes <= bytes_max
    assert len(await buffer.gaps(1_000)) <= 4
    assert len(await buffer.unreceived_alarms()) == urgent
    found = await accounts(buffer, drain, appended)
    keys = [(one.id.stream != "urgent", one.id.sequence) for one in found]
    assert keys == sorted(keys)
    assert sum(one.id.stream == "urgent" for one in found) == urgent
    assert reached or len(found) == 7 * 288 + urgent
    assert buffer.stats().batches == 0
