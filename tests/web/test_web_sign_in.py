"""Signing in and out at the page, step by step, and what of it is refused."""

from __future__ import annotations

import re

import httpx
import pyotp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.accounts.rates import RATES, Rate, Rates
from collector.web.signing.forms import own_path
from tests.accounts.accounts_bench import BETTER
from tests.web.conftest import School
from tests.web.signing_parts import GOOD, browser, enter, newcomer, sign_in, with_accounts


async def test_nobody_has_an_account_yet(school: School) -> None:
    with_accounts(school)
    async with browser(school) as client:
        page = await client.get("/sign-in")
    assert page.status_code == 200
    assert "还没有任何账号" in page.text
    assert "campus collector account add" in page.text
    assert '<form class="card"' not in page.text


async def test_without_accounts_there_is_nothing_to_sign_in_to(school: School) -> None:
    async with browser(school) as client:
        for path in ("/sign-in", "/account", "/audit", "/accounts", "/sign-in/second-factor"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert "这里没有启用账号" in answer.text
        assert "who-here" not in (await client.get("/")).text


async def test_a_newcomer_chooses_a_password_and_goes_on_to_where_they_wanted(school: School) -> None:
    bench = with_accounts(school)
    first = await newcomer(bench)
    async with browser(school) as client:
        turned = await client.get("/account?lang=zh")
        assert (turned.status_code, turned.headers["location"]) == (303, "/sign-in?next=/account%3Flang%3Dzh")
        form = await client.get(turned.headers["location"])
        assert 'name="next" value="/account?lang=zh"' in form.text
        step = await client.post(
            "/sign-in", data={"username": " LI ", "password": first, "next": "/account?lang=zh"}
        )
        assert (step.status_code, step.headers["location"]) == (
            303,
            "/sign-in/password?next=/account%3Flang%3Dzh",
        )
        # half a session opens nothing, and leads to its own step
        assert (await client.get("/account")).headers["location"].startswith("/sign-in?")
        assert (await client.get("/sign-in")).headers["location"] == "/sign-in/password"
        assert (await client.get("/sign-in/code")).headers["location"] == "/sign-in/password"
        page = await client.get(step.headers["location"])
        assert "只能用这一次" in page.text
        fields = {"old": first, "new": GOOD, "again": GOOD, "next": "/account"}
        for spoilt, status, words in (
            ({"again": BETTER}, 422, "不一样"),
            ({"new": "short", "again": "short"}, 422, "至少 10 个字符"),
            ({"old": "wrong wrong wrong"}, 401, "不对"),
        ):
            refused = await client.post("/sign-in/password", data=fields | spoilt)
            assert refused.status_code == status
            assert words in refused.text
            assert GOOD not in refused.text
        done = await client.post("/sign-in/password", data=fields)
        assert (done.status_code, done.headers["location"]) == (303, "/account")
        mine = await client.get("/account")
    assert mine.status_code == 200
    assert "示例" in mine.text
    assert "卫生老师（校医）" in mine.text


async def test_wrong_passwords_are_told_alike_whoever_they_are_for(school: School) -> None:
    bench = with_accounts(school)
    await bench.add("li")
    async with browser(school) as client:
        pages = [
            await sign_in(client, username, password)
            for username, password in (("li", "wrong wrong wrong"), ("nobody", GOOD), ("<b>", "x"), ("", ""))
        ]
        assert {page.status_code for page in pages} == {401}
        assert {re.search(r'role="alert">([^<]*)<', page.text)[1] for page in pages} == {  # type: ignore[index]
            "用户名或密码不对；错了多次的账号会锁定几分钟"
        }
        assert 'value="&lt;b&gt;"' in pages[2].text
        assert "wrong wrong" not in pages[0].text
        assert "session" not in client.cookies


async def test_too_many_tries_are_told_for_how_long(school: School) -> None:
    bench = with_accounts(school, Rates(rates={**RATES, "sign-in": Rate(2, 60)}))
    await newcomer(bench)
    async with browser(school) as client:
        for _ in range(2):
            await sign_in(client, "li", "wrong wrong wrong")
        page = await sign_in(client, "li", "wrong wrong wrong")
    assert page.status_code == 429
    minutes = -(-int(page.headers["retry-after"]) // 60)
    assert f"请过 {minutes} 分钟再试" in page.text


async def test_an_administrator_sets_up_a_second_factor_and_uses_it(school: School) -> None:
    bench = with_accounts(school)
    first = await newcomer(bench, "wang", "admin")
    async with browser(school) as client:
        await sign_in(client, "wang", first)
        step = await client.post("/sign-in/password", data={"old": first, "new": GOOD, "again": GOOD})
        assert step.headers["location"] == "/sign-in/second-factor"
        page = await client.get("/sign-in/second-factor")
        assert "管理员账号必须设置" in page.text
        assert re.search(r"<svg[^>]*viewBox=", page.text)
        assert "style=" not in page.text
        assert 'name="password"' not in page.text
        secret = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page.text)
        assert secret
        app = pyotp.TOTP(secret[1].replace(" ", ""))
        wrong = await client.post("/sign-in/second-factor", data={"code": "000000"})
        assert wrong.status_code == 401
        # the same secret again: somebody has scanned it already
        assert secret[0] in wrong.text
        done = await client.post("/sign-in/second-factor", data={"code": bench.code(app), "next": "/audit"})
        codes = re.findall(r"<li><code>([^<]+)</code></li>", done.text)
        assert len(codes) >= 8
        assert 'href="/audit"' in done.text
        assert done.headers["cache-control"] == "no-store"
        assert (await client.get("/audit")).status_code == 200
        # set up already
        again = await client.get("/sign-in/second-factor")
        assert (again.status_code, again.headers["location"]) == (303, "/")

        await client.post("/sign-out")
        assert (await client.get("/audit")).headers["location"] == "/sign-in?next=/audit"
        bench.go_on(1)
        step = await sign_in(client, "wang")
        assert step.headers["location"] == "/sign-in/code"
        assert (await client.get("/audit")).status_code == 303
        assert (await client.post("/sign-in/code", data={"code": "000000"})).status_code == 401
        inside = await client.post("/sign-in/code", data={"code": bench.code(app), "next": "/accounts"})
        assert (inside.status_code, inside.headers["location"]) == (303, "/accounts")
        await client.post("/sign-out")
        await sign_in(client, "wang")
        assert (await client.post("/sign-in/code", data={"code": codes[0]})).status_code == 303
        await client.post("/sign-out")
        await sign_in(client, "wang")
        assert (await client.post("/sign-in/code", data={"code": codes[0]})).status_code == 401


async def test_a_step_that_took_too_long_begins_again(school: School) -> None:
    bench = with_accounts(school)
    first = await newcomer(bench)
    async with browser(school) as client:
        await sign_in(client, "li", first)
        bench.go_on(60)
        late = await client.post("/sign-in/password", data={"old": first, "new": GOOD, "again": GOOD})
        assert (late.status_code, late.headers["location"]) == (303, "/sign-in?ended=1")
        assert "请重新登录" in (await client.get(late.headers["location"])).text


async def test_the_cookie_is_not_for_scripts_and_over_tls_for_this_host_only(school: School) -> None:
    bench = with_accounts(school)
    await bench.add("li")
    for scheme, name in (("http", "session"), ("https", "__Host-session")):
        transport = httpx.ASGITransport(app=school.app)
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://localhost") as client:
            cookie = (await sign_in(client)).headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        for word in ("HttpOnly", "SameSite=lax", "Path=/"):
            assert word in cookie
        assert ("Secure" in cookie) == (scheme == "https")
        assert "Domain" not in cookie
        assert "Max-Age" not in cookie


async def test_another_site_can_sign_nobody_in_or_out(school: School) -> None:
    bench = with_accounts(school)
    await enter(bench, client := browser(school))
    for path in ("/sign-in", "/sign-out", "/account/password", "/account/tokens"):
        answer = await client.post(path, data={"username": "li"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
    assert (await client.get("/account")).status_code == 200
    await client.aclose()


async def test_programs_and_parts_get_a_problem_and_people_a_page(school: School) -> None:
    bench = with_accounts(school)
    async with browser(school) as client:
        for path, headers in (
            ("/api/v1/series", {}),
            ("/parts/rooms", {}),
            ("/audit", {"HX-Request": "true"}),
            ("/audit", {"Accept": "application/json"}),
        ):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/")).headers["location"] == "/sign-in"
        await enter(bench, client, "canteen")
        refused = await client.get("/audit")
        assert refused.status_code == 403
        assert "食堂" in refused.text
        assert "不能查看" in refused.text


async def test_what_is_no_form_is_refused_without_a_word_of_it(school: School) -> None:
    bench = with_accounts(school)
    await bench.add("li")
    async with browser(school) as client:
        for body, kind in (
            (b'{"username": "li"}', "application/json"),
            (b"\xff\xfe=1", "application/x-www-form-urlencoded"),
            (b"&".join(b"a%d=hushhush" % n for n in range(200)), "application/x-www-form-urlencoded"),
        ):
            answer = await client.post("/sign-in", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 400
            assert "hushhush" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\tevil", "",
        "evil", "/a b", "/sign-in", "/sign-out", "/parts/rooms", "/api/v1/series", "/" + "a" * 500, "///x", "/é",
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere_after_signing_in(path: str) -> None:
    assert own_path(path) == "/"


@given(path=st.text(max_size=60))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_path_is_the_own_one_or_the_first_page(path: str) -> None:
    led = httpx.URL("https://pulse.example/sign-in").join(own_path(path))
    assert (led.scheme, led.host) == ("https", "pulse.example")


def test_own_pages_are_kept() -> None:
    for path in ("/", "/account?lang=zh", "/?filter=302&rooms=30", "/audit?before=51"):
        assert own_path(path) == path


@pytest.mark.parametrize(
    ("period_s", "wait_s", "zh", "en"), [(30, 45, "45 秒", "45 s"), (60, 105, "2 分钟", "2 min")]
)
async def test_who_asks_too_often_is_told_in_words_how_long_to_wait(
    school: School, period_s: float, wait_s: int, zh: str, en: str
) -> None:
    with_accounts(school, Rates(lambda: 15.0, {**RATES, "stranger": Rate(1, period_s)}))
    async with browser(school) as client:
        assert (await client.get("/audit")).status_code == 303
        for language, words in (("zh-CN", f"请过 {zh}再试"), ("en", f"wait {en} and try again")):
            page = await client.get("/audit", headers={"Accept-Language": language})
            assert (page.status_code, page.headers["retry-after"]) == (429, str(wait_s))
            assert page.headers["content-type"].startswith("text/html")
            assert words in page.text
        for program in ("/api/v1/series", "/parts/alerts"):
            answer = await client.get(program)
            assert answer.status_code == 429
            assert answer.headers["content-type"] == "application/problem+json"
