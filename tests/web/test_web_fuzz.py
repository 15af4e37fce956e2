"""Whatever is asked, the answer is an answer or a problem document: never a fault."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.web.api.models import QueryAnswer, SeriesPage
from tests.web.conftest import NOW_MS, School, reading

WORDS = st.sampled_from(
    [
        "", "0", "1", "-1", "2", "none", "1s", "5m", "1h", "366d", "9999999d", "mean", "count", "first", "open",
        "co2", "air-301", "teaching-1/", "2026-09-01T08:00:00+08:00", "0001-01-01T00:00:00Z", "9" * 25, "1e5",
        "9999-12-31T23:59:59-23:59", str(NOW_MS), str(NOW_MS - 5_000), "٣", "\x00", "'; DROP TABLE points", "%", "zh",
    ]
)  # fmt: skip
VALUES = WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = st.sampled_from(
    [
        "id", "quantity", "device", "place", "gateway", "school", "start", "end", "step", "aggregate",
        "cursor", "limit", "state", "lang", "filter", "rooms",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)  # fmt: skip
PATHS = st.sampled_from(
    [
        "/api/v1/series", "/api/v1/series/query", "/api/v1/series/query", "/api/v1/alerts", "/api/v1/gateways", "/",
        "/parts/rooms", "/parts/alerts", "/parts/gateways", "/healthz",
    ]
)  # fmt: skip
QUICK = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@pytest.fixture
async def filled(school: School) -> School:
    await school.add([reading("co2", 500, time_ms=NOW_MS - 1_000 * number) for number in range(10)])
    await school.add([reading("open", 1)])
    await school.add_alert()
    return school


def check(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 303, 400, 404, 405, 422}, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


@QUICK
@given(path=PATHS, parameters=st.lists(st.tuples(NAMES, VALUES), max_size=4))
async def test_query_parameters_never_make_a_fault(
    filled: School, client: httpx.AsyncClient, path: str, parameters: list[tuple[str, str]]
) -> None:
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters)
    check(await client.get(f"{path}?{query}"))


@QUICK
@given(
    parameters=st.fixed_dictionaries(
        {"id": st.integers(1, 4) | st.integers()},
        optional={
            "start": st.integers(NOW_MS - 10**9, NOW_MS)
            | st.datetimes(timezones=st.timezones()).map(str)
            | WORDS,
            "end": st.integers(NOW_MS, NOW_MS + 10**9) | st.integers(0, 10**16) | WORDS,
            "step": st.sampled_from(["none", "1s", "7m", "1h", "366d"]) | WORDS,
            "aggregate": st.sampled_from(["mean", "min", "max", "sum", "count", "first", "last"]),
        },
    )
)
async def test_series_queries_never_make_a_fault(
    filled: School, client: httpx.AsyncClient, parameters: dict[str, object]
) -> None:
    """As above, mostly with parameters that are right each by itself."""
    answer = await client.get("/api/v1/series/query", params={k: str(v) for k, v in parameters.items()})
    check(answer)
    if answer.status_code == 200:
        for columns in QueryAnswer.model_validate_json(answer.content).series:
            lengths = {len(c) for c in (columns.time_ms, columns.value, columns.quality, columns.count)}
            assert len(lengths) == 1


@QUICK
@given(
    alert=VALUES,
    body=st.binary(max_size=40) | VALUES.map(lambda text: f"by={quote(text)}".encode()),
    media_type=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "", "text/plain; charset=x"]
    ),
)
async def test_paths_and_bodies_never_make_a_fault(
    filled: School, client: httpx.AsyncClient, alert: str, body: bytes, media_type: str
) -> None:
    headers = {"Content-Type": media_type}
    for path in (quote(alert, safe=""), "1"):
        check(await client.post(f"/api/v1/alerts/{path}/acknowledge", content=body, headers=headers))
    check(await client.get(f"/{quote(alert)}"))


async def test_every_device_name_comes_back_unchanged(school: School, client: httpx.AsyncClient) -> None:
    names = ['<img src=x onerror="x">', "电表 #1", "a'b\"c", "line\nbreak", "x" * 200, "💧"]
    await school.add([reading("co2", 1, device=name, place=name) for name in names])
    page = SeriesPage.model_validate_json((await client.get("/api/v1/series")).content)
    assert {item.device for item in page.items} == set(names)
    for name in names:
        found = (await client.get("/api/v1/series", params={"device": name})).json()["items"]
        assert [item["place"] for item in found] == [name]
