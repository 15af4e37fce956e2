"""The API tokens of others, at the page of whoever manages accounts."""

from __future__ import annotations

import httpx
import pytest

from collector.accounts.model import NewToken
from tests.accounts.accounts_bench import Bench
from tests.web.conftest import School
from tests.web.signing_parts import browser, enter, with_accounts


@pytest.fixture
def bench(school: School) -> Bench:
    return with_accounts(school)


async def token_of(bench: Bench, username: str, name: str) -> NewToken:
    owner = await bench.accounts.staff.find(username)
    assert owner is not None
    return await bench.accounts.tokens.make(owner.id, name, ["series.read", "alerts.safety"], 30, username)


async def test_an_administrator_sees_the_tokens_of_somebody_and_revokes_one(
    bench: Bench, school: School
) -> None:
    await bench.add("li", "facilities")
    await bench.add("zhao", "facilities")
    made, kept = await token_of(bench, "li", "看板"), await token_of(bench, "li", "报表")
    await bench.accounts.tokens.principal(made.secret)
    foreign = await token_of(bench, "zhao", "别人的")
    path = f"/accounts/li/tokens/{made.token.id}/revoke"
    async with browser(school) as client:
        await enter(bench, client, "facilities")
        assert (await client.post(path)).status_code == 403
        await enter(bench, client, "admin")
        page = await client.get("/accounts/li")
        for words in (
            "看板",
            "报表",
            "房间与设备数据",
            "安全告警",
            "建立于",
            "有效至 2026-10-01",
            "最近使用 08:01",
            path,
        ):
            assert words in page.text
        assert "别人的" not in page.text
        for one in (made, kept):
            assert one.secret not in page.text
        done = await client.post(path)
        assert (done.status_code, done.headers["location"]) == (303, "/accounts/li?done=token")
        after = (await client.get(done.headers["location"])).text
        assert "令牌已撤销" in after
        assert "看板" not in after
        assert "报表" in after
        for wrong in (f"/accounts/li/tokens/{foreign.token.id}/revoke", "/accounts/nobody/tokens/1/revoke"):
            assert (await client.post(wrong)).status_code == 404
        assert "made 08:01" in (await client.get("/accounts/li?lang=en")).text
    assert await bench.accounts.tokens.principal(made.secret) is None
    assert await bench.accounts.tokens.principal(kept.secret)
    row = next(one for one in await bench.accounts.trail.find() if one.action == "token_revoked")
    assert (row.actor, row.subject, row.detail) == ("admin-1", "li", str(made.token.id))


async def test_what_ends_tokens_is_said_before_it_is_done(bench: Bench, school: School) -> None:
    await bench.add("li", "facilities")
    async with browser(school) as client:
        await enter(bench, client, "admin")
        page = (await client.get("/accounts/li?lang=en")).text
        assert page.count("API tokens end") == 2, "at the password and at disabling"
        assert "API tokens stay" in (await client.get("/account?lang=en")).text


async def test_nobody_without_a_token_has_a_list_of_them(bench: Bench, school: School) -> None:
    await bench.add("li", "facilities")
    async with browser(school) as client:
        await enter(bench, client, "admin")
        page: httpx.Response = await client.get("/accounts/li")
        assert "/tokens/" not in page.text
