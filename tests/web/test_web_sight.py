"""What somebody must not learn by the way: of other schools, and of who is ill."""

from __future__ import annotations

import asyncio

import pytest

from collector.series.contract import BatchKey, SeriesBatch
from collector.web.api import parameters, series
from collector.web.labels import Labels
from telemetry.batch import Body
from telemetry.quality import ClockQuality, Quality
from telemetry.readings import SeriesKey
from telemetry.resolve_token import read
from tests.accounts.accounts_bench import Bench
from tests.collector.conftest import eventually
from tests.web.conftest import GATEWAY, NOW_MS, SCHOOL, School
from tests.web.signing_parts import browser, enter, with_accounts
from tests.web.test_web_tokens import KEY, VAULT, names

OTHER_SCHOOL = "example-middle"
MANY = 2_500
"""Points of one series, so that a step of `auto` is a window's."""


@pytest.fixture
def bench(school: School) -> Bench:
    return with_accounts(school)


async def fill(school: School, of: str, device: str, points: int) -> None:
    body = Body(
        [SeriesKey("co2", device, "teaching-1/301", "")],
        [points],
        [NOW_MS - 1_000 * at for at in range(points)],
        [500.0] * points,
        [int(Quality.GOOD)] * points,
        [],
    )
    key = BatchKey(of, GATEWAY, "bulk", device, 1)
    await (await school.store.append([SeriesBatch(key, ClockQuality.SYNCED, body)]))


async def test_how_much_another_school_measures_is_not_told_by_the_step(school: School, bench: Bench) -> None:
    await fill(school, OTHER_SCHOOL, "air-1", MANY)
    await fill(school, SCHOOL, "air-2", MANY)
    async with browser(school) as client:
        await enter(bench, client, "facilities", schools=(SCHOOL,))
        asked = [
            (await client.get("/api/v1/series/query", params={"id": id_, "step": "auto"})).json()
            for id_ in (1, 2, 3)
        ]
    assert [one["step_ms"] for one in asked] == [None, 60_000, None]
    assert [len(one["series"]) for one in asked] == [0, 1, 0]


async def test_a_class_that_another_school_numbers_alike_is_nobody_elses(
    school: School, bench: Bench
) -> None:
    """Every way in which a class teacher of 3-2 here could learn of 3-2 there."""
    school.change(names=names())
    own, other = await school.add_alert(), await school.add_alert(school=OTHER_SCHOOL, pseudonym="X" * 26)
    async with browser(school) as client:
        await enter(bench, client, "class_teacher", classes=("3-2",))
        found = (await client.get("/api/v1/alerts")).json()["items"]
        assert [(one["id"], one["school"]) for one in found] == [(own, SCHOOL)]
        page = (await client.get("/")).text
        assert f'data-alert="{own}"' in page
        assert f'data-alert="{other}"' not in page
        wish = {"purpose": "health"}
        assert (await client.post("/api/v1/resolve-token", json=wish)).status_code == 200
    async with browser(school) as client:
        made = (await bench.add("wang", "class_teacher", classes=(f"{OTHER_SCHOOL}/3-2",))).secret
        client.cookies.set("session", made)
        found = (await client.get("/api/v1/alerts")).json()["items"]
        assert [one["school"] for one in found] == [OTHER_SCHOOL]
        token = (await client.post("/api/v1/resolve-token", json=wish)).json()["token"]
        claims = read(token, KEY.public_key(), NOW_MS)
        assert claims.classes == (), "none of the vault's school"
    async with browser(school) as client:
        await enter(bench, client, "nurse", schools=(OTHER_SCHOOL,))
        refused = await client.post("/api/v1/resolve-token", json=wish)
        assert refused.status_code == 403
        assert VAULT not in (await client.get("/")).text


async def test_each_school_calls_its_classes_as_it_likes() -> None:
    labels = Labels(
        classes={"3-2": ("三（2）班", "3-2"), f"{OTHER_SCHOOL}/3-2": ("初三2班", "9-2")},
        vault_classes={"4-1": ("四（1）班", "4-1")},
        vault_school=SCHOOL,
    )
    found = [labels.class_(one, "3-2") for one in (SCHOOL, OTHER_SCHOOL)]
    assert found == [("三（2）班", "3-2"), ("初三2班", "9-2")]
    assert labels.class_(SCHOOL, "4-1") == ("四（1）班", "4-1")
    assert labels.class_(OTHER_SCHOOL, "4-1") is None


@pytest.mark.parametrize("kind", ["csv", "senml", "parquet"])
async def test_filters_of_an_export_count_the_own_schools_series(
    school: School, bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(series, "SERIES_MAX", 2)
    for number in range(3):
        await fill(school, OTHER_SCHOOL, f"air-{number}", 1)
    await fill(school, SCHOOL, "mine-1", 1)
    async with browser(school) as client:
        await enter(bench, client, "facilities", schools=(SCHOOL,))
        answer = await client.get(f"/api/v1/exports/series.{kind}", params={"quantity": "co2"})
        assert answer.status_code == 200, answer.text
        assert b"mine-1" in answer.content
        assert b"air-" not in answer.content
        foreign = await client.get(f"/api/v1/exports/series.{kind}", params={"id": 1})
        assert (foreign.status_code, b"air-" in foreign.content) == (200, False)
    assert parameters.SERIES_MAX > 2


async def test_who_acknowledges_reads_and_that_stands_in_the_audit(school: School, bench: Bench) -> None:
    """An alert that was acknowledged before is shown again to whoever does it again."""
    alert = await school.add_alert()
    async with browser(school) as client:
        await enter(bench, client, "nurse")
        for _ in range(2):
            answer = await client.post(f"/api/v1/alerts/{alert}/acknowledge")
            assert answer.json()["value"] == 38.2
    assert (await bench.actions()).count("read") == 1


async def test_signals_are_of_what_somebody_sees(school: School, bench: Bench) -> None:
    async with browser(school) as client:
        await enter(bench, client, "canteen")
        listening = asyncio.create_task(client.get("/api/v1/events"), name="listener")
        await eventually(lambda: school.app.state.streams.open == 1)
        school.hub.publish("gateways")
        school.hub.publish("series")
        await asyncio.sleep(0.1)
        school.parts.closing.set()
        heard = (await asyncio.wait_for(listening, 30)).text
    assert "event: series" in heard
    assert "event: gateways" not in heard


async def test_with_a_token_the_cookie_of_a_page_is_not_looked_at(school: School, bench: Bench) -> None:
    """Or a page of another site, whose request counts as a program's, would act for who is signed in."""
    headers = {"Authorization": "Bearer cp_no", "Origin": "http://elsewhere.example"}
    async with browser(school) as client:
        await enter(bench, client, "nurse")
        sent = {"name": "mine", "scope": "alerts.health"}
        assert (await client.post("/account/tokens", data=sent, headers=headers)).status_code == 303
        assert (await client.post("/sign-out", headers=headers)).status_code == 303
        assert (await client.get("/account")).status_code == 200
    assert "token_made" not in await bench.actions()
