"""What every SeriesStore promises. Runs on each store that conftest.py names."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.series.contract import (
    POINTS_MAX,
    Aggregate,
    BatchKey,
    Point,
    QueryTooLargeError,
    Selector,
    SeriesBatch,
    SeriesInfo,
    SeriesStore,
    StoreUnavailableError,
)
from telemetry.batch import Body
from telemetry.quality import pack_quality
from telemetry.readings import SeriesKey

KEYS = [SeriesKey("co2", "air-1", "main/101"), SeriesKey("temperature", "air-1", "main/101", "demo-air")]
T0 = 1_577_836_800_000
"""2020-01-01T00:00:00Z: the times of these tests count from here, for servers keep no year 1970."""
Rows = Sequence[tuple[int, float, int]]


def make_batch(
    sequence: int, columns: Mapping[SeriesKey, Rows], *, clock: int = 0, gateway: str = "gw-1", **key: Any
) -> SeriesBatch:
    columns = {name: rows for name, rows in columns.items() if rows}
    rows = [row for part in columns.values() for row in part]
    times, values, qualities = ([row[at] for row in rows] for at in range(3))
    times = [T0 + time_ms for time_ms in times]
    body = Body(list(columns), [len(part) for part in columns.values()], times, values, qualities, [])  # type: ignore[arg-type]  # columns of a row have types of their own
    names = {"school": "example", "gateway": gateway, "stream": "bulk", "generation": "a"} | key
    return SeriesBatch(BatchKey(**names, sequence=sequence), clock, body)


async def put(store: SeriesStore, *batches: SeriesBatch) -> None:
    await (await store.append(batches))


# Twelve digits: so many a server keeps. test_duckdb_store.py has any number.
values = st.integers(-(10**10), 10**10).map(lambda number: number / 10_000) | st.sampled_from(
    [0.1, 21.5, -0.0, 1e-12]
)
batch_bodies = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["gw-1", "gw-1", "gw-2"]),
    st.dictionaries(
        st.sampled_from(KEYS),
        st.lists(
            st.tuples(
                st.integers(0, 3_000),
                values,
                st.integers(0, 3),
            ),
            min_size=1,
            max_size=12,
        ),
        max_size=2,
    ),
)
batch_lists = st.lists(batch_bodies, min_size=1, max_size=8).map(
    lambda bodies: [
        make_batch(number, columns, clock=clock, gateway=gateway)
        for number, (clock, gateway, columns) in enumerate(bodies, 1)
    ]
)


class Question(NamedTuple):
    start_ms: int
    end_ms: int
    step_ms: int | None
    aggregate: Aggregate


questions = st.builds(
    Question,
    st.integers(-10, 3_100).map(lambda ms: T0 + ms) | st.just(0),
    st.integers(-10, 3_100).map(lambda ms: T0 + ms) | st.just(10**20),
    st.sampled_from([None, 1, 7, 100, 1_000, 10**20]),
    st.sampled_from(get_args(Aggregate)),
)


def without_repeats(batches: list[SeriesBatch]) -> list[SeriesBatch]:
    """The same, of each series one point a time: of several with the same time a server keeps one."""
    seen: set[tuple[str, SeriesKey, int]] = set()
    kept = []
    for batch in batches:
        columns: dict[SeriesKey, list[tuple[int, float, int]]] = defaultdict(list)
        for series, time_ms, value, quality in batch.body.readings():
            if (batch.key.gateway, series, time_ms) not in seen:
                seen.add((batch.key.gateway, series, time_ms))
                columns[series].append((time_ms - T0, value, quality))
        kept.append(make_batch(batch.key.sequence, columns, clock=batch.clock, gateway=batch.key.gateway))
    return kept


Naive = dict[tuple[str, SeriesKey], list[Point]]


def points_of(batches: Sequence[SeriesBatch]) -> Naive:
    """Every point by gateway and series, in order of arrival."""
    found: Naive = defaultdict(list)
    for batch in batches:
        for reading in batch.body.readings():
            quality = pack_quality(reading.quality, batch.clock)
            found[batch.key.gateway, reading.series].append(Point(reading.time_ms, reading.value, quality))
    return found


def check_window(question: Question, points: list[Point], value: float, quality: int, count: int) -> None:
    values = [point.value for point in points]
    first_ms, last_ms = min(points).time_ms, max(points).time_ms
    assert count == len(points)
    worst = (max(point.quality & 15 for point in points), max(point.quality >> 4 for point in points))
    assert quality == pack_quality(*worst)
    total = math.fsum(values)
    match question.aggregate:
        case "mean":
            assert value == pytest.approx(total / count, abs=1e-6)
        case "sum":
            assert value == pytest.approx(total, abs=1e-6)
        case "min":
            assert value == min(values)
        case "max":
            assert value == max(values)
        case "count":
            assert value == count
        case "first":
            assert value in [point.value for point in points if point.time_ms == first_ms]
        case "last":
            assert value in [point.value for point in points if point.time_ms == last_ms]


def check_answer(question: Question, points: list[Point], answer: Any) -> None:
    inside = [point for point in points if question.start_ms <= point.time_ms < question.end_ms]
    assert answer.time_ms == sorted(answer.time_ms)
    rows = list(zip(answer.time_ms, answer.value, answer.quality, answer.counts, strict=True))
    if question.step_ms is None:
        assert sorted(rows) == sorted((*point, 1) for point in inside)
        return
    windows: dict[int, list[Point]] = defaultdict(list)
    for point in inside:
        windows[point.time_ms // question.step_ms * question.step_ms].append(point)
    assert answer.time_ms == sorted(windows)
    for time_ms, value, quality, count in rows:
        check_window(question, windows[time_ms], value, quality, count)


@given(batches=batch_lists, asked=st.lists(questions, min_size=6, max_size=6))
@settings(max_examples=60, deadline=None)
async def test_answers_are_those_of_a_naive_reference(
    harness: Any, batches: list[SeriesBatch], asked: list[Question]
) -> None:
    if harness.one_point_a_time:
        batches = without_repeats(batches)
    reference = points_of(batches)
    with harness() as place:
        store = await place.open()
        for batch in batches:
            await put(store, batch)
        infos = await store.series()
        assert {(i.gateway, SeriesKey(i.quantity, i.device, i.place, i.model)) for i in infos} == set(
            reference
        )
        for info in infos:
            points = reference[info.gateway, SeriesKey(info.quantity, info.device, info.place, info.model)]
            assert info.latest.time_ms == max(points).time_ms
            assert info.latest in points
        for question in asked:
            answers = await store.query(
                [info.id for info in infos],
                question.start_ms,
                question.end_ms,
                step_ms=question.step_ms,
                aggregate=question.aggregate,
            )
            assert [answer.series for answer in answers] == infos
            for answer in answers:
                info = answer.series
                key = SeriesKey(info.quantity, info.device, info.place, info.model)
                check_answer(question, reference[info.gateway, key], answer)
        assert await store.point_count() == sum(map(len, reference.values()))
        await store.close()
        store = await place.open()
        assert await store.series() == infos
        await store.close()


def numbered(number: int) -> SeriesBatch:
    """A batch whose two points have its number for value."""
    return make_batch(number, {KEYS[0]: [(2 * number, float(number), 0), (2 * number + 1, float(number), 0)]})


calls = st.lists(st.lists(st.integers(1, 12), max_size=5) | st.none(), max_size=8)


@given(calls=calls)
@settings(max_examples=30, deadline=None)
async def test_a_batch_counts_once_however_often_it_comes(
    harness: Any, calls: list[list[int] | None]
) -> None:
    """None in `calls` means that the store is closed and opened again."""
    with harness() as place:
        store = await place.open()
        for call in calls:
            if call is None:
                await store.close()
                store = await place.open()
            else:
                await put(store, *(numbered(n) for n in call))
        expected = sorted({n for call in calls if call for n in call})
        assert await store.point_count() == 2 * len(expected)
        for answer in await store.query([info.id for info in await store.series()], 0, T0 + 100):
            assert answer.value == [float(n) for n in expected for _ in range(2)]
        await store.close()


@pytest.fixture
async def store(harness: type[Any]) -> Any:
    with harness() as place:
        opened = await place.open()
        yield opened
        await opened.close()


async def test_a_batch_is_named_by_all_parts_of_its_key(store: SeriesStore) -> None:
    def rows(time_ms: int) -> dict[SeriesKey, Rows]:
        return {KEYS[0]: [(time_ms, 1.0, 0)]}

    changes: list[dict[str, Any]] = [{}, {"school": "other"}, {"gateway": "gw-2"}, {"stream": "urgent"}]
    for number, changed in enumerate((*changes, {"generation": "b"})):
        await put(store, make_batch(1, rows(number), **changed))
    await put(store, make_batch(2, rows(6)), make_batch(2**64 - 1, rows(7)), make_batch(2**64 - 1, rows(7)))
    assert await store.point_count() == 7


async def test_the_same_device_under_another_gateway_is_another_series(store: SeriesStore) -> None:
    for gateway in ("gw-1", "gw-2"):
        await put(store, make_batch(1, {KEYS[0]: [(1_000, 1.0, 0)]}, gateway=gateway))
    assert {info.gateway for info in await store.series()} == {"gw-1", "gw-2"}


async def test_late_data_lands_in_its_time_and_is_never_the_latest(store: SeriesStore) -> None:
    await put(store, make_batch(1, {KEYS[0]: [(5_000, 5.0, 0)]}))
    await put(store, make_batch(2, {KEYS[0]: [(4_000, 4.0, 1), (1_000, 1.0, 1)]}, clock=2))
    [info] = await store.series()
    assert info.latest == Point(T0 + 5_000, 5.0, 0)
    [answer] = await store.query([info.id], 0, T0 + 10_000)
    assert (answer.time_ms, answer.quality) == ([T0 + 1_000, T0 + 4_000, T0 + 5_000], [0x21, 0x21, 0])


async def test_one_call_may_bring_old_and_new_batches_of_many_series(store: SeriesStore) -> None:
    late = make_batch(1, {KEYS[1]: [(10, 1.0, 0)], KEYS[0]: [(30, 3.0, 0), (20, 2.0, 0)]})
    await put(store, make_batch(2, {KEYS[0]: [(40, 4.0, 0)]}), late)
    assert {info.quantity: info.latest.value for info in await store.series()} == {
        "co2": 4.0,
        "temperature": 1.0,
    }


async def test_batches_without_readings_and_empty_calls_are_taken(store: SeriesStore) -> None:
    await put(store)
    await put(store, make_batch(1, {}))
    await put(store, make_batch(1, {}), make_batch(2, {KEYS[0]: [(1, 1.0, 0)]}), make_batch(3, {}))
    assert await store.point_count() == 1


async def test_series_are_selected_and_paged(store: SeriesStore) -> None:
    keys = [SeriesKey(f"voc_{('raw', 'mass')[n % 2]}", f"d{n}", f"main/{n % 3}") for n in range(10)]
    rows = [(1_000, 1.0, 0)]
    await put(store, make_batch(1, dict.fromkeys(keys[:5], rows)))
    await put(store, make_batch(1, dict.fromkeys(keys[5:], rows), gateway="gw-2"))
    everything = await store.series()
    ids = [info.id for info in everything]
    assert len(ids) == 10
    assert ids == sorted(set(ids))
    assert await store.series(Selector(quantity="voc_mass")) == [
        i for i in everything if i.quantity == "voc_mass"
    ]
    assert await store.series(Selector(device="d3")) == [i for i in everything if i.device == "d3"]
    assert await store.series(Selector(place="main/2", gateway="gw-2")) == [
        i for i in everything if i.place == "main/2" and i.gateway == "gw-2"
    ]
    assert await store.series(Selector(school="elsewhere")) == []
    paged: list[SeriesInfo] = []
    while page := await store.series(
        Selector(quantity="voc_raw", limit=2, after_id=paged[-1].id if paged else 0)
    ):
        assert len(page) <= 2
        paged += page
    assert paged == [info for info in everything if info.quantity == "voc_raw"]


async def test_names_come_back_as_they_were(store: SeriesStore) -> None:
    keys = [
        SeriesKey("temperature", "d'1\"; --", "楼/\U0001f600 x", "\\n{}"),
        SeriesKey("temperature", "a,b=c d\\", " /x/", "100 %25\\"),
        SeriesKey("temperature", "\u3000", "main/", "$1.*|"),
        SeriesKey("temperature", "", "", ""),
    ]
    for key in keys:
        await put(store, make_batch(1, {key: [(1, 1.0, 0)]}, generation=f"'{key.device}"))
        [info] = await store.series(Selector(device=key.device))
        assert (info.quantity, info.device, info.place, info.model) == key
        [answer] = await store.query([info.id], 0, T0 + 10)
        assert answer.value == [1.0]


async def test_answers_come_in_the_order_asked_without_unknown_series(store: SeriesStore) -> None:
    await put(store, make_batch(1, {key: [(1_000, 1.0, 0)] for key in KEYS}))
    first, second = [info.id for info in await store.series()]
    answers = await store.query([second, 10**6, -1, 0, first], 0, T0 + 2_000)
    assert [answer.series.id for answer in answers] == [second, first]
    [empty] = await store.query([first], T0 + 2_000, T0 + 1_000)
    assert empty.time_ms == empty.value == empty.quality == empty.counts == []
    assert await store.query([], 0, 2_000) == []


async def test_a_question_without_sense_is_refused(store: SeriesStore) -> None:
    with pytest.raises(ValueError, match="step"):
        await store.query([1], 0, 1, step_ms=0)
    with pytest.raises(ValueError, match="median"):
        await store.query([1], 0, 1, aggregate="median")  # type: ignore[arg-type]  # what an API may pass on


async def test_an_answer_has_at_most_points_max_rows(store: SeriesStore) -> None:
    half = POINTS_MAX // 2
    for number, key in enumerate(KEYS, 1):
        await put(store, make_batch(number, {key: [(time_ms, 1.0, 0) for time_ms in range(half)]}))
    ids = [info.id for info in await store.series()]
    for step_ms in (None, 1):
        whole = await store.query(ids, T0, T0 + POINTS_MAX, step_ms=step_ms)
        assert [len(answer.time_ms) for answer in whole] == [half, half]
    await put(store, make_batch(3, {KEYS[0]: [(half, 1.0, 0)]}))
    for step_ms in (None, 1):
        with pytest.raises(QueryTooLargeError, match="larger step"):
            await store.query(ids, T0, T0 + POINTS_MAX, step_ms=step_ms)
    answers = await store.query(ids, T0, T0 + POINTS_MAX, step_ms=1_000, aggregate="count")
    assert [sum(answer.counts) for answer in answers] == [half + 1, half]


async def test_appends_questions_and_cancellations_may_overlap(store: SeriesStore) -> None:
    def rows(number: int) -> list[tuple[int, float, int]]:
        return [(50 * number + at, float(number), 0) for at in range(50)]

    batches = [make_batch(n, {KEYS[n % 2]: rows(n)}) for n in range(1, 61)]
    await put(store, make_batch(61, {key: [(0, 0.0, 0)] for key in KEYS}))
    ids = [info.id for info in await store.series()]
    async with asyncio.TaskGroup() as tasks:
        for number, batch in enumerate(batches):
            appending = tasks.create_task(put(store, batch), name=f"append-{number}")
            if number % 5 == 0:
                await asyncio.sleep(0)
                appending.cancel()
            tasks.create_task(store.query(ids, 0, T0 + 3_100, step_ms=10), name=f"query-{number}")
            tasks.create_task(store.series(), name=f"series-{number}")
    await put(store, *batches)
    assert await store.point_count() == 50 * len(batches) + 2
    answers = await store.query(ids, 0, T0 + 3_100)
    assert sorted(set(answers[0].value + answers[1].value)) == [float(n) for n in range(61)]


async def test_a_closed_store_says_so(store: SeriesStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.append([make_batch(1, {})])
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.query([1], 0, 1)
    await store.close()
