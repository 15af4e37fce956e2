"""What every SeriesStore promises. Runs on each store that conftest.py names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.series.contract import (
    POINTS_MAX,
    Point,
    QueryTooLargeError,
    Selector,
    SeriesBatch,
    SeriesInfo,
    SeriesStore,
    StoreUnavailableError,
)
from telemetry.readings import SeriesKey
from tests.series.naive_reference import (
    KEYS,
    SHORT_NUMBERS,
    T0,
    Question,
    Rows,
    batch_lists,
    check_store,
    make_batch,
    put,
    questions,
)


@given(batches=batch_lists(SHORT_NUMBERS), asked=st.lists(questions, min_size=6, max_size=6))
@settings(max_examples=30, deadline=None)
async def test_answers_are_those_of_a_naive_reference(
    harness: Any, batches: list[SeriesBatch], asked: list[Question]
) -> None:
    await check_store(harness, batches, asked)


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
