"""`step=auto`: the API chooses how fine an answer is, and says what it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from collector.web.api.models import QueryAnswer
from collector.web.api.resolution import POINTS_WANTED
from collector.web.app import create_app
from tests.series.conftest import ForwardStore, open_rolled
from tests.series.naive_reference import KEYS, T0, make_batch, put
from tests.series.test_series_rollups_late import DAY_MS, NOW_DAY, Clock, day_of, settle
from tests.web.conftest import School

MINUTE_MS = 60_000


class Lab(NamedTuple):
    store: ForwardStore
    client: httpx.AsyncClient

    async def ask(self, **parameters: Any) -> QueryAnswer:
        response = await self.client.get("/api/v1/series/query", params={"quantity": "co2"} | parameters)
        assert response.status_code == 200, response.text
        return QueryAnswer.model_validate_json(response.content)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """30 days of points once in five minutes, and some of a year ago; points are kept for 10 days."""
    clock = Clock()
    school = await School.open(tmp_path, clock)
    retention = {"raw_days": 10, "minute_days": 20}
    store = await open_rolled(school.store, tmp_path, now_ms=clock, retention=retention)
    await put(store, *(day_of(n, NOW_DAY - 31 + n, 1, 5 * MINUTE_MS) for n in range(1, 31)), day_of(99, 35))
    await settle(store)
    transport = httpx.ASGITransport(create_app(replace(school.parts, store=store)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Lab(store, client)
    await store.close()
    await school.close()


def at(day: float) -> int:
    return T0 + int(day * DAY_MS)


async def few_points_come_as_they_are(lab: Lab) -> None:
    answer = await lab.ask(step="auto", start=at(NOW_DAY - 5), end=at(NOW_DAY))
    assert (answer.step_ms, answer.resolution, answer.aggregate) == (None, "raw", None)
    assert len(answer.series[0].time_ms) == 5 * 288
    assert answer.raw_from_ms == at(NOW_DAY - 10)


async def test_the_answer_is_as_fine_as_it_can_be(lab: Lab) -> None:
    """One school for all of it: it takes longer to make than to ask."""
    await few_points_come_as_they_are(lab)
    for start_day, step_minutes, resolution in (
        (NOW_DAY - 8, 10, "1m"),
        (NOW_DAY - 13, 10, "1m"),
        (NOW_DAY - 30, 60, "1h"),
        (0, 360, "1h"),
    ):
        await more_come_by_windows(lab, start_day, step_minutes, resolution)
    await no_more_than_are_enough(lab)
    await points_that_are_gone_are_not_made_up(lab)
    await a_step_has_an_aggregate(lab)
    await many_series_fit_into_one_answer(lab)


async def more_come_by_windows(lab: Lab, start_day: float, step_minutes: int, resolution: str) -> None:
    answer = await lab.ask(step="auto", start=at(start_day), end=at(NOW_DAY))
    assert (answer.step_ms, answer.resolution) == (step_minutes * MINUTE_MS, resolution)
    [series] = answer.series
    assert len(series.time_ms) <= POINTS_WANTED
    expected = (min(30, NOW_DAY - start_day)) * 288 + (24 if start_day < 36 else 0)
    assert sum(series.count) == expected


async def no_more_than_are_enough(lab: Lab) -> None:
    for days, points, step_minutes in ((1, 288, None), (1, 287, 10), (5, 100, 120), (5, 11, 720)):
        answer = await lab.ask(step="auto", start=at(NOW_DAY - days), end=at(NOW_DAY), points=points)
        assert answer.step_ms == (step_minutes and step_minutes * MINUTE_MS)
        assert len(answer.series[0].time_ms) <= points
    for points in (9, POINTS_WANTED + 1):
        parameters: Any = {"id": 1, "step": "auto", "points": points}
        assert (await lab.client.get("/api/v1/series/query", params=parameters)).status_code == 422


async def points_that_are_gone_are_not_made_up(lab: Lab) -> None:
    answer = await lab.ask(start=at(NOW_DAY - 12), end=at(NOW_DAY - 9))
    assert (answer.resolution, answer.raw_from_ms) == ("raw", at(NOW_DAY - 10))
    assert answer.series[0].time_ms[0] == at(NOW_DAY - 10)
    [fine] = (await lab.ask(start=at(NOW_DAY - 12), end=at(NOW_DAY - 9), step="5m")).series
    assert len(fine.time_ms) == 3 * 288
    old = await lab.ask(start=at(NOW_DAY - 25), end=at(NOW_DAY - 24), step="5m")
    assert (old.resolution, len(old.series[0].time_ms)) == ("1h", 24)


async def a_step_has_an_aggregate(lab: Lab) -> None:
    day = {"start": at(NOW_DAY - 1), "end": at(NOW_DAY)}
    for step, resolution in (("90s", "raw"), ("2m", "1m"), ("2h", "1h")):
        answer = await lab.ask(step=step, aggregate="max", **day)
        assert (answer.resolution, answer.aggregate) == (resolution, "max")
    for step in ("automatic", "Auto", "1"):
        response = await lab.client.get("/api/v1/series/query", params={"id": 1, "step": step})
        assert response.status_code == 422
    assert (await lab.ask(step="auto", aggregate="max", start=0)).aggregate == "max"
    nothing = await lab.ask(step="auto", start=at(2), end=at(3))
    assert nothing.series[0].time_ms == []


async def many_series_fit_into_one_answer(lab: Lab) -> None:
    keys = [KEYS[0]._replace(device=f"air-{n}") for n in range(200)]
    rows = [(at(NOW_DAY - 4) - T0 + minute * 5 * MINUTE_MS, 1.0, 0) for minute in range(510)]
    await put(lab.store, make_batch(200, dict.fromkeys(keys, rows), gateway="gw-many"))
    answer = await lab.ask(step="auto", gateway="gw-many", start=at(NOW_DAY - 4), end=at(NOW_DAY))
    assert len(answer.series) == 200
    assert {sum(one.count) for one in answer.series} == {510}
    assert answer.step_ms == 10 * MINUTE_MS
