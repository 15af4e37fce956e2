"""Signing in at the school's own sign-in service, through the page, against a provider on a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from collector.accounts.oidc import OidcSignIn
from collector.accounts.oidc_settings import OidcSection
from foundation.keyfiles import write_secret
from tests.accounts.accounts_bench import Bench
from tests.accounts.oidc_provider import CLIENT_ID, CLIENT_SECRET, SUBJECT, Provider, running_provider
from tests.web.conftest import School, now_ms
from tests.web.signing_parts import GOOD, browser, newcomer, sign_in, with_accounts


@pytest.fixture(scope="module")
def service() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(service: Provider) -> Provider:
    service.reset()
    return service


def school_with(school: School, folder: Path, issuer: str, **section: Any) -> Bench:
    secret = folder / "client.secret"
    write_secret(secret, CLIENT_SECRET.encode())
    said = {
        "issuer": issuer, "client_id": CLIENT_ID, "client_secret_file": secret,
        "public_url": "http://localhost", "name": "示例统一身份认证",
    }  # fmt: skip
    return with_accounts(school, oidc=OidcSignIn(OidcSection.model_validate(said | section), now_ms))


@pytest.fixture
def bench(school: School, tmp_path: Path, provider: Provider) -> Bench:
    return school_with(school, tmp_path, provider.url)


@pytest.fixture
async def client(school: School, bench: Bench) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(school) as client:
        yield client


async def come_and_go(client: httpx.AsyncClient, path: str = "/sign-in/oidc") -> httpx.Response:
    """To the sign-in service and back, as a browser goes."""
    there = await client.get(path)
    assert there.status_code == 303
    async with httpx.AsyncClient() as elsewhere:
        back = await elsewhere.get(there.headers["location"])
    return await client.get(back.headers["location"], headers={"Sec-Fetch-Site": "cross-site"})


async def test_somebody_linked_comes_back_signed_in_where_they_wanted(
    bench: Bench, client: httpx.AsyncClient, provider: Provider
) -> None:
    await bench.add("li")
    await bench.accounts.staff.link("li", "test", provider.url, SUBJECT)
    page = await client.get("/sign-in?next=/account")
    assert "示例统一身份认证" in page.text
    assert 'href="/sign-in/oidc?next=/account"' in page.text
    assert provider.asked == []
    inside = await come_and_go(client, "/sign-in/oidc?next=/account")
    assert (inside.status_code, inside.headers["location"]) == (303, "/account")
    assert "journey" not in client.cookies
    assert (await client.get("/account")).status_code == 200
    assert "sign_in" in await bench.actions()


async def test_an_account_with_a_second_factor_needs_it_all_the_same(
    bench: Bench, client: httpx.AsyncClient, provider: Provider
) -> None:
    await bench.add_with_totp("wang")
    await bench.accounts.staff.link("wang", "test", provider.url, SUBJECT)
    inside = await come_and_go(client, "/sign-in/oidc?next=/audit")
    assert inside.headers["location"] == "/sign-in/code?next=/audit"
    assert (await client.get("/audit")).headers["location"].startswith("/sign-in")


async def test_whose_first_password_is_not_changed_comes_in_without_it(
    bench: Bench, client: httpx.AsyncClient, provider: Provider
) -> None:
    await newcomer(bench, "li")
    await bench.accounts.staff.link("li", "test", provider.url, SUBJECT)
    assert (await come_and_go(client, "/sign-in/oidc?next=/account")).headers["location"] == "/account"
    page = (await client.get("/account")).text
    assert "10 分钟内" in page
    assert 'id="token-password"' not in page
    assert "/account/password" in page


async def test_and_with_a_second_factor_by_its_code_alone(
    bench: Bench, client: httpx.AsyncClient, provider: Provider
) -> None:
    _, app = await bench.add_with_totp("wang")
    await bench.accounts.staff.link("wang", "test", provider.url, SUBJECT)
    await bench.accounts.staff.reset_password("wang", "test")
    bench.now_ms += 60_000
    assert (
        (await come_and_go(client, "/sign-in/oidc?next=/audit"))
        .headers["location"]
        .startswith("/sign-in/code")
    )
    assert "next" in (await client.get("/sign-in/code?next=/audit")).text
    wrong = await client.post("/sign-in/code", data={"code": "000000", "next": "/audit"})
    assert wrong.status_code == 401
    done = await client.post("/sign-in/code", data={"code": bench.code(app), "next": "/audit"})
    assert done.headers["location"] == "/audit"
    assert (await client.get("/audit")).status_code == 200


async def test_whom_nobody_has_linked_is_told_what_to_do_and_it_is_noted(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await bench.add("li")
    told = await come_and_go(client)
    assert told.status_code == 403
    assert SUBJECT in told.text
    assert "交给学校的系统管理员" in told.text
    assert "session" not in client.cookies
    rows = await bench.accounts.trail.find()
    assert rows[0].action == "sign_in_refused"
    assert not [row for row in rows if SUBJECT in row.detail + row.subject + row.actor]


async def test_groups_must_stand_for_the_role_of_the_account(
    school: School, tmp_path: Path, provider: Provider
) -> None:
    bench = school_with(school, tmp_path, provider.url, role_claim="groups", roles={"health-room": "nurse"})
    await bench.add("li")
    await bench.accounts.staff.link("li", "test", provider.url, SUBJECT)
    async with browser(school) as client:
        for groups, status in ((["canteen"], 403), (None, 403), (["health-room"], 303)):
            provider.claims = {"groups": groups}
            answer = await come_and_go(client)
            assert answer.status_code == status
            assert ("岗位" in answer.text) == (status == 403)
    assert "role_refused" in await bench.actions()


async def test_what_is_not_believed_leads_to_the_sign_in_page(
    bench: Bench, client: httpx.AsyncClient, provider: Provider
) -> None:
    await bench.add("li")
    await bench.accounts.staff.link("li", "test", provider.url, SUBJECT)
    provider.claims = {"nonce": "another"}
    with capture_logs() as logs:
        refused = await come_and_go(client)
    assert refused.status_code == 403
    assert "没有完成登录" in refused.text
    assert 'id="password"' in refused.text
    assert "session" not in client.cookies
    assert [(one["log_level"], one["reason"]) for one in logs] == [("warning", "claim_nonce")]
    # an answer that nobody asked for, and a journey of which the cookie is gone
    for path in ("/sign-in/oidc/back", "/sign-in/oidc/back?state=x&code=y", "/sign-in/oidc/back?error=x"):
        assert (await client.get(path)).status_code == 403
    provider.claims = {}
    there = await client.get("/sign-in/oidc")
    async with httpx.AsyncClient() as elsewhere:
        back = (await elsewhere.get(there.headers["location"])).headers["location"]
    client.cookies.delete("journey")
    assert (await client.get(back)).status_code == 403


async def test_an_answer_counts_once(bench: Bench, client: httpx.AsyncClient, provider: Provider) -> None:
    await bench.add("li")
    await bench.accounts.staff.link("li", "test", provider.url, SUBJECT)
    there = await client.get("/sign-in/oidc")
    journey = client.cookies["journey"]
    async with httpx.AsyncClient() as elsewhere:
        back = (await elsewhere.get(there.headers["location"])).headers["location"]
    assert (await client.get(back)).status_code == 303
    client.cookies.set("journey", journey)
    assert (await client.get(back)).status_code == 403


async def test_while_the_service_is_away_passwords_still_work(school: School, tmp_path: Path) -> None:
    bench = school_with(school, tmp_path, "http://127.0.0.1:9")
    await bench.add("li")
    async with browser(school) as client:
        away = await client.get("/sign-in/oidc")
        assert away.status_code == 503
        assert "示例统一身份认证现在没有回应" in away.text
        assert 'id="password"' in away.text
        assert (await sign_in(client, "li", GOOD)).status_code == 303


async def test_another_site_begins_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/sign-in/oidc", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "journey" not in client.cookies


async def test_an_administrator_links_and_unlinks(
    bench: Bench, client: httpx.AsyncClient, provider: Provider
) -> None:
    secret, _ = await bench.add_with_totp("wang")
    await bench.add("li")
    client.cookies.set("session", secret)
    linked = await client.post("/accounts/li/link", data={"subject": SUBJECT})
    assert linked.headers["location"] == "/accounts/li?done=link"
    assert f'value="{SUBJECT}"' in (await client.get("/accounts/li")).text
    account = await bench.accounts.staff.find("li")
    assert account
    assert account.oidc_subject == f"{provider.url} {SUBJECT}"
    taken = await client.post("/accounts/wang/link", data={"subject": SUBJECT})
    assert (taken.status_code, "已关联别的账号" in taken.text) == (422, True)
    assert (await client.post("/accounts/li/link", data={"subject": "员工"})).status_code == 422
    unlinked = await client.post("/accounts/li/link", data={"subject": ""})
    assert unlinked.headers["location"] == "/accounts/li?done=unlink"
    account = await bench.accounts.staff.find("li")
    assert account
    assert account.oidc_subject is None
