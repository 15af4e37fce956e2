"""One's own account, the accounts of others, and the audit, at the page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyotp
import pytest
from sqlalchemy import delete, update

from collector.accounts.permissions import PERMISSIONS, ROLES
from collector.classes import SchoolClass
from collector.records.account_tables import account_audit
from collector.web.roles import ROLE_WORDS
from collector.web.signing.wording import PERMISSION_WORDS, detail_words
from tests.accounts.accounts_bench import BETTER, Bench
from tests.web.conftest import School
from tests.web.signing_parts import GOOD, browser, enter, sign_in, with_accounts


@pytest.fixture
def bench(school: School) -> Bench:
    return with_accounts(school)


@pytest.fixture
async def client(bench: Bench, school: School) -> AsyncIterator[httpx.AsyncClient]:
    """Of nobody yet."""
    async with browser(school) as client:
        yield client


async def admin(bench: Bench, client: httpx.AsyncClient) -> httpx.AsyncClient:
    await enter(bench, client, "admin")
    return client


def said(page: httpx.Response) -> str:
    """What a page says is wrong."""
    found = re.search(r'class="trouble" role="alert">\s*([^<]*)<', page.text)
    assert found, page.text
    return found[1]


async def test_who_i_am_is_said_in_words(bench: Bench, client: httpx.AsyncClient) -> None:
    await enter(bench, client, "class_teacher", classes=("3-2",), schools=("example-primary",))
    page = await client.get("/account")
    for words in ("班主任", "3-2", "example-primary", "class-teacher-1", "退出"):
        assert words in page.text
    assert "/accounts" not in page.text
    english = await client.get("/account?lang=en")
    assert "Class teacher" in english.text
    assert "lang=en" in english.headers["set-cookie"]


async def test_the_password_is_changed_and_other_sessions_end(
    school: School, bench: Bench, client: httpx.AsyncClient
) -> None:
    await enter(bench, client)
    async with browser(school) as other:
        await sign_in(other, "nurse-1")
        assert (await other.get("/account")).status_code == 200
        fields = {"old": GOOD, "new": BETTER, "again": BETTER}
        wrong = await client.post("/account/password", data=fields | {"old": "wrong wrong wrong"})
        assert (wrong.status_code, said(wrong)) == (401, "现在的密码不对")
        differ = await client.post("/account/password", data=fields | {"again": GOOD})
        assert (differ.status_code, said(differ)) == (422, "两次输入的新密码不一样")
        done = await client.post("/account/password", data=fields)
        assert (done.status_code, done.headers["location"]) == (303, "/account?done=password")
        assert "密码已修改" in (await client.get(done.headers["location"])).text
        assert (await other.get("/account")).status_code == 303


async def test_signing_out_everywhere(school: School, bench: Bench, client: httpx.AsyncClient) -> None:
    await enter(bench, client)
    async with browser(school) as other:
        await sign_in(other, "nurse-1")
        answer = await client.post("/account/sign-out-everywhere")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        for one in (client, other):
            assert (await one.get("/account")).status_code == 303


async def test_a_second_factor_is_removed_with_the_password_only(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    secret, _ = await bench.add_with_totp("li", "nurse")
    client.cookies.set("session", secret)
    wrong = await client.post("/account/second-factor/remove", data={"password": "wrong wrong wrong"})
    assert wrong.status_code == 401
    done = await client.post("/account/second-factor/remove", data={"password": GOOD})
    assert done.headers["location"] == "/account"
    assert "没有设置" in (await client.get("/account")).text


async def test_a_second_factor_is_set_up_with_the_password(bench: Bench, client: httpx.AsyncClient) -> None:
    await enter(bench, client)
    page = await client.get("/sign-in/second-factor?next=/account")
    assert 'name="password"' in page.text
    found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page.text)
    assert found
    code = bench.code(pyotp.TOTP(found[1].replace(" ", "")))
    wrong = await client.post("/sign-in/second-factor", data={"code": code, "password": "wrong wrong wrong"})
    assert (wrong.status_code, said(wrong)) == (401, "现在的密码不对")
    assert found[0] in wrong.text
    done = await client.post("/sign-in/second-factor", data={"code": code, "password": GOOD})
    assert "恢复码" in done.text
    assert "已设置" in (await client.get("/account")).text


async def test_who_has_no_password_has_to_have_signed_in_just_now(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await bench.add("li", "nurse")
    await bench.accounts.staff.link("li", "wang", "https://login.example.edu", "s-1", only=True)
    signed_in = await bench.accounts.sign_in_external("https://login.example.edu", "s-1", "::1")
    client.cookies.set("session", signed_in.secret)
    for path in ("/account", "/sign-in/second-factor"):
        page = (await client.get(path)).text
        assert 'name="password"' not in page
        assert "10 分钟内" in page
    fields = {"name": "看板", "days": "30", "scope": "series.read"}
    assert 'id="token"' in (await client.post("/account/tokens", data=fields)).text
    bench.go_on(11)
    late = await client.post("/account/tokens", data=fields)
    assert (late.status_code, said(late)[:4]) == (403, "请先退出")
    late = await client.post("/sign-in/second-factor", data={"code": "000000"})
    assert (late.status_code, said(late)[:4]) == (403, "请先退出")


async def test_a_token_is_shown_once_reads_what_it_may_and_is_revoked(
    school: School, bench: Bench, client: httpx.AsyncClient
) -> None:
    await enter(bench, client, "facilities")
    none = await client.post("/account/tokens", data={"name": "看板", "days": "30", "password": GOOD})
    assert (none.status_code, said(none)[:6]) == (422, "令牌没有建立")
    fields = {"name": "看板", "days": "30", "scope": ["series.read", "accounts.manage"]}
    for typed in ({}, {"password": "wrong wrong wrong"}):
        wrong = await client.post("/account/tokens", data=fields | typed)
        assert (wrong.status_code, said(wrong)) == (401, "现在的密码不对")
    made = await client.post("/account/tokens", data=fields | {"password": GOOD})
    found = re.search(r'id="token">([^<]+)<', made.text)
    assert found
    token = found[1]
    page = (await client.get("/account")).text
    assert token not in page
    assert "看板" in page
    async with browser(school, Authorization=f"Bearer {token}") as program:
        assert (await program.get("/api/v1/series")).status_code == 200
        assert (await program.get("/api/v1/alerts")).status_code == 403
        # a token opens no page of accounts
        assert (await program.get("/account")).status_code == 303
    number = re.search(r"/account/tokens/(\d+)/revoke", page)
    assert number
    await client.post(number[0])
    async with browser(school, Authorization=f"Bearer {token}") as program:
        assert (await program.get("/api/v1/series")).status_code == 401
    assert (await client.post("/account/tokens/999/revoke")).status_code == 404


async def test_somebody_new_gets_a_password_for_the_first_time(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await admin(bench, client)
    fields = {
        "username": "Chen",
        "display_name": "示例陈老师",
        "role": "class_teacher",
        "classes": "3-2，3-3",
    }
    page = await client.post("/accounts", data=fields)
    found = re.search(r'id="password">([^<]+)<', page.text)
    assert found
    assert found[1] not in (await client.get("/accounts/chen")).text
    account = await bench.accounts.staff.find("chen")
    assert account
    assert (account.role, account.classes, account.schools) == (
        "class_teacher",
        (SchoolClass("example-primary", "3-2"), SchoolClass("example-primary", "3-3")),
        None,
    )
    assert 'value="3-2 3-3"' in (await client.get("/accounts/chen")).text
    assert (await bench.accounts.sign_in("chen", found[1], "::1")).step == "change"
    again = await client.post("/accounts", data=fields)
    assert again.status_code == 422
    assert "已经有这个用户名" in said(again)
    assert 'value="Chen"' in again.text
    for spoilt in (
        {"username": "陈"},
        {"display_name": ""},
        {"role": "headmaster"},
        {"schools": "Not An Id!"},
    ):
        refused = await client.post("/accounts", data={**fields, "username": "new", **spoilt})
        assert refused.status_code == 422
        assert "没有建立" in said(refused)
    assert await bench.accounts.staff.find("new") is None


async def test_an_administrator_changes_disables_unlocks_and_resets(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await admin(bench, client)
    await bench.add_with_totp("li", "nurse")
    path = "/accounts/li"

    async def do(what: str, **fields: str) -> None:
        answer = await client.post(f"{path}/{what}", data=fields or {"": ""})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done={what}")
        assert 'class="done"' in (await client.get(answer.headers["location"])).text

    await do("change", display_name="示例李老师", role="canteen", classes="", schools="example-primary")
    account = await bench.accounts.staff.find("li")
    assert account
    assert (account.display_name, account.role, account.schools) == (
        "示例李老师",
        "canteen",
        ("example-primary",),
    )
    for _ in range(6):
        with pytest.raises(Exception, match="wrong"):
            await bench.accounts.sign_in("li", "wrong wrong wrong", "::1")
    assert "已锁定" in (await client.get("/accounts")).text
    await do("unlock")
    assert "已锁定" not in (await client.get("/accounts")).text
    await do("second-factor")
    await do("disable")
    assert "已停用" in (await client.get("/accounts")).text
    await do("enable")
    reset = await client.post(f"{path}/password")
    found = re.search(r'id="password">([^<]+)<', reset.text)
    assert found
    assert (await bench.accounts.sign_in("li", found[1], "::1")).step == "change"
    for what in ("disable", "enable", "unlock", "second-factor", "password"):
        assert (await client.post(f"/accounts/nobody/{what}")).status_code == 404
    assert (await client.get("/accounts/nobody")).status_code == 404


async def test_the_last_administrator_stays(bench: Bench, client: httpx.AsyncClient) -> None:
    await admin(bench, client)
    refused = await client.post("/accounts/admin-1/disable")
    assert refused.status_code == 422
    assert "最后一个管理员" in said(refused)
    fields = {"display_name": "示例", "role": "nurse"}
    assert (await client.post("/accounts/admin-1/change", data=fields)).status_code == 422


@pytest.mark.parametrize(
    "role", ["facilities", "nurse", "pe_teacher", "class_teacher", "canteen", "district"]
)
async def test_nobody_else_manages_accounts_or_reads_the_audit(
    bench: Bench, client: httpx.AsyncClient, role: Any
) -> None:
    await enter(bench, client, role)
    for path in ("/accounts", "/accounts/li", "/audit"):
        assert (await client.get(path)).status_code == 403
    for path in ("/accounts", "/accounts/li/password", "/accounts/li/disable", "/accounts/li/change"):
        assert (await client.post(path, data={"username": "li"})).status_code == 403
    assert (await client.get("/account")).status_code == 200


async def test_the_audit_says_who_did_what_and_is_paged(bench: Bench, client: httpx.AsyncClient) -> None:
    await admin(bench, client)
    for n in range(60):
        await bench.accounts.trail.note("li", "read", "alerts.health", f"number {n}")
    newest = await client.get("/audit")
    assert "查看个人数据" in newest.text
    assert "健康告警" in newest.text
    assert newest.text.count("<tr><td") == 50
    assert "number 59" in newest.text
    older = re.search(r'href="(/audit\?before=\d+)"', newest.text)
    assert older
    second = await client.get(older[1])
    assert "number 9<" in second.text
    assert "account_added" not in second.text
    assert "新建账号" in second.text
    assert (await client.get("/audit?before=0")).status_code == 422


async def test_old_rows_that_went_are_said(bench: Bench, client: httpx.AsyncClient) -> None:
    await admin(bench, client)
    newest = (await bench.accounts.trail.find(limit=1))[0].id
    assert await bench.accounts.trail.cut(bench.now_ms + 1) == newest - 1
    page = (await client.get("/audit?check=1")).text
    assert "链完整" in page
    assert f"第 {newest - 1} 条及以前的记录已到保存期限" in page
    assert "清理到期的操作记录" in page
    assert f"第 1 至 {newest - 1} 条" in page
    page = (await client.get("/audit?check=1&lang=en")).text
    assert f"Rows up to {newest - 1} were removed by the collector" in page


def test_what_went_is_told_in_words() -> None:
    link = "0a" * 32
    assert detail_words("1-12", "zh") == "第 1 至 12 条"
    assert detail_words(link, "zh") == "末条校验值 0a0a0a0a"
    assert detail_words(f"{link}, 3 did not fit", "zh") == "末条校验值 0a0a0a0a，其中 3 处对不上"
    assert detail_words(f"{link}, 3 did not fit", "en") == "link of the last 0a0a0a0a, 3 did not fit"


async def test_a_broken_chain_is_said(school: School, bench: Bench, client: httpx.AsyncClient) -> None:
    await admin(bench, client)
    whole = await client.get("/audit?check=1")
    assert "链完整" in whole.text
    await school.records.run(
        lambda connection: connection.execute(
            update(account_audit).where(account_audit.c.id == 2).values(detail="nothing happened")
        )
    )
    broken = await client.get("/audit?check=1")
    assert "链不完整" in broken.text
    assert "第 2 条对不上" in broken.text
    assert "--old-key-file" in broken.text, "rows from before a key was replaced only seem to be changed"
    await school.records.run(
        lambda connection: connection.execute(delete(account_audit).where(account_audit.c.id.in_((2, 3))))
    )
    shorter = (await client.get("/audit?check=1")).text
    assert "第 2 至 3 条被删除" in shorter
    assert "rows 2 to 3: removed" in (await client.get("/audit?check=1&lang=en")).text


async def test_markup_in_names_is_text(bench: Bench, client: httpx.AsyncClient) -> None:
    await admin(bench, client)
    markup = "<script>alert(1)</script>"
    await client.post("/accounts", data={"username": "x", "display_name": markup, "role": "nurse"})
    await bench.accounts.trail.note(markup, markup, markup, markup)
    for path in ("/accounts", "/accounts/x", "/audit"):
        assert "<script>alert" not in (await client.get(path)).text


@pytest.mark.parametrize(
    ("detail", "zh"),
    [
        ("password from 10.1.2.3", "密码，来自 10.1.2.3"),
        ("something new from ::1", "something new，来自 ::1"),
        ("nurse; schools: all; classes: not limited", "卫生老师（校医）；学校：全部；班级：不限"),
        ("class_teacher; schools: a, b; classes: 3-2", "班主任；学校：a, b；班级：3-2"),
        ("alerts.health", "健康告警"),
        ("30 days", "30 days"),
        ("", ""),
    ],
)
def test_what_stands_in_the_audit_is_said_in_words(detail: str, zh: str) -> None:
    assert detail_words(detail, "zh") == zh
    assert detail_words(detail, "en") == ("Health alerts" if detail == "alerts.health" else detail)


def test_everything_that_may_be_allowed_has_words() -> None:
    assert set(PERMISSION_WORDS) == set(PERMISSIONS)
    assert set(ROLE_WORDS) == set(ROLES)
