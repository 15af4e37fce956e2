"""A store with roll-ups answers what the store below answers alone, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.series.contract import (
    POINTS_MAX,
    Aggregate,
    QueryTooLargeError,
    SeriesBatch,
    SeriesPoints,
    SeriesStore,
)
from collector.series.duckdb_store import DuckDbStore
from collector.series.rollups.answers import RUNS_MAX, make_plan
from collector.series.rollups.tables import Horizons
from tests.series.conftest import ForwardStore, RolledDuckDb, RolledHarness, open_rolled
from tests.series.naive_reference import KEYS, SHORT_NUMBERS, T0, make_batch, put, without_repeats

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
SPAN_MS = 6 * HOUR_MS


class Asked(NamedTuple):
    start_ms: int
    end_ms: int
    step_ms: int | None
    aggregate: Aggregate


# On minutes, on hours, and beside both.
times = st.one_of(
    st.integers(0, SPAN_MS),
    st.integers(0, SPAN_MS // MINUTE_MS).map(lambda number: number * MINUTE_MS),
    st.integers(-1, 7).map(lambda number: number * HOUR_MS),
)
steps = st.sampled_from(
    [MINUTE_MS, 5 * MINUTE_MS, 7 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS, 24 * HOUR_MS, 90_000, None]
)
questions = st.builds(
    lambda start, end, step, aggregate: Asked(T0 + min(start, end), T0 + max(start, end), step, aggregate),
    times,
    times,
    steps,
    st.sampled_from(get_args(Aggregate)),
) | st.builds(
    lambda step, aggregate: Asked(0, 10**20, step, aggregate), steps, st.sampled_from(get_args(Aggregate))
)
rows = st.lists(
    st.tuples(times.filter(lambda at: at >= 0), SHORT_NUMBERS, st.integers(0, 3)), min_size=1, max_size=30
)
bodies = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["gw-1", "gw-1", "gw-2"]),
    st.dictionaries(st.sampled_from(KEYS), rows, min_size=1, max_size=2),
)
batch_lists = st.lists(bodies, min_size=1, max_size=8).map(
    lambda found: without_repeats(
        [
            make_batch(at, columns, clock=clock, gateway=gateway)
            for at, (clock, gateway, columns) in enumerate(found, 1)
        ]
    )
)
# What goes on between the batches: nothing, a round, a new start.
events = st.lists(st.sampled_from(["", "", "roll", "open"]), min_size=8, max_size=8)


async def same_answers(rolled: ForwardStore, below: SeriesStore, asked: Sequence[Asked]) -> None:
    ids = [info.id for info in await below.series()]
    for one in asked:
        options: Any = {"step_ms": one.step_ms, "aggregate": one.aggregate}
        expected = await below.query(ids, one.start_ms, one.end_ms, **options)
        found = await super(ForwardStore, rolled).query(ids, one.start_ms, one.end_ms, **options)
        assert_same(found, expected, one)


def assert_same(found: list[SeriesPoints], expected: list[SeriesPoints], asked: Asked) -> None:
    assert [answer.series for answer in found] == [answer.series for answer in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.time_ms, one.quality, one.counts) == (other.time_ms, other.quality, other.counts), asked
        if asked.aggregate in ("mean", "sum"):
            assert one.value == pytest.approx(other.value, rel=1e-9, abs=1e-6), asked
        else:
            assert one.value == other.value, asked


async def check(
    harness: type[RolledHarness], batches: list[SeriesBatch], happens: list[str], asked: list[Asked]
) -> None:
    with harness() as place:
        store = await place.open()
        for batch, event in zip(batches, happens, strict=False):
            await put(store, batch)
            if event == "roll":
                await store.roller.round()
            if event == "open":
                await store.close()
                store = await place.open()
            await same_answers(store, store.below, asked[:2])
        await same_answers(store, store.below, asked)
        await store.roller.round()
        assert not store.waiting, "nothing waits any more"
        await same_answers(store, store.below, asked)
        await store.close()


@given(batches=batch_lists, happens=events, asked=st.lists(questions, min_size=8, max_size=8))
@settings(max_examples=8, deadline=None)
async def test_answers_are_those_of_the_points(
    batches: list[SeriesBatch], happens: list[str], asked: list[Asked]
) -> None:
    await check(RolledDuckDb, batches, happens, asked)


@given(batches=batch_lists, happens=events, asked=st.lists(questions, min_size=6, max_size=6))
@settings(max_examples=3, deadline=None)
async def test_answers_are_those_of_the_points_in_a_server(
    rolled_server: type[RolledHarness], batches: list[SeriesBatch], happens: list[str], asked: list[Asked]
) -> None:
    await check(rolled_server, batches, happens, asked)


async def test_an_answer_from_rollups_has_at_most_points_max_rows() -> None:
    minutes = POINTS_MAX // 2
    rows = {key: [(at * MINUTE_MS, 1.0, 0) for at in range(minutes)] for key in KEYS}
    with RolledDuckDb() as place:
        store = await place.open()
        await put(store, make_batch(1, rows), make_batch(2, {KEYS[0]: [(minutes * MINUTE_MS, 1.0, 0)]}))
        while store.waiting:
            await store.roller.round()
        ids = [info.id for info in await store.series()]
        end_ms = T0 + minutes * MINUTE_MS
        whole = await store.query(ids, T0, end_ms, step_ms=MINUTE_MS)
        assert [len(answer.time_ms) for answer in whole] == [minutes, minutes]
        with pytest.raises(QueryTooLargeError, match="larger step"):
            await store.query(ids, T0, end_ms + 1, step_ms=MINUTE_MS)
        await store.close()


def test_a_plan_covers_the_question_once() -> None:
    """Many marked hours become one stretch of points; nothing is left out and nothing asked twice."""
    for marked in ([], [0], [3, 4, 9], list(range(0, 200, 2))):
        hours = [hour * HOUR_MS for hour in marked]
        plan = make_plan(90_001, 200 * HOUR_MS + 5, HOUR_MS, Horizons(0, 0, 0, 0), hours)
        spans = sorted(plan.points + plan.minutes + plan.hours)
        assert spans[0][0] == 90_001
        assert spans[-1][1] == 200 * HOUR_MS + 5
        assert all(one[1] == other[0] for one, other in pairwise(spans))
        assert len(plan.points) <= RUNS_MAX


class Interrupted(DuckDbStore):
    """Lets something happen when a question has been answered."""

    happening: Any = None

    async def query(self, *args: Any, **options: Any) -> list[SeriesPoints]:
        found = await super().query(*args, **options)
        if self.happening:
            happening, self.happening = self.happening, None
            await happening
        return found


async def test_points_that_come_while_their_hour_is_rolled_up_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After they could be read, and while the rows are being written."""
    below = await Interrupted.open(tmp_path / "series.duckdb")
    store = await open_rolled(below, tmp_path)
    store.forward = False
    await put(store, make_batch(1, {KEYS[0]: [(1, 1.0, 0)]}))
    await store.roller.round()
    for number in range(2, 20, 2):
        await put(store, make_batch(number, {KEYS[0]: [(number, 1.0, 0)]}))
        if number % 4:
            below.happening = put(store, make_batch(number + 1, {KEYS[0]: [(number + 1, 1.0, 0)]}))
            await store.roller.round()
            assert store.waiting == 1
        else:
            appending = put(store, make_batch(number + 1, {KEYS[0]: [(number + 1, 1.0, 0)]}))
            async with asyncio.TaskGroup() as tasks:
                write = store._book.replace

                async def replaced(*args: Any) -> None:
                    # The marks are down and the rows not there: only points can answer.
                    await same_answers(store, below, [Asked(T0, T0 + HOUR_MS, HOUR_MS, "count")])  # noqa: B023
                    tasks.create_task(appending, name="append")  # noqa: B023  # of this round
                    await write(*args)  # noqa: B023

                monkeypatch.setattr(store._book, "replace", replaced)
                await store.roller.round()
        await same_answers(store, below, [Asked(T0, T0 + HOUR_MS, HOUR_MS, "count")])
        if number % 4 == 0:
            await store.close()
            below = await Interrupted.open(tmp_path / "series.duckdb")
            store = await open_rolled(below, tmp_path)
            store.forward = False
            await same_answers(store, below, [Asked(T0, T0 + HOUR_MS, HOUR_MS, "count")])
    await store.close()
