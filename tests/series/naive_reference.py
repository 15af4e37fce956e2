"""What a store must answer, worked out from its batches one point at a time; and batches to try it with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import strategies as st

from collector.series.contract import Aggregate, BatchKey, Point, SeriesBatch, SeriesStore
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


# Twelve digits: so many a server keeps.
SHORT_NUMBERS = st.integers(-(10**10), 10**10).map(lambda number: number / 10_000) | st.sampled_from(
    [0.1, 21.5, -0.0, 1e-12]
)


def batch_lists(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[SeriesBatch]]:
    """Batches of two gateways and two series, with late data and several points of one time."""
    rows = st.lists(st.tuples(st.integers(0, 3_000), values, st.integers(0, 3)), min_size=1, max_size=12)
    bodies = st.tuples(
        st.integers(0, 3),
        st.sampled_from(["gw-1", "gw-1", "gw-2"]),
        st.dictionaries(st.sampled_from(KEYS), rows, max_size=2),
    )
    return st.lists(bodies, min_size=1, max_size=8).map(
        lambda found: [
            make_batch(number, columns, clock=clock, gateway=gateway)
            for number, (clock, gateway, columns) in enumerate(found, 1)
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


async def check_store(harness: Any, batches: list[SeriesBatch], asked: list[Question]) -> None:
    """Puts the batches into a new store of `harness` and asks it, open and opened again."""
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
