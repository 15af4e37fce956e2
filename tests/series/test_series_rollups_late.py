"""Late points land in their own time, once: after a week, after a year, and however often they come."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.series.contract import Point, SeriesBatch, SeriesStore, StoreUnavailableError
from collector.series.duckdb_store import DuckDbStore
from tests.series.conftest import ForwardStore, RolledDuckDb, RolledHarness, open_rolled
from tests.series.naive_reference import KEYS, T0, make_batch, put

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_DAY = 400
"""So many days after T0."""
RAW = {"raw_days": 90}


class Clock:
    def __init__(self, day: float = NOW_DAY) -> None:
        self.day = day

    def __call__(self) -> int:
        return T0 + int(self.day * DAY_MS)


def day_of(
    sequence: int, first_day: float, days: float = 1, every_ms: int = HOUR_MS, **key: Any
) -> SeriesBatch:
    """Points of both series, their value the number of the batch."""
    times = range(int(first_day * DAY_MS), int((first_day + days) * DAY_MS), every_ms)
    return make_batch(sequence, {one: [(at, float(sequence), 0) for at in times] for one in KEYS}, **key)


async def settle(store: ForwardStore) -> None:
    """Rolls up, moves the horizons, forgets."""
    while await store.roller.round():
        pass
    await store.retainer.move()
    await store.retainer.forget()


async def counts(store: SeriesStore, step_ms: int = DAY_MS) -> Counter[int]:
    """Points of all series by window, its number counted from T0."""
    found: Counter[int] = Counter()
    ids = [info.id for info in await store.series()]
    for answer in await store.query(ids, 0, 10**20, step_ms=step_ms, aggregate="count"):
        found.update(dict(zip([(at - T0) // step_ms for at in answer.time_ms], answer.counts, strict=True)))
    return found


async def test_a_gateway_that_is_back_after_a_week_is_rolled_up_in_its_own_time() -> None:
    with RolledDuckDb() as place:
        store = await place.open(now_ms=Clock(), retention=RAW)
        await put(store, *(day_of(n, NOW_DAY - 9 + n) for n in range(1, 9)))
        await settle(store)
        before = await counts(store, HOUR_MS)
        await put(store, *(day_of(n, NOW_DAY - 8 + n, 0.5, gateway="gw-2") for n in range(1, 8)))
        asked = await counts(store, HOUR_MS)
        await settle(store)
        assert not store.waiting
        assert await counts(store, HOUR_MS) == asked
        assert asked - before == Counter(
            {24 * (NOW_DAY - 8 + n) + hour: 2 for n in range(1, 8) for hour in range(12)}
        )
        assert await store.point_count() == sum(asked.values())
        await store.close()


async def check_a_year(store: ForwardStore, batches: list[SeriesBatch]) -> None:
    """Old points are not among the points, but in minutes and hours, with all that is told of them."""
    for _ in range(3):
        await put(store, *batches)
        await settle(store)
    assert await counts(store) == Counter(dict.fromkeys((20, 21, 309, 310, 399), 48))
    assert await store.point_count() == 96
    infos = await store.series()
    assert len(infos) == 4
    for answer in await store.query(
        [info.id for info in infos], 0, 10**20, step_ms=HOUR_MS, aggregate="last"
    ):
        assert set(answer.value) <= {1.0, 2.0, 3.0}
        assert answer.counts == [1] * len(answer.time_ms)
    raw = await store.query([info.id for info in infos], 0, 10**20)
    assert (
        min(answer.time_ms[0] for answer in raw if answer.time_ms)
        == store.reach().raw_ms
        == T0 + 310 * DAY_MS
    )


def year() -> list[SeriesBatch]:
    """A gateway that was silent for a year, one that spans the horizon of day 310, one of today."""
    return [
        day_of(1, 20, 2, gateway="gw-old"),
        day_of(2, 309, 2),
        day_of(3, 399),
    ]


async def test_a_gateway_that_is_back_after_a_year_is_merged_once() -> None:
    with RolledDuckDb() as place:
        clock = Clock()
        store = await place.open(now_ms=clock, retention=RAW)
        await settle(store)
        await check_a_year(store, year())
        before = await store.series()
        old = next(info for info in before if info.gateway == "gw-old")
        assert old.latest == Point(T0 + 22 * DAY_MS - HOUR_MS, 1.0, 0)
        await store.close()
        store = await place.open(now_ms=clock, retention=RAW)
        assert await store.series() == before
        await check_a_year(store, year())
        # Its series goes on: its old id is still good for a question.
        await put(store, day_of(9, 398, gateway="gw-old"))
        [answer] = await store.query([old.id], 0, 10**20, step_ms=DAY_MS, aggregate="count")
        assert sum(answer.counts) == 72
        await store.close()


async def test_a_gateway_that_is_back_after_a_year_is_merged_once_beside_a_server(
    rolled_server: type[RolledHarness],
) -> None:
    with rolled_server() as place:
        clock = Clock()
        store = await place.open(now_ms=clock, retention=RAW)
        await settle(store)
        await check_a_year(store, year())
        await store.close()
        store = await place.open(now_ms=clock, retention=RAW)
        await check_a_year(store, year())
        await store.close()


async def test_late_points_go_where_there_is_still_a_place() -> None:
    """Minutes are kept for 100 days, hours for 200."""
    with RolledDuckDb() as place:
        retention = {"raw_days": 90, "minute_days": 100, "hour_days": 200}
        store = await place.open(now_ms=Clock(), retention=retention)
        await settle(store)
        await put(store, day_of(1, 150), day_of(2, 250), day_of(3, 305), day_of(4, 350))
        assert await counts(store) == Counter({250: 48, 305: 48, 350: 48})
        ids = [info.id for info in await store.series()]
        [answer, _] = await store.query(ids, 0, T0 + 300 * DAY_MS, step_ms=600_000)
        assert [at % HOUR_MS for at in answer.time_ms] == [0] * 24
        assert store.reach() == (T0 + 310 * DAY_MS, T0 + 300 * DAY_MS, T0 + 200 * DAY_MS)
        await store.close()


class Unreliable(DuckDbStore):
    """Fails once: before it has taken a batch, or after."""

    failing = ""

    async def append(self, batches: Any) -> Any:
        failing, self.failing = self.failing, ""
        durable = await super().append([] if failing == "before" else batches)
        if failing:
            raise StoreUnavailableError("made to fail")
        return durable


async def send(store: ForwardStore, batch: SeriesBatch, act: str) -> None:
    """act: "send", or when the store below fails."""
    if act == "send":
        await put(store, batch)
        return
    below: Any = store.below
    below.failing = act
    with pytest.raises(StoreUnavailableError):
        await put(store, batch)
    below.failing = ""


async def test_a_batch_that_was_merged_in_part_is_merged_on_from_there(tmp_path: Path) -> None:
    """It spans the first day of points, the store below failed, and that day has moved on since."""
    clock = Clock()
    below = await Unreliable.open(tmp_path / "series.duckdb")
    store = await open_rolled(below, tmp_path, now_ms=clock, retention=RAW)
    await settle(store)
    batch = day_of(1, 305, 20)
    below.failing = "before"
    with pytest.raises(StoreUnavailableError):
        await put(store, batch)
    assert sum((await counts(store)).values()) == 5 * 48
    clock.day += 7
    await settle(store)
    for _ in range(2):
        await put(store, batch)
        assert await counts(store) == dict.fromkeys(range(305, 325), 48)
        await settle(store)
    assert await store.point_count() == 8 * 48
    await store.close()


acts = st.lists(
    st.tuples(st.sampled_from(["send", "send", "send", "before", "after"]), st.integers(1, 6))
    | st.tuples(st.sampled_from(["days", "settle", "open"]), st.integers(1, 40)),
    max_size=14,
)


@given(acts=acts)
@settings(max_examples=8, deadline=None)
async def test_every_point_counts_once_whatever_fails_and_however_late_it_comes_again(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]
) -> None:
    """Batches of three days about the horizon; "before" and "after" is when the store below fails."""
    folder, clock = tmp_path_factory.mktemp("late"), Clock()
    batches = {n: day_of(n, 306 + 3 * n, 3, 8 * HOUR_MS) for n in range(1, 7)}

    async def opened() -> ForwardStore:
        below = await Unreliable.open(folder / "series.duckdb")
        return await open_rolled(below, folder, now_ms=clock, retention=RAW)

    store = await opened()
    await settle(store)
    sent: set[int] = set()
    for act, number in [*acts, ("settle", 0)]:
        if act == "days":
            clock.day += number
        elif act == "settle":
            await settle(store)
        elif act == "open":
            await store.close()
            store = await opened()
        else:
            await send(store, batches[number], act)
            sent.add(number)
    for number in sent:  # as gateways do until they are told that it is stored
        await put(store, batches[number])
    await settle(store)
    expected = Counter({day: 6 for number in sent for day in range(306 + 3 * number, 309 + 3 * number)})
    assert await counts(store) == expected
    await store.close()


async def test_a_hundred_late_batches_are_few_rows_of_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.series.rollups.book.COMPACT_ROWS", 20)
    store = await open_rolled(
        await DuckDbStore.open(tmp_path / "series.duckdb"), tmp_path, now_ms=Clock(), retention=RAW
    )
    await settle(store)
    for _ in range(2):
        for number in range(1, 101):
            await put(store, day_of(number, number, 0.1, HOUR_MS))
        assert sum((await counts(store)).values()) == 100 * 2 * 3
    assert store.registry.get_sample_value("campus_rollup_late_points_total", {"into": "minutes"}) == 600
    await store.close()
    with duckdb.connect(str(tmp_path / "rollups.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM ledger").fetchall()[0][0] < 60
