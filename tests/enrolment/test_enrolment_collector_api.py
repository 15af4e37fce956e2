"""The API of invitations, certificates and revocation: what is told once, to whom, and what is noted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Request

from collector.accounts.permissions import Role
from collector.accounts.principal import Principal
from collector.accounts.trail import Trail
from collector.enrolment.authority import Authority
from collector.enrolment.issuing import Directions
from collector.enrolment.registrar import Registrar
from collector.records import enrolment
from telemetry.enrolment import CODE_LIFE_MS, Answer, Sealed, decode, parse_code
from telemetry.envelope import Signer
from tests.enrolment.enrolling import GATEWAY, URL, Box
from tests.web.conftest import NOW_MS, SCHOOL, School

WHERE = f"/api/v1/gateways/{SCHOOL}/{GATEWAY}"
ORIGIN = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def school(tmp_path: Path) -> AsyncIterator[School]:
    school = await School.open(tmp_path, lambda: NOW_MS)
    key = Ed25519PrivateKey.generate()
    audit = Trail(school.records, key, lambda: NOW_MS).add
    authority = Authority.open(tmp_path / "authority", NOW_MS)
    school.change(registrar=Registrar(authority, Signer(key), Directions(URL), audit))
    yield school
    await school.close()


def asked_by(school: School, role: Role, schools: frozenset[str] | None = None) -> httpx.AsyncClient:
    async def identify(_: Request) -> Principal:
        return replace(Principal.of_role("somebody", role), schools=schools)

    school.app.state.identify = identify
    transport = httpx.ASGITransport(app=school.app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=ORIGIN)


async def enrol(school: School, code: str) -> Answer:
    registrar = school.parts.registrar
    assert registrar is not None
    question = Box().question(code, b"")
    found = await school.records.run(
        lambda connection: registrar.enrol(connection, question, b"", "192.0.2.1", NOW_MS)
    )
    assert isinstance(found, bytes)
    return decode(decode(found, Sealed).answer, Answer)


async def test_a_gateway_is_invited_enrols_and_is_revoked(school: School) -> None:
    async with asked_by(school, "admin") as client:
        made = await client.post(f"{WHERE}/invitations")
        assert made.status_code == 201, made.text
        assert made.headers["cache-control"] == "no-store"
        told = made.json()
        assert parse_code(told["code"]) == told["code"]
        assert told["expires_ms"] == NOW_MS + CODE_LIFE_MS
        assert told["command"] == f"campus gateway enrol {URL} --code {told['code']}"
        answer = await enrol(school, told["code"])
        certificates = (await client.get(f"{WHERE}/certificates")).json()["items"]
        assert [one["ends_ms"] for one in certificates] == [answer.not_after_ms]
        listed = (await client.get("/api/v1/gateways")).json()["items"]
        assert [one["certificate_ends_ms"] for one in listed] == [answer.not_after_ms]
        again = await client.post(f"{WHERE}/invitations")
        assert again.status_code == 409
        assert "已经注册" in again.json()["detail"]
        assert again.json()["type"] == "urn:campus-pulse:problem:invitation-refused"
        replacing = await client.post(f"{WHERE}/invitations", params={"replace": True})
        assert replacing.status_code == 201
        assert (await client.delete(WHERE)).status_code == 204
        assert (await client.delete(WHERE)).status_code == 404
        listed = (await client.get("/api/v1/gateways")).json()["items"]
        assert [(one["state"], one["certificate_ends_ms"]) for one in listed] == [("revoked", None)]
        assert (await client.get(f"{WHERE}/certificates")).json() == {"items": []}
    notes = await Trail(school.records, Ed25519PrivateKey.generate(), lambda: NOW_MS).find()
    assert [(one.actor, one.action) for one in reversed(notes)] == [
        ("somebody", "gateway.invite"), ("somebody", "gateway.enrol"), ("somebody", "gateway.invite"),
        ("somebody", "gateway.revoke"),
    ]  # fmt: skip
    assert told["code"] not in repr(notes)
    registrar = school.parts.registrar
    assert registrar is not None
    revoked = await school.records.look(lambda connection: enrolment.revoked(connection, NOW_MS))
    assert len(revoked) == 1
    assert not registrar.authority.crl_is_due(revoked, NOW_MS)


async def test_only_who_manages_gateways_and_only_of_their_schools(school: School) -> None:
    for role in ("facilities", "nurse", "class_teacher", "district"):
        async with asked_by(school, role) as client:
            assert (await client.post(f"{WHERE}/invitations")).status_code == 403
            assert (await client.delete(WHERE)).status_code == 403
    async with asked_by(school, "admin", frozenset({"other-school"})) as client:
        assert (await client.post(f"{WHERE}/invitations")).status_code == 404
        assert (await client.delete(WHERE)).status_code == 404
        assert (await client.get(f"{WHERE}/certificates")).status_code == 404
    rows = await school.records.look(lambda connection: enrolment.current_invitations(connection, NOW_MS))
    assert rows == []


async def test_another_page_cannot_have_a_browser_do_it(school: School) -> None:
    async with asked_by(school, "admin") as client:
        client.headers["Origin"] = "https://elsewhere.example"
        client.headers["Sec-Fetch-Site"] = "cross-site"
        assert (await client.post(f"{WHERE}/invitations")).status_code == 403
        assert (await client.delete(WHERE)).status_code == 403


async def test_the_page_shows_a_code_once_and_revokes_after_asking(school: School) -> None:
    form = {"school": SCHOOL, "gateway": GATEWAY}
    async with asked_by(school, "admin") as client:
        assert "生成注册码" in (await client.get("/fleet/invite")).text
        page = await client.post("/fleet/invite", data=form)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        [code] = re.findall(r"<code>([A-Z2-9]{4}-[A-Z2-9]{4})</code>", page.text)
        assert f"campus gateway enrol {URL} --code {code}" in page.text
        await enrol(school, code)
        again = await client.post("/fleet/invite", data=form)
        assert again.status_code == 422
        assert "已经注册" in again.text
        assert f'value="{GATEWAY}"' in again.text, "what was typed stays"
        assert (await client.post("/fleet/invite", data=form | {"replace": "yes"})).status_code == 200
        bad = await client.post("/fleet/invite", data=form | {"gateway": '"><b>'}, params={"lang": "en"})
        assert bad.status_code == 422
        assert '"><b>' not in bad.text
        assert "/fleet/invite" in (await client.get("/fleet")).text
        page = await client.get(f"/fleet/{SCHOOL}/{GATEWAY}")
        assert f'href="/fleet/{SCHOOL}/{GATEWAY}/revoke"' in page.text
        assert "checked" in (await client.get(f"/fleet/invite?gateway={GATEWAY}&replace=true")).text
        asked = await client.get(f"/fleet/{SCHOOL}/{GATEWAY}/revoke")
        assert "确定吊销" in asked.text
        assert [one.state for one in await school.records.gateways()] == ["active"]
        done = await client.post(f"/fleet/{SCHOOL}/{GATEWAY}/revoke")
        assert (done.status_code, done.headers["location"]) == (303, f"/fleet/{SCHOOL}/{GATEWAY}")
        assert [one.state for one in await school.records.gateways()] == ["revoked"]
        assert (await client.get(f"/fleet/{SCHOOL}/{GATEWAY}/revoke")).status_code == 404
    async with asked_by(school, "admin", frozenset({"other-school"})) as client:
        assert (await client.post("/fleet/invite", data=form)).status_code == 422
        assert (await client.post(f"/fleet/{SCHOOL}/{GATEWAY}/revoke")).status_code == 404
    async with asked_by(school, "facilities") as client:
        assert (await client.get("/fleet/invite")).status_code == 403
        assert "/fleet/invite" not in (await client.get("/fleet")).text
    school.change(registrar=None)
    async with asked_by(school, "admin") as client:
        assert "[enrolment]" in (await client.get("/fleet/invite")).text


async def test_ids_are_looked_at_and_without_enrolment_it_is_said(school: School) -> None:
    async with asked_by(school, "admin") as client:
        for path in (
            f"/api/v1/gateways/{SCHOOL}/GW/invitations",
            f"/api/v1/gateways/x.y/{GATEWAY}/invitations",
        ):
            assert (await client.post(path)).status_code == 422
        long = f"/api/v1/gateways/{'s' * 40}/{'g' * 40}/invitations"
        assert (await client.post(long)).status_code == 409
        assert (await client.get(f"{WHERE}/certificates")).status_code == 404
    school.change(registrar=None)
    school.add_gateway(GATEWAY)
    async with asked_by(school, "admin") as client:
        answer = await client.post(f"{WHERE}/invitations")
        assert answer.status_code == 409
        assert "[enrolment]" in answer.json()["remedy"]
        assert (await client.delete(WHERE)).status_code == 204
