"""The same batches in every store: the same answers, by every method of the contract."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from collector.series.contract import AGGREGATES, BatchKey, Selector, SeriesBatch, SeriesInfo, SeriesStore
from telemetry.batch import Body
from telemetry.readings import SeriesKey
from tests.series.conftest import DuckDbHarness, InfluxHarness, VictoriaHarness
from tests.series.servers import InfluxServer, VictoriaServer

T0 = 1_577_836_800_000
"""2020-01-01T00:00:00Z."""
DAY_MS = 86_400_000
ODD = (-0.0, 1e308, -1e308, 5e-324, -2.5, 0.1, 21.3, 999_999_999.0, 1e9, -1e-10, 3.141592653, 2.0**53 + 2)
Stores = dict[str, SeriesStore]


@pytest.fixture
async def stores(victoria: VictoriaServer, influx: InfluxServer) -> AsyncIterator[Stores]:
    VictoriaHarness.server, InfluxHarness.server = victoria, influx
    with (
        DuckDbHarness() as first,
        VictoriaHarness() as second,
        VictoriaHarness() as third,
        InfluxHarness() as last,
    ):
        # One of two in a row fetches raw points, the other lets the server aggregate.
        opened = [await place.open() for place in (first, second, third, last)]
        async with AsyncExitStack() as stack:
            for store in opened:
                stack.push_async_callback(store.close)
            yield dict(zip(("duckdb", "victoria", "victoria-too", "influx"), opened, strict=True))


def batches() -> list[SeriesBatch]:
    """A day of three rooms in two schools, once a minute, with gaps; then odd numbers; then late data."""
    generator = random.Random(7)
    made: list[SeriesBatch] = []

    def add(
        school: str, gateway: str, clock: int, columns: dict[SeriesKey, list[tuple[int, float, int]]]
    ) -> None:
        rows = [row for part in columns.values() for row in part]
        body = Body(
            list(columns), [len(part) for part in columns.values()],
            [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], [],
        )  # fmt: skip
        made.append(SeriesBatch(BatchKey(school, gateway, "bulk", "a", len(made) + 1), clock, body))

    for hour in range(24):
        for school, gateway, device in (
            ("a", "gw-1", "air-1"),
            ("a", "gw-1", "air-2"),
            ("b", "gw-1", "air-1"),
        ):
            times = [
                T0 + hour * 3_600_000 + minute * 60_000 + generator.randrange(1_000) for minute in range(60)
            ]
            times = [time_ms for time_ms in times if generator.random() > 0.1]
            add(school, gateway, hour % 4 if school == "b" else 0, {
                SeriesKey(quantity, device, f"main/{device}"): [
                    (time_ms, round(generator.uniform(low, low + 50), 2), generator.choice((0, 0, 0, 1, 3)))
                    for time_ms in times
                ]
                for quantity, low in (("co2", 400), ("temperature", -20))
            })  # fmt: skip
    add("b", "gw-2", 3, {
        SeriesKey("energy", "meter", "gym", "vendor/meter"): [
            (T0 + number * 1_000, value, number % 4) for number, value in enumerate(ODD)
        ],
        SeriesKey("smoke", "smoke-1", ""): [(T0 + 1, 1.0, 0), (T0 + 2, 0.0, 0)],
    })  # fmt: skip
    add("a", "gw-1", 2, {SeriesKey("co2", "air-1", "main/air-1"): [(T0 - 7 * DAY_MS, 500.5, 1)]})
    return made


def named(info: SeriesInfo) -> tuple[Any, ...]:
    return tuple(info[1:])


async def test_every_store_gives_the_same_answers(stores: Stores) -> None:
    for store in stores.values():
        for number in range(0, len(sent := batches()), 10):
            await (await store.append(sent[number : number + 10]))
        await (await store.append(sent[3:9]))  # as after an acknowledgement that was lost
    listed = {name: sorted(map(named, await store.series())) for name, store in stores.items()}
    assert len(listed["duckdb"]) == 8
    assert all(answer == listed["duckdb"] for answer in listed.values())
    for selector in (Selector(quantity="co2"), Selector(school="b", device="air-1"), Selector(place="gym")):
        chosen = [sorted(map(named, await store.series(selector))) for store in stores.values()]
        assert all(answer == chosen[0] for answer in chosen)
        assert chosen[0]
    assert len({await store.point_count() for store in stores.values()}) == 1
    for start_ms, end_ms, steps in (
        (0, 10**20, (None, 60_000, 3_600_000, 7 * DAY_MS + 1)),
        (T0 - 8 * DAY_MS, T0, (None, 1_000)),
        (T0 + 61_234, T0 + 7_654_321, (None, 1_000_000)),
        (T0 + 500, T0 + 500, (1_000,)),
    ):
        for step_ms in steps:
            for aggregate in AGGREGATES if step_ms else ("mean",):
                asked = (start_ms, end_ms, step_ms, aggregate)
                found = {name: await points(store, *asked) for name, store in stores.items()}
                for name, answer in found.items():
                    assert_same(answer, found["duckdb"], f"{name}: {asked}")


async def points(store: SeriesStore, start_ms: int, end_ms: int, step_ms: int | None, aggregate: Any) -> Any:
    """By series. Of the odd numbers no sum is asked: it is not finite."""
    infos = await store.series()
    if step_ms and aggregate in ("mean", "sum"):
        infos = [info for info in infos if info.quantity != "energy"]
    answers = await store.query(
        [info.id for info in infos], start_ms, end_ms, step_ms=step_ms, aggregate=aggregate
    )
    return {named(answer.series): answer[1:] for answer in answers}


def assert_same(answer: Any, expected: Any, what: str) -> None:
    assert set(answer) == set(expected), what
    for series, (times, values, qualities, counts) in expected.items():
        assert answer[series][0] == times, (what, series)
        assert answer[series][1] == pytest.approx(values, rel=1e-12, abs=0), (what, series)
        assert answer[series][2:] == (qualities, counts), (what, series)
