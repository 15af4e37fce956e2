"""The API over real stores: values, paging, queries, gateways, alerts, health, and every error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from collector.alerts.numbers import NUMBER_MAX
from collector.series.contract import StoreUnavailableError
from collector.web.api.models import AlertPage, GatewayList, QueryAnswer, SeriesPage
from telemetry.quality import ClockQuality, Quality
from telemetry.status import Status
from tests.web.conftest import GATEWAY, NOW_MS, SCHOOL, School, reading


async def get(client: httpx.AsyncClient, path: str, **parameters: object) -> httpx.Response:
    return await client.get(path, params=parameters)  # type: ignore[arg-type]  # numbers and lists as they come


def assert_problem(response: httpx.Response, status: int) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


async def test_series_shows_value_unit_labels_and_marks(school: School, client: httpx.AsyncClient) -> None:
    await school.add(
        [reading("co2", 812), reading("open", 1, device="door-301", quality=Quality.UNCERTAIN)],
        ClockQuality.UNSYNCED,
    )
    page = SeriesPage.model_validate_json((await get(client, "/api/v1/series")).content)
    co2, door = page.items
    assert (co2.quantity, co2.latest.value, co2.unit, co2.ucum) == ("co2", 812, "ppm", "[ppm]")
    assert (co2.label.zh, co2.label.en) == ("二氧化碳", "CO₂")
    assert (co2.latest.time, co2.latest.time_ms) == ("2026-09-01T00:00:59.500Z", NOW_MS - 3_000)
    assert (co2.latest.quality, co2.latest.clock, co2.latest.text) == ("good", "unsynced", None)
    assert (co2.school, co2.gateway, co2.device, co2.place) == (SCHOOL, GATEWAY, "air-301", "teaching-1/301")
    assert door.latest.value is True
    assert (door.unit, door.latest.quality) == ("bool", "uncertain")


@pytest.mark.parametrize(
    ("filters", "devices"),
    [
        ({"quantity": "co2"}, {"a", "b", "c"}),
        ({"device": "b"}, {"b"}),
        ({"place": "teaching-1/301"}, {"a"}),
        ({"place": "teaching-1/"}, {"a", "b"}),
        ({"place": "teaching-1"}, set()),
        ({"gateway": GATEWAY, "school": SCHOOL}, {"a", "b", "c"}),
        ({"gateway": "other"}, set()),
        ({"quantity": "co2", "device": "c"}, {"c"}),
    ],
)
async def test_series_filters(
    school: School, client: httpx.AsyncClient, filters: dict[str, str], devices: set[str]
) -> None:
    places = {"a": "teaching-1/301", "b": "teaching-1/302", "c": "teaching-10/301"}
    await school.add([reading("co2", 500, device=device, place=place) for device, place in places.items()])
    page = (await get(client, "/api/v1/series", **filters)).json()
    assert {item["device"] for item in page["items"]} == devices


@pytest.mark.parametrize("filters", [{}, {"place": "teaching-1/"}])
async def test_series_pages_end_and_miss_nothing(
    school: School, client: httpx.AsyncClient, filters: dict[str, str]
) -> None:
    await school.add([reading("co2", 500, device=f"d{number}") for number in range(6)])
    seen: list[int] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = (await get(client, "/api/v1/series", limit=2, **filters, **cursor)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert len(set(seen)) == 6
    assert page["next_cursor"] is None


async def test_query_raw_and_by_windows(school: School, client: httpx.AsyncClient) -> None:
    start = NOW_MS - NOW_MS % 60_000 - 120_000
    await school.add(
        [
            reading("co2", 600, time_ms=start),
            reading("co2", 700, time_ms=start + 30_000, quality=Quality.STALE),
            reading("co2", 900, time_ms=start + 60_000),
            reading("open", 1, time_ms=start),
        ]
    )
    span = {"start": start, "end": start + 120_000}
    raw = (await get(client, "/api/v1/series/query", quantity="co2", **span)).json()
    QueryAnswer.model_validate(raw)
    assert raw["step_ms"] is None
    assert raw["aggregate"] is None
    (columns,) = raw["series"]
    assert columns["value"] == [600, 700, 900]
    assert columns["quality"] == ["good", "stale", "good"]
    assert columns["count"] == [1, 1, 1]
    assert (columns["unit"], columns["label"]["zh"]) == ("ppm", "二氧化碳")

    windows = (await get(client, "/api/v1/series/query", id=columns["id"], step="1m", **span)).json()
    assert windows["aggregate"] == "mean"
    assert windows["series"][0]["time_ms"] == [start, start + 60_000]
    assert windows["series"][0]["value"] == [650, 900]
    assert windows["series"][0]["quality"] == ["stale", "good"]
    assert windows["series"][0]["count"] == [2, 1]

    doors = (await get(client, "/api/v1/series/query", quantity="open", **span)).json()
    assert doors["series"][0]["value"] == [True]
    mean = (await get(client, "/api/v1/series/query", quantity="open", step="1h", **span)).json()
    assert mean["series"][0]["value"] == [1.0]
    assert mean["series"][0]["value"][0] is not True


async def test_query_reads_times_with_zones_and_defaults_to_the_last_day(
    school: School, client: httpx.AsyncClient
) -> None:
    await school.add([reading("co2", 1, time_ms=NOW_MS - 90_000_000), reading("co2", 2, time_ms=NOW_MS)])
    answer = (await get(client, "/api/v1/series/query", id=1)).json()
    assert answer["series"][0]["value"] == [2]
    assert answer["end_ms"] - answer["start_ms"] == 86_400_000
    zoned = await get(client, "/api/v1/series/query", id=1, start="2026-08-31T00:00:00+08:00")
    assert zoned.json()["start"] == "2026-08-30T16:00:00.000Z"
    # curl users forget to encode the plus sign
    spaced = await client.get("/api/v1/series/query?id=1&start=2026-08-31T00:00:00+08:00")
    assert spaced.json()["start"] == "2026-08-30T16:00:00.000Z"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"id": 1, "start": "yesterday"}, "start"),
        ({"id": 1, "start": "2026-09-01T08:00:00"}, "start"),
        ({"id": 1, "end": "9" * 15}, "end"),
        ({"id": 1, "start": NOW_MS, "end": NOW_MS}, "end"),
        ({"id": 1, "step": "5 minutes"}, "step"),
        ({"id": 1, "step": "0s"}, "step"),
        ({"id": 1, "step": "1h", "aggregate": "median"}, "aggregate"),
        ({"id": 1, "aggregate": "max"}, "aggregate"),
        ({"id": 0}, "id"),
        ({"id": 2**63}, "id"),
        ({"id": "x"}, "id"),
        ({"id": list(range(1, 300))}, "id"),
        ({}, "id"),
        ({"id": 1, "device": "air-301"}, "id"),
        ({"id": 1, "stpe": "1h"}, "stpe"),
    ],
)
async def test_query_names_the_parameter_that_is_wrong(
    client: httpx.AsyncClient, parameters: dict[str, object], named: str
) -> None:
    problem = assert_problem(await get(client, "/api/v1/series/query", **parameters), 422)
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert errors[0]["parameter"] == named
    assert named in str(problem["detail"])


async def test_a_query_that_is_too_large_is_refused_with_a_remedy(
    school: School, client: httpx.AsyncClient
) -> None:
    await school.add([reading("co2", number, time_ms=NOW_MS - number) for number in range(100_000)])
    await school.add([reading("co2", 1, time_ms=NOW_MS - 200_000)])
    problem = assert_problem(await get(client, "/api/v1/series/query", id=1), 422)
    assert "时间间隔" in str(problem["remedy"])
    assert (await get(client, "/api/v1/series/query", id=1, step="1m")).status_code == 200


async def test_gateways(school: School, client: httpx.AsyncClient) -> None:
    school.add_gateway()
    school.add_gateway("gw-silent")
    school.records.revoke_gateway(SCHOOL, "gw-silent", NOW_MS)
    seen = school.overview.of(SCHOOL, GATEWAY)
    seen.last_data_ms, seen.status_ms, seen.readings_stored = NOW_MS - 1_000, NOW_MS - 500, 70
    seen.status = Status(
        1, SCHOOL, GATEWAY, NOW_MS - 600, ClockQuality.HOLDOVER, "0.1.0", NOW_MS - 60_000,
        3, 4_096, NOW_MS - 9_000, 100, 90, {"null_value": 2},
    )  # fmt: skip
    school.overview.refused("unknown_key")
    found = GatewayList.model_validate_json((await get(client, "/api/v1/gateways")).content)
    assert found.refused == {"unknown_key": 1}
    north, silent = found.items
    assert (north.last_data, north.readings_stored, north.state) == ("2026-09-01T00:01:01.500Z", 70, "active")
    assert north.status is not None
    assert (north.status.buffer.batches, north.status.buffer.bytes, north.status.clock) == (
        3,
        4_096,
        "holdover",
    )
    assert north.status.dropped == {"null_value": 2}
    assert (silent.state, silent.last_data, silent.status) == ("revoked", None, None)


async def test_alerts_pages_and_state_filter(school: School, client: httpx.AsyncClient) -> None:
    ids = [await school.add_alert(value=38 + number / 10) for number in range(5)]
    await client.post(f"/api/v1/alerts/{ids[0]}/acknowledge")
    opened = (await get(client, "/api/v1/alerts", state="open")).json()
    assert [item["id"] for item in opened["items"]] == ids[:0:-1]
    first = AlertPage.model_validate_json((await get(client, "/api/v1/alerts", limit=3)).content)
    second = (await get(client, "/api/v1/alerts", limit=3, cursor=first.next_cursor)).json()
    assert [item.id for item in first.items] + [item["id"] for item in second["items"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert_problem(await get(client, "/api/v1/alerts", cursor=str(NUMBER_MAX + 1)), 422)
    assert (first.items[0].value, first.items[0].unit, first.items[0].class_id) == (38.4, "Cel", "3-2")


async def test_the_first_acknowledgement_counts_and_is_signalled(
    school: School, client: httpx.AsyncClient
) -> None:
    alert = await school.add_alert()
    signals = school.hub.listen()
    listening = asyncio.ensure_future(anext(signals))
    await asyncio.sleep(0)
    first = await client.post(f"/api/v1/alerts/{alert}/acknowledge", data={"by": "nurse"})
    second = await client.post(f"/api/v1/alerts/{alert}/acknowledge", json={"by": "other"})
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.json()["acknowledged_by"] == "nurse"
    assert first.json()["state"] == "acknowledged"
    assert await listening == {"alerts"}
    await signals.aclose()  # type: ignore[attr-defined]  # an async generator behind AsyncIterator


async def test_acknowledging_without_a_body_is_by_the_console(
    school: School, client: httpx.AsyncClient
) -> None:
    alert = await school.add_alert()
    answer = await client.post(f"/api/v1/alerts/{alert}/acknowledge")
    assert answer.json()["acknowledged_by"] == "console"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"[1]", 422), (b'{"by": ""}', 422), (b'{"by": 7}', 422), (b'{"by": "a", "so": 1}', 422),
        (json.dumps({"by": "x" * 65}).encode(), 422), (b"\xff\xfe", 400), (b"[" * 9_000, 400),
        (b" " * 20_000, 413),
    ],
)  # fmt: skip
async def test_a_bad_acknowledgement_changes_nothing(
    school: School, client: httpx.AsyncClient, body: bytes, status: int
) -> None:
    alert = await school.add_alert()
    assert_problem(await client.post(f"/api/v1/alerts/{alert}/acknowledge", content=body), status)
    assert await school.records.count_open_alerts() == 1


async def test_a_body_that_hides_its_length_is_bounded_too(school: School, client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000

    alert = await school.add_alert()
    answer = await client.post(f"/api/v1/alerts/{alert}/acknowledge", content=endless())
    assert_problem(answer, 413)


@pytest.mark.parametrize("alert", ["1", str(NUMBER_MAX)])
async def test_an_unknown_alert_is_404(client: httpx.AsyncClient, alert: str) -> None:
    assert_problem(await client.post(f"/api/v1/alerts/{alert}/acknowledge"), 404)


@pytest.mark.parametrize("alert", ["0", "x", str(2**63)])
async def test_an_impossible_alert_is_422(client: httpx.AsyncClient, alert: str) -> None:
    assert_problem(await client.post(f"/api/v1/alerts/{alert}/acknowledge"), 422)


async def test_health_by_component(school: School, client: httpx.AsyncClient) -> None:
    well = await client.get("/healthz")
    assert (well.status_code, well.json()["status"]) == (200, "ok")
    school.health["series"] = "the disk is full"
    ill = await client.get("/healthz")
    assert ill.status_code == 503
    assert ill.json() == {"status": "trouble", "components": {"records": "ok", "series": "the disk is full"}}


async def test_metrics(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "example_batches_total 3.0" in answer.text


async def test_wrong_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/api/v1/nothing"), 404)
    assert_problem(await client.get("/static/../app.py"), 404)
    assert_problem(await client.delete("/api/v1/series"), 405)
    assert (await client.delete("/api/v1/series")).headers["allow"] == "GET"


async def test_a_store_that_is_away_is_503(school: School, client: httpx.AsyncClient) -> None:
    await school.store.close()
    with pytest.raises(StoreUnavailableError):
        await school.store.query([1], 0, 1)
    answer = await get(client, "/api/v1/series/query", id=1)
    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "5"


async def test_a_fault_of_the_program_is_500_and_tells_nothing(
    school: School, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> dict[str, str]:
        raise RuntimeError("a secret of the inside")

    object.__setattr__(school.parts, "health", broken)
    answer = await client.get("/healthz")
    assert_problem(answer, 500)
    assert "secret" not in answer.text
    assert "web.fault" in "".join(capsys.readouterr())
