"""Who may ask what: every route, every role; and what of the rows they see."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from collector.accounts.model import NewAccount
from collector.accounts.permissions import PERMISSIONS, ROLE_PERMISSIONS, ROLES, Permission, Role
from collector.accounts.principal import Principal
from collector.accounts.rates import RATES, Rate, Rates
from collector.records import Gateway, RecordsUnavailableError
from collector.vault.settings import VaultSection
from collector.web import events, observe
from collector.web.access import PUBLIC, allow, declared, undeclared
from collector.web.app import create_app
from collector.web.names import Names
from telemetry.quality import Quality
from telemetry.readings import Reading, SeriesKey
from telemetry.resolve_token import read
from tests.accounts.accounts_bench import HERE, Bench
from tests.collector.conftest import eventually
from tests.collector.record_databases import KEY
from tests.web.conftest import NOW_MS, SAFETY, SCHOOL, School, school
from tests.web.signing_parts import proxies

__all__ = ["school"]

OTHER_SCHOOL = "example-middle"
PUBLIC_PATHS = {"/healthz", "/sign-in", "/sign-out", "/account"}
"""Beginnings of what is open to everybody: signing in, and one's own account, which asks who one is itself."""


@pytest.fixture
def bench(school: School) -> Bench:
    bench = Bench(school.records)
    school.change(accounts=bench.accounts)
    return bench


def asking(school: School, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=school.app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


async def signed_in(bench: Bench, school: School, role: Any, **more: Any) -> httpx.AsyncClient:
    client = asking(school)
    if role == "admin":
        secret, _ = await bench.add_with_totp("somebody", role)
    else:
        secret = (await bench.add("somebody", role, **more)).secret
    client.cookies.set("session", secret)
    return client


async def token(bench: Bench, role: Any, *scopes: Permission) -> str:
    await bench.add("program", role)
    owner = await bench.accounts.staff.find("program")
    assert owner is not None
    return (await bench.accounts.tokens.make(owner.id, "s", scopes, 1, "program")).secret


def routes(school: School) -> list[tuple[str, str, tuple[Permission, ...]]]:
    """Method, path that can be asked, permissions: of every route."""
    return [
        (method, re.sub(r"\{[^}]*\}", "1", one.path), one.permissions)
        for one in declared(school.app)
        for method in one.methods
        if one.permissions is not None
    ]


def test_every_route_says_who_may_ask(school: School) -> None:
    assert undeclared(school.app, ["/api/v1/openapi.json", "/static"]) == []
    found = {one.path: one.permissions for one in declared(school.app)}
    assert {"/", "/metrics", "/api/v1/alerts", "/api/v1/events", "/parts/rooms"} <= found.keys()
    public = {path for path, permissions in found.items() if permissions == ()}
    assert {path for path in public if not path.startswith(tuple(PUBLIC_PATHS))} == set()
    assert {one for some in found.values() for one in some or ()} <= set(PERMISSIONS)


def test_a_route_that_says_nothing_is_not_served(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    app, router = FastAPI(openapi_url=None), APIRouter(prefix="/below")

    async def answer() -> str:
        return "anything"

    app.get("/forgotten")(answer)
    app.get("/public", dependencies=[PUBLIC])(answer)
    app.get("/guarded", dependencies=[allow("series.read")])(answer)
    router.get("/forgotten")(answer)
    app.include_router(router)
    assert undeclared(app, []) == ["/forgotten", "/below/forgotten"]
    monkeypatch.setattr(observe, "router", router)
    with pytest.raises(RuntimeError, match="neither a permission nor PUBLIC: /below/forgotten"):
        create_app(school.parts)


def test_the_description_of_the_api_says_how_to_ask(bench: Bench, school: School) -> None:
    document = school.app.openapi()
    assert document["security"] == [{"token": []}, {"session": []}]
    assert document["paths"]["/healthz"]["get"]["security"] == []
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert (operation.get("security") == []) == (path == "/healthz")
            assert path == "/healthz" or {"401", "403"} <= operation["responses"].keys(), path
    school.change(accounts=None)
    assert "security" not in school.app.openapi()
    del bench


async def test_nobody_we_know_gets_nothing_that_is_not_public(bench: Bench, school: School) -> None:
    async with asking(school) as client:
        for method, path, permissions in routes(school):
            status = (await client.request(method, path)).status_code
            assert (status == 401) == bool(permissions) or path.startswith(tuple(PUBLIC_PATHS)), path
    async with asking(school, Authorization="Bearer cp_" + "A" * 43) as client:
        assert (await client.get("/api/v1/series")).status_code == 401
    del bench


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_gets_what_it_may_and_nothing_else(role: Role, bench: Bench, school: School) -> None:
    async def identify(_: object) -> Principal:
        return Principal.of_role("somebody", role)

    school.app.state.identify = identify
    allowed = 0
    async with asking(school) as client:
        for method, path, permissions in routes(school):
            if not permissions or path == "/api/v1/events":
                continue
            may = any(one in ROLE_PERMISSIONS[role] for one in permissions)
            status = (await client.request(method, path)).status_code
            assert (status != 403) == may or (path, status) == ("/api/v1/resolve-token", 403), (path, status)
            allowed += may
    assert (allowed == 0) == (role == "district")
    del bench


async def test_a_nurse_sees_health_of_the_own_school_only(bench: Bench, school: School) -> None:
    mine = await school.add_alert()
    theirs = await school.add_alert(school=OTHER_SCHOOL)
    smoke = await school.add_alert(kind="smoke", **SAFETY)
    async with await signed_in(bench, school, "nurse", schools=(SCHOOL,)) as client:
        found = (await client.get("/api/v1/alerts")).json()["items"]
        assert [one["id"] for one in found] == [smoke, mine]
        assert found[1]["value"] == 38.2
        assert (await client.post(f"/api/v1/alerts/{theirs}/acknowledge")).status_code == 404
        answer = await client.post(f"/api/v1/alerts/{mine}/acknowledge", json={"by": "somebody else"})
        assert answer.json()["acknowledged_by"] == "somebody"
        page = (await client.get("/")).text
        assert f'id="alert-{smoke}"' in page
        assert f'id="alert-{theirs}"' not in page
    assert await school.records.count_open_alerts() == 2


async def test_a_class_teacher_sees_that_there_is_something_and_no_temperature(
    bench: Bench, school: School
) -> None:
    own, _other = await school.add_alert(class_id="3-2"), await school.add_alert(class_id="4-1")
    await school.add_alert(class_id=None, pseudonym=None)
    async with await signed_in(bench, school, "class_teacher", classes=("3-2",)) as client:
        (found,) = (await client.get("/api/v1/alerts")).json()["items"]
        assert (found["id"], found["kind"], found["class_id"]) == (own, "fever", "3-2")
        assert (found["value"], found["limit"], found["site"]) == (None, None, None)
        for path in ("/", "/parts/alerts"):
            page = (await client.get(path)).text
            assert f'id="alert-{own}"' in page
            assert 'data-open-alerts="1"' in page
            assert "38.2" not in page
            assert "37.3" not in page
            assert "acknowledge" not in page
        assert (await client.post(f"/api/v1/alerts/{own}/acknowledge")).status_code == 403


@pytest.mark.parametrize("role", ["class_teacher", "facilities", "admin", "canteen", "pe_teacher"])
async def test_who_has_no_class_and_is_no_nurse_sees_nobodys_health(
    bench: Bench, school: School, role: str
) -> None:
    await school.add_alert()
    await school.add_alert(kind="of a plug-in that is gone")
    smoke = await school.add_alert(kind="smoke", **SAFETY)
    async with await signed_in(bench, school, role) as client:
        assert [one["id"] for one in (await client.get("/api/v1/alerts")).json()["items"]] == [smoke]
        page = (await client.get("/")).text
        assert "38.2" not in page
        assert 'data-open-alerts="1"' in page


async def test_series_and_gateways_are_those_of_the_own_school(bench: Bench, school: School) -> None:
    await school.add(
        [
            Reading(
                SeriesKey("co2", "air-301", "teaching-1/301", "json/environment"), NOW_MS, 600.0, Quality.GOOD
            )
        ]
    )
    school.add_gateway()
    school.records.add_gateway(Gateway(OTHER_SCHOOL, "gw-x", "cHVibGlj", "k" * 16, "active", NOW_MS))
    for schools, seen in (((SCHOOL,), True), ((OTHER_SCHOOL,), False)):
        username = "a" if seen else "b"
        secret = (await bench.add(username, "facilities", schools=schools)).secret
        async with asking(school) as client:
            client.cookies.set("session", secret)
            series = (await client.get("/api/v1/series")).json()["items"]
            assert bool(series) == seen
            points = await client.get("/api/v1/series/query", params={"id": 1})
            assert bool(points.json()["series"]) == seen
            points = await client.get("/api/v1/series/query", params={"quantity": "co2"})
            assert bool(points.json()["series"]) == seen
            gateways = (await client.get("/api/v1/gateways")).json()["items"]
            assert [one["id"] for one in gateways] == (["gw-north"] if seen else ["gw-x"])
            assert ("air-301" in (await client.get("/parts/rooms")).text) == seen


async def test_a_token_asks_from_anywhere_and_a_cookie_from_here_only(bench: Bench, school: School) -> None:
    alert = await school.add_alert()
    secret = await token(bench, "nurse", "alerts.health", "alerts.acknowledge")
    path, elsewhere = f"/api/v1/alerts/{alert}/acknowledge", {"Origin": "http://elsewhere.example"}
    async with asking(school, Authorization=f"Bearer {secret}", **elsewhere) as client:
        assert (await client.get("/api/v1/series")).status_code == 403
        assert (await client.post(path)).json()["acknowledged_by"] == "program"
    async with await signed_in(bench, school, "nurse") as client:
        assert (await client.post(path, headers=elsewhere)).status_code == 403
        assert (await client.post(path)).status_code == 200
        # A token that is none is nobody's, whatever cookie comes with it.
        for other in ("Bearer cp_no", f"Basic {secret}", "Bearer"):
            answer = await client.get("/api/v1/alerts", headers={"Authorization": other})
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_whoever_is_not_done_signing_in_is_nobody_yet(bench: Bench, school: School) -> None:
    first = await bench.accounts.staff.add(NewAccount("li", "示例", "nurse"), "test")
    begun = await bench.accounts.sign_in("li", first, HERE)
    async with asking(school) as client:
        client.cookies.set("session", begun.secret)
        assert (await client.get("/api/v1/alerts")).status_code == 401


async def test_signed_out_or_disabled_is_nobody_at_once(bench: Bench, school: School) -> None:
    async with await signed_in(bench, school, "nurse") as client:
        assert (await client.get("/api/v1/alerts")).status_code == 200
        await bench.accounts.staff.disable("somebody", "wang")
        assert (await client.get("/api/v1/alerts")).status_code == 401
        await bench.accounts.staff.enable("somebody", "wang")
        assert (await client.get("/api/v1/alerts")).status_code == 401, "a session that ended stays so"


async def test_a_forgotten_tab_keeps_nobody_signed_in(bench: Bench, school: School) -> None:
    by_script, by_hand = {"Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Mode": "navigate"}
    async with await signed_in(bench, school, "admin") as client:
        for _ in range(3):
            bench.go_on(20)
            assert (await client.get("/", headers=by_hand)).status_code == 200
        for minutes, status in ((20, 200), (20, 401)):
            bench.go_on(minutes)
            assert (await client.get("/parts/rooms", headers=by_script)).status_code == status


async def test_signals_end_with_the_session(
    bench: Bench, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.01)
    async with await signed_in(bench, school, "nurse") as client:
        listening = asyncio.create_task(client.get("/api/v1/events"), name="listener")
        await eventually(lambda: school.app.state.streams.open == 1)
        await bench.accounts.staff.disable("somebody", "wang")
        heard = await asyncio.wait_for(listening, 30)
    assert heard.text.startswith("retry: 2000")
    assert school.app.state.streams.open == 0


async def test_the_metrics_need_a_token_and_strangers_hear_only_whether_all_is_well(
    bench: Bench, school: School
) -> None:
    school.health["records"] = "the disk is full"
    secret = await token(bench, "facilities", "operation.read")
    async with asking(school) as stranger, asking(school, Authorization=f"Bearer {secret}") as prometheus:
        assert (await stranger.get("/metrics")).status_code == 401
        assert "example_batches" in (await prometheus.get("/metrics")).text
        told = await stranger.get("/healthz")
        assert (told.status_code, told.json()) == (503, {"status": "trouble", "components": {}})
        assert (await prometheus.get("/healthz")).json()["components"]["records"] == "the disk is full"


async def test_whoever_asks_too_often_waits(school: School) -> None:
    now_s = 0.0
    few = {**RATES, "api": Rate(3, 60), "stranger": Rate(2, 60)}
    bench = Bench(school.records, Rates(lambda: now_s, few))
    school.change(accounts=bench.accounts)
    secret = await token(bench, "nurse", "alerts.health")
    async with asking(school, Authorization=f"Bearer {secret}") as client, asking(school) as stranger:
        statuses = [(await client.get("/api/v1/alerts")).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        answer = await client.get("/api/v1/alerts")
        assert answer.headers["content-type"] == "application/problem+json"
        now_s += int(answer.headers["retry-after"])
        assert (await client.get("/api/v1/alerts")).status_code == 200
        assert [(await stranger.get("/api/v1/alerts")).status_code for _ in range(3)] == [401, 401, 429]


@pytest.mark.parametrize("behind_proxy", [True, False])
async def test_behind_a_proxy_the_address_is_the_last_it_names(school: School, *, behind_proxy: bool) -> None:
    few = {**RATES, "stranger": Rate(1, 60)}
    bench = Bench(school.records, Rates(lambda: 0.0, few))
    school.change(accounts=bench.accounts, proxies=proxies("127.0.0.1") if behind_proxy else None)
    async with asking(school) as client:
        named = ["10.0.0.1", "10.9.9.9, 10.0.0.2", "10.8.8.8, 10.0.0.1"]
        statuses = [
            (await client.get("/api/v1/series", headers={"X-Forwarded-For": one})).status_code
            for one in named
        ]
    assert statuses == ([401, 401, 429] if behind_proxy else [401, 429, 429])


async def test_who_reads_of_somebodys_health_stands_in_the_audit_once(bench: Bench, school: School) -> None:
    await school.add_alert()
    async with await signed_in(bench, school, "nurse") as client:
        for path in ("/", "/parts/alerts", "/api/v1/alerts", "/api/v1/alerts?state=open"):
            assert (await client.get(path)).status_code == 200
    rows = [one for one in await bench.accounts.trail.find() if one.action == "read"]
    assert [(one.actor, one.subject) for one in rows] == [("somebody", "alerts.health")]
    assert (await bench.accounts.trail.verify()).problems == []


async def test_on_a_full_disk_a_nurse_still_sees_a_fever(
    bench: Bench, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = await school.add_alert()
    secret = await token(bench, "nurse", "alerts.health")

    async def fail(_: object) -> None:
        raise RecordsUnavailableError("database or disk is full")

    async with await signed_in(bench, school, "nurse") as client:
        monkeypatch.setattr(school.records, "run", fail)
        bench.go_on(5)
        for headers in ({}, {"Authorization": f"Bearer {secret}"}):
            answer = await client.get("/api/v1/alerts", headers=headers)
            assert [one["id"] for one in answer.json()["items"]] == [alert]
        assert (await client.post(f"/api/v1/alerts/{alert}/acknowledge")).status_code == 503
        monkeypatch.undo()
        assert (await client.get("/api/v1/alerts")).status_code == 200
    assert (await bench.actions())[-1] == "read", "noted with the next reading"


async def test_names_are_asked_in_the_own_role_and_for_the_own_classes(bench: Bench, school: School) -> None:

    vault = VaultSection(school=SCHOOL, url="https://vault.example", public_key="A" * 43 + "=", role="nurse")
    school.change(names=Names(vault, KEY, lambda: None))
    async with await signed_in(bench, school, "class_teacher", classes=("3-2",)) as client:
        assert (await client.post("/api/v1/resolve-token", json={"purpose": "sport"})).status_code == 403
        answers = [await client.post("/api/v1/resolve-token", json={"purpose": "health"}) for _ in range(2)]
    first, second = [read(one.json()["token"], KEY.public_key(), NOW_MS) for one in answers]
    assert (first.role, first.classes) == ("class_teacher", ("3-2",))
    assert first.session == second.session, "the vault counts by signing-in"
    assert "set-cookie" not in answers[0].headers
