"""Series as CSV, Parquet, SenML and NGSI-LD: every point once, piece by piece, for who may."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.accounts.principal import Principal
from collector.exports import ngsi_ld, parquet, senml
from collector.exports.reading import Wanted, pieces
from collector.series.contract import QueryTooLargeError, SeriesPoints
from collector.text import Text
from collector.web.labels import Labels
from telemetry.quality import Quality
from tests.web.conftest import ENGLISH, NOW_MS, School, reading

START_MS = NOW_MS - 600_000


async def fill(school: School) -> list[tuple[str, int, float]]:
    """Two series with 60 points each, one of them two of the same time; what was put in."""
    co2 = [reading("co2", 400 + n, time_ms=START_MS + n * 1_000) for n in range(60)]
    open_ = [reading("open", n % 2, device="door-1", time_ms=START_MS + n // 2 * 2_000) for n in range(60)]
    await school.add([*co2, *open_])
    return [(one.series.quantity, one.time_ms, one.value) for one in (*co2, *open_)]


def query(**more: object) -> dict[str, Any]:
    return {"place": "teaching-1/301", "start": str(START_MS), "end": str(NOW_MS), **more}


async def pages(client: httpx.AsyncClient, path: str, **more: object) -> list[Any]:
    """The documents of all pages, by the header Link."""
    answer = await client.get(path, params=query(**more))
    found = []
    while True:
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        if "next" not in answer.links:
            return found
        answer = await client.get(answer.links["next"]["url"])


async def test_csv_opens_in_a_spreadsheet_and_has_every_point(
    school: School, client: httpx.AsyncClient
) -> None:
    school.name(
        Labels(
            {"teaching-1": Text("一号教学楼", "Building 1"), "teaching-1/301": Text("301 教室", "Room 301")}
        )
    )
    client._transport = httpx.ASGITransport(app=school.app)
    put = await fill(school)
    answer = await client.get("/api/v1/exports/series.csv", params=query())
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="campus-series.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbftime,time_ms,")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert Counter((row["quantity"], int(row["time_ms"]), float(row["value"])) for row in rows) == Counter(
        put
    )
    first = rows[0]
    assert first["time"] == "2026-09-01T07:51:02.500+08:00"
    assert (first["place_name"], first["unit"], first["quality"]) == ("一号教学楼 · 301 教室", "ppm", "good")


async def test_parquet_has_the_same_points_with_types(
    school: School, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    put = await fill(school)
    answer = await client.get("/api/v1/exports/series.parquet", params=query())
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    file = tmp_path / "points.parquet"
    file.write_bytes(answer.content)
    with duckdb.connect() as connection:
        sql = f"SELECT quantity, epoch_ms(time), value, quality, count FROM '{file}'"
        rows = connection.execute(sql).fetchall()
        types = dict(
            connection.execute(
                f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{file}')"
            ).fetchall()
        )
    assert Counter(row[:3] for row in rows) == Counter(put)
    assert {row[3:] for row in rows} == {("good", 1)}
    assert (types["time"], types["value"], types["place"]) == ("TIMESTAMP", "DOUBLE", "VARCHAR")


async def test_windows_are_exported_as_the_query_gives_them(
    school: School, client: httpx.AsyncClient
) -> None:
    await fill(school)
    answer = await client.get(
        "/api/v1/exports/series.csv", params=query(step="10s", aggregate="max", quantity="co2")
    )
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    asked = (
        await client.get("/api/v1/series/query", params=query(step="10s", aggregate="max", quantity="co2"))
    ).json()["series"][0]
    assert [int(row["time_ms"]) for row in rows] == asked["time_ms"]
    assert [float(row["value"]) for row in rows] == asked["value"]
    assert [int(row["count"]) for row in rows] == asked["count"]


@pytest.mark.parametrize("limit", [1, 7, 59, 60, 61, 1_000])
async def test_senml_pages_have_every_point_once(
    school: School, client: httpx.AsyncClient, limit: int
) -> None:
    put = await fill(school)
    found = []
    for pack in await pages(client, "/api/v1/exports/series.senml", limit=limit):
        name, time_s = "", 0.0
        assert pack[0]["bver"] == 10
        for record in pack:
            name, time_s = record.get("bn", name), record.get("bt", time_s)
            assert name in {"example-primary:gw-north:air-301:", "example-primary:gw-north:door-1:"}
            value = record["vb"] if "vb" in record else record["v"]
            assert record.get("u") == ("ppm" if record["n"] == "co2" else None)
            found.append((record["n"], round((time_s + record["t"]) * 1_000), float(value)))
    assert Counter(found) == Counter(put)


def test_senml_names_have_only_signs_that_names_may_have() -> None:
    assert senml.name("s", "gw_1", "空气 301") == "s:gw_5f_1:_7a7a__6c14__20_301:"


@given(st.text(max_size=20), st.text(max_size=20))
def test_senml_names_of_two_devices_are_two(first: str, second: str) -> None:
    made = senml.name("s", "g", first)
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-:./_")
    assert (made == senml.name("s", "g", second)) == (first == second)


async def test_rooms_are_entities_with_their_latest_values(school: School, client: httpx.AsyncClient) -> None:
    await school.add([
        reading("co2", 800, time_ms=NOW_MS - 9_000), reading("co2", 812), reading("co2", 820, device="air-302"),
        reading("relative_humidity", 41), reading("open", 1, device="door-1", quality=Quality.STALE),
        reading("pm2_5", 12, place="gym/hall"),
    ])  # fmt: skip
    answer = await client.get("/api/v1/exports/rooms.ngsi-ld")
    assert answer.headers["content-type"] == "application/ld+json"
    room, hall = answer.json()
    assert room["id"] == "urn:ngsi-ld:IndoorEnvironmentObserved:example-primary:teaching-1%2F301"
    assert (room["type"], room["@context"]) == (ngsi_ld.TYPE, ngsi_ld.CONTEXT)
    assert sorted(one["value"] for one in room["co2"]) == [812, 820]
    assert len({one["datasetId"] for one in room["co2"]}) == 2
    assert room["relativeHumidity"]["unitCode"] == "P1"
    assert room["open"]["value"] is True
    assert room["open"]["quality"] == {"type": "Property", "value": "stale"}
    assert room["dateObserved"]["value"]["@value"] == "2026-09-01T00:00:59.500Z"
    assert hall["pm25"]["value"] == 12
    answer = await client.get("/api/v1/exports/rooms.ngsi-ld", params={"limit": 2})
    assert len(answer.json()) == 1
    assert answer.links["next"]["url"].endswith("cursor=2")


@pytest.mark.parametrize(
    ("path", "more", "words"),
    [
        ("series.csv", {"start": "yesterday"}, "start: not an ISO 8601 time"),
        ("series.csv", {"aggregate": "max"}, "aggregate: needs a step"),
        ("series.csv", {"start": "0", "end": str(NOW_MS)}, "start: lies more than 400 days before end"),
        ("series.parquet", {"end": "1"}, "end: must lie after start"),
        ("series.senml", {"cursor": "7"}, "cursor: not a cursor that this server has given"),
        ("series.senml", {"limit": "0"}, "limit"),
        ("rooms.ngsi-ld", {"quality": "good"}, "quality"),
    ],
)
async def test_what_cannot_be_exported_is_told(
    client: httpx.AsyncClient, path: str, more: dict[str, str], words: str
) -> None:
    asked = more if path == "rooms.ngsi-ld" else query(**more)
    answer = await client.get(f"/api/v1/exports/{path}", params=asked, headers=ENGLISH)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


async def test_only_those_who_may_and_only_their_schools(school: School, client: httpx.AsyncClient) -> None:
    put = await fill(school)
    asker: Principal | None = None

    async def identify(_: object) -> Principal | None:
        return asker

    school.app.state.identify = identify
    path = "/api/v1/exports/series.csv"
    assert (await client.get(path, params=query())).status_code == 401
    asker = Principal.of_role("tester-canteen", "canteen")
    assert (await client.get(path, params=query())).status_code == 403
    asker = Principal(
        "tester", "facilities", frozenset({"exports.series"}), schools=frozenset({"other-school"})
    )
    assert (await client.get(path, params=query())).text.count("\n") == 1
    assert (await client.get("/api/v1/exports/series.senml", params=query())).json() == []
    assert (await client.get("/api/v1/exports/rooms.ngsi-ld")).json() == []
    asker = Principal.of_role("tester", "facilities")
    assert (await client.get(path, params=query())).text.count("\n") == 1 + len(put)


async def test_a_third_large_export_waits_for_its_turn(school: School, client: httpx.AsyncClient) -> None:
    await fill(school)
    turns = school.app.state.exports
    with turns.one(), turns.one():
        answer = await client.get("/api/v1/exports/series.csv", params=query(), headers=ENGLISH)
        assert answer.status_code == 503
        assert "2 exports are running already" in answer.json()["detail"]
    assert (await client.get("/api/v1/exports/series.csv", params=query())).status_code == 200
    assert (await client.get("/api/v1/exports/series.parquet", params=query())).status_code == 200


class Narrow:
    """A store that answers with few points at a time, as `SeriesStore.query` promises to refuse more."""

    def __init__(self, school: School, points_max: int) -> None:
        self._store, self._points_max = school.store, points_max

    async def query(self, *wanted: Any, **how: Any) -> list[SeriesPoints]:
        found = await self._store.query(*wanted, **how)
        if sum(len(one.time_ms) for one in found) > self._points_max:
            raise QueryTooLargeError("too many")
        return found


@pytest.mark.parametrize("step_ms", [None, 7_000])
async def test_pieces_are_made_smaller_until_they_fit(school: School, step_ms: int | None) -> None:
    await fill(school)
    wanted = Wanted([1, 2, 99], START_MS + 1_500, NOW_MS, step_ms)
    whole = [piece async for piece in pieces(school.store, wanted)]
    small = [piece async for piece in pieces(Narrow(school, 4), wanted)]  # type: ignore[arg-type]
    assert len(small) > len(whole) == 2
    for one in whole:
        parts = [piece for piece in small if piece.series.id == one.series.id]
        assert [time for part in parts for time in part.time_ms] == one.time_ms
        assert [value for part in parts for value in part.value] == one.value
    with pytest.raises(QueryTooLargeError):
        [piece async for piece in pieces(Narrow(school, 0), wanted)]  # type: ignore[arg-type]


async def test_no_cell_becomes_a_formula(school: School, client: httpx.AsyncClient) -> None:
    for name in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1"):
        await school.add([reading("co2", 1, device=name)])
    answer = await client.get("/api/v1/exports/series.csv", params={"quantity": "co2"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["device"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1"]


async def test_too_many_rows_for_a_file_are_told(
    school: School, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(school)
    monkeypatch.setattr(parquet, "ROWS_MAX", 100)
    answer = await client.get("/api/v1/exports/series.parquet", params=query(), headers=ENGLISH)
    assert answer.status_code == 422
    assert "more than 100 points; ask for a shorter range" in answer.json()["detail"]
