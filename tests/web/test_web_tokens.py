"""The token for the vault, and the policy that lets the page's script ask there and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.vault.settings import ROLE_BREAK_GLASS, ROLE_PURPOSES, VaultSection
from collector.web.names import Names
from foundation.keyfiles import public_text
from identity_vault.names.roles import default_roles
from telemetry.purposes import PURPOSE_NAMES
from telemetry.resolve_token import LIFE_MS_MAX, TokenError, read
from tests.web.conftest import NOW_MS, SCHOOL, School

VAULT = "https://vault.example.edu.cn:8430"
KEY = Ed25519PrivateKey.generate()
PATH = "/api/v1/resolve-token"


def names(**changes: Any) -> Names:
    section = VaultSection(school=SCHOOL, url=VAULT, public_key=public_text(KEY.public_key()), **changes)
    return Names(section, KEY, lambda: None)


def ask(school: School, base_url: str = "http://localhost", **parts: Any) -> httpx.AsyncClient:
    school.change(**parts)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=school.app), base_url=base_url)


@pytest.fixture
async def console(school: School) -> AsyncIterator[httpx.AsyncClient]:
    async with ask(school, names=names(classes=("3-2",))) as client:
        yield client


async def test_a_token_says_who_may_ask_for_what(console: httpx.AsyncClient) -> None:
    answer = await console.post(PATH, json={"purpose": "health"})
    assert answer.status_code == 200
    assert answer.json()["expires_in_s"] == 300
    claims = read(answer.json()["token"], KEY.public_key(), NOW_MS)
    assert (claims.school, claims.role, claims.purpose, claims.classes) == (
        SCHOOL,
        "nurse",
        "health",
        ("3-2",),
    )
    assert claims.expires_ms - claims.issued_ms == LIFE_MS_MAX
    with pytest.raises(TokenError, match="expired"):
        read(answer.json()["token"], KEY.public_key(), NOW_MS + LIFE_MS_MAX)


async def test_a_session_is_a_browsers_and_no_scripts(console: httpx.AsyncClient) -> None:
    first = await console.post(PATH, json={"purpose": "health"})
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    again = await console.post(PATH, json={"purpose": "safety"})
    assert "set-cookie" not in again.headers
    sessions = {read(one.json()["token"], KEY.public_key(), NOW_MS).session for one in (first, again)}
    assert len(sessions) == 1
    assert sessions == {console.cookies["session"]}
    for forged in ("x", "a" * 2_000, "示例".encode().hex()):
        console.cookies.set("session", forged)
        answer = await console.post(PATH, json={"purpose": "health"})
        assert read(answer.json()["token"], KEY.public_key(), NOW_MS).session != forged
        console.cookies.clear()


async def test_over_tls_the_session_stays_there(school: School) -> None:
    async with ask(school, "https://localhost", names=names()) as client:
        assert "Secure" in (await client.post(PATH, json={"purpose": "health"})).headers["set-cookie"]


async def test_a_role_has_its_purposes(school: School) -> None:
    for role, purposes in ROLE_PURPOSES.items():
        async with ask(school, names=names(role=role)) as client:
            for purpose in PURPOSE_NAMES:
                answer = await client.post(PATH, json={"purpose": purpose})
                expected = {
                    (True, False): "none",
                    (True, True): "possible",
                    (False, True): "required",
                    (False, False): None,
                }[purpose in purposes, purpose in ROLE_BREAK_GLASS[role]]
                assert answer.status_code == (403 if expected is None else 200), (role, purpose)
                assert answer.json().get("break_glass") == expected


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"purpose": "curiosity"}}, 422),
        ({"json": {"purpose": "health", "role": "head"}}, 422),
        ({"json": []}, 422),
        ({"content": b"{"}, 422),
        ({}, 422),
        ({"content": b"x" * 20_000}, 413),
        ({"json": {"purpose": "health"}, "headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
        ({"json": {"purpose": "health"}, "headers": {"Origin": "https://evil.example"}}, 403),
    ],
)
async def test_nobody_else_gets_one(console: httpx.AsyncClient, sent: dict[str, Any], status: int) -> None:
    answer = await console.post(PATH, **sent)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "token" not in answer.json()
    assert (await console.get(PATH)).status_code == 405


async def test_without_a_vault_there_is_none(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json={"purpose": "health"})
    assert answer.status_code == 404
    assert "[vault]" in answer.json()["remedy"]


async def test_the_script_may_ask_the_vault_and_nobody_else(
    school: School, console: httpx.AsyncClient
) -> None:
    closed = (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    for path in ("/", "/static/names.js", "/api/v1/alerts"):
        policy = (await console.get(path)).headers["content-security-policy"]
        assert policy == f"{closed}; connect-src 'self' {VAULT}"
    async with ask(school, names=None) as client:
        assert (await client.get("/")).headers["content-security-policy"] == closed


def test_the_roles_are_those_of_the_vault() -> None:
    for role, purposes in ROLE_PURPOSES.items():
        assert set(default_roles()[role].purposes) == set(purposes)
        assert set(default_roles()[role].break_glass) == set(ROLE_BREAK_GLASS[role])


async def test_the_page_says_of_when_the_class_lists_are(school: School) -> None:
    of_ms = None
    section = names().vault
    async with ask(school, names=Names(section, KEY, lambda: of_ms)) as client:
        assert "连不上身份库" in (await client.get("/parts/gateways?lang=zh")).text
        of_ms = NOW_MS - 60_000
        assert "Class lists as of 08:00" in (await client.get("/parts/gateways?lang=en")).text
        of_ms = NOW_MS - 86_400_000
        assert "班级名单为 2026-08-31 08:01 的版本" in (await client.get("/parts/gateways?lang=zh")).text
