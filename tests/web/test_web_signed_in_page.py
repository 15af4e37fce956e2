"""Signing in as people do it: a real browser, mostly a phone in Chinese, against a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from collector.accounts.oidc import OidcSignIn
from collector.accounts.oidc_settings import OidcSection
from foundation.keyfiles import write_secret
from tests.accounts.accounts_bench import HERE, Bench
from tests.accounts.oidc_provider import CLIENT_ID, CLIENT_SECRET, SUBJECT, running_provider
from tests.collector.vault_double import VaultDouble
from tests.web.conftest import PSEUDONYM, SAFETY, Running, now_ms, reading
from tests.web.names_parts import NAME, configure, open_vault
from tests.web.signing_parts import GOOD, newcomer
from tests.web.test_web_page import AXE, PHONE

WRONG = "wrong wrong wrong"


@pytest.fixture
def bench(running: Running) -> Bench:
    """The running school with accounts; a fever, smoke and a room are there to be seen."""
    bench = Bench(running.school.records)
    bench.now_ms = now_ms()
    running.restart_with(accounts=bench.accounts)
    running.call(running.school.add([reading("co2", 812, time_ms=now_ms())]))
    running.school.add_gateway()
    running.call(running.school.add_alert(at_ms=now_ms()))
    running.call(running.school.add_alert(at_ms=now_ms(), kind="smoke", **SAFETY))
    return bench


class People:
    """Browsers of several people; in none of them may a script fail."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def phone(self) -> Page:
        context = self._browser.new_context(viewport=PHONE, locale="zh-CN", base_url=self._url)
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)
        return page

    def _note(self, message: object) -> None:
        text = str(getattr(message, "text", ""))
        if "Content Security Policy" in text or "Content-Security-Policy" in text:
            self.errors.append(text)

    def leave(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def vault() -> Iterator[VaultDouble]:
    vault = open_vault()
    yield vault
    vault.close()


@pytest.fixture
def people(browser: Browser, running: Running) -> Iterator[People]:
    people = People(browser, running.url)
    yield people
    people.leave()
    assert people.errors == []


def sign_in(page: Page, username: str, password: str) -> None:
    page.get_by_label("用户名").fill(username)
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()


def enter_code(page: Page, code: str) -> None:
    page.get_by_label("验证码").fill(code)
    page.get_by_role("button", name="继续").click()


def choose_password(page: Page, old: str) -> None:
    page.get_by_label("现在的密码").fill(old)
    page.get_by_label("新密码", exact=True).fill(GOOD)
    page.get_by_label("再输一次新密码").fill(GOOD)
    page.get_by_role("button", name="保存并继续").click()


def check(page: Page) -> None:
    """Nobody is kept out (axe-core's rules of WCAG 2.2 AA), and a phone does not scroll sideways."""
    width = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert page.evaluate(width) == [360, 360], page.url
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
    ask = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(JSON.stringify)"
    answer = session.send(
        "Runtime.evaluate", {"expression": ask, "awaitPromise": True, "returnByValue": True}
    )
    found = json.loads(answer["result"]["value"])
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == [], (
        page.url
    )


def test_the_first_administrator_comes_in_and_sets_up_a_second_factor(
    running: Running, bench: Bench, people: People
) -> None:
    phone = people.phone()
    phone.goto("/accounts")
    expect(phone.get_by_text("campus collector account add")).to_be_visible()
    check(phone)
    first = running.call(newcomer(bench, "wang", "admin"))
    phone.reload()
    sign_in(phone, "wang", WRONG)
    expect(phone.get_by_role("alert")).to_contain_text("用户名或密码不对")
    expect(phone.get_by_label("用户名")).to_have_value("wang")
    check(phone)
    sign_in(phone, "wang", first)
    choose_password(phone, first)
    expect(phone.get_by_role("heading", name="设置两步验证")).to_be_visible()
    box = phone.locator(".qr svg").bounding_box()
    assert box
    assert 150 < box["width"] == box["height"]
    check(phone)
    app = pyotp.TOTP(phone.locator("code.secret").inner_text().replace(" ", ""))
    phone.get_by_label("应用显示的 6 位数字").fill(bench.code(app))
    phone.get_by_role("button", name="确认").click()
    expect(phone.locator(".codes li").first).to_be_visible()
    expect(phone.get_by_role("button", name="打印")).to_be_visible()
    check(phone)
    phone.get_by_role("link", name="已保存，继续").click()
    expect(phone).to_have_url(re.compile("/accounts$"))


def test_an_administrator_adds_a_nurse_who_sees_a_fever_that_they_do_not(
    running: Running, bench: Bench, people: People
) -> None:
    _, app = running.call(bench.add_with_totp("wang"))
    bench.go_on(1)
    phone = people.phone()
    phone.goto("/accounts")
    sign_in(phone, "wang", GOOD)
    enter_code(phone, bench.code(app))
    phone.locator("summary").click()
    phone.get_by_label("用户名").fill("li")
    phone.get_by_label("姓名").fill("示例李老师")
    phone.get_by_label("岗位").select_option(label="卫生老师（校医）")
    check(phone)
    phone.get_by_role("button", name="新建").click()
    handed_over = phone.locator("#password").inner_text()
    check(phone)
    phone.goto("/audit?check=1")
    expect(phone.get_by_role("status")).to_contain_text("链完整")
    check(phone)
    phone.goto("/")
    alerts = phone.get_by_role("region", name="告警")
    expect(alerts).to_contain_text("烟雾报警")
    expect(alerts).not_to_contain_text("发热")
    expect(alerts.get_by_role("button", name="确认收到")).to_have_count(0)
    expect(phone.get_by_role("region", name="网关")).to_contain_text("gw-north")
    expect(phone.locator(".who-here")).to_contain_text("管理员")
    assert "38.2" not in phone.content()

    other = people.phone()
    other.goto("/")
    sign_in(other, "li", handed_over)
    choose_password(other, handed_over)
    alerts = other.get_by_role("region", name="告警")
    fever = alerts.locator("li.alert", has_text="发热")
    expect(fever).to_contain_text("38.2")
    expect(other.get_by_role("region", name="网关")).to_have_count(0)
    expect(other.locator("#state")).to_have_text("实时")
    fever.get_by_role("button", name="确认收到").click()
    expect(fever).to_have_count(0)
    other.locator("#seen-alerts summary").click()
    expect(other.locator("#seen-alerts")).to_contain_text("li")
    other.goto("/audit")
    expect(other.get_by_role("heading", name="不能查看这个页面")).to_be_visible()
    check(other)
    seen = [one.acknowledged_by for one in running.call(running.school.records.find_alerts("acknowledged"))]
    assert seen == ["li"]


def test_a_session_that_ends_elsewhere_is_noticed_and_nothing_stays_on_the_page(
    running: Running, bench: Bench, people: People
) -> None:
    running.call(bench.add("li"))
    phone = people.phone()
    phone.goto("/?filter=301")
    sign_in(phone, "li", GOOD)
    expect(phone).to_have_url(re.compile(r"/\?filter=301$"))
    expect(phone.locator("#state")).to_have_text("实时")
    expect(phone.locator("article")).to_be_visible()
    other = people.phone()
    other.goto("/account")
    sign_in(other, "li", GOOD)
    expect(other.get_by_role("heading", level=1)).to_have_text("我的账号")
    check(other)
    other.get_by_role("button", name="在所有设备上退出").click()
    expect(other).to_have_url(re.compile("/sign-in$"))
    running.call(running.school.add_alert())
    running.publish("alerts")
    expect(phone.locator("#offline")).to_contain_text("登录已结束")
    expect(phone.locator("#state")).to_have_text("已退出")
    expect(phone.locator("main")).to_be_hidden()
    phone.get_by_role("link", name="重新登录").click()
    sign_in(phone, "li", GOOD)
    expect(phone).to_have_url(re.compile(r"/\?filter=301$"))
    expect(phone.locator("article")).to_be_visible()
    phone.get_by_role("button", name="退出").click()
    expect(phone).to_have_url(re.compile("/sign-in$"))
    phone.goto("/")
    expect(phone.get_by_label("用户名")).to_be_visible()


def test_names_come_in_the_own_role_and_go_with_the_session(
    running: Running, bench: Bench, people: People, vault: VaultDouble
) -> None:
    configure(running, vault, role="canteen")
    running.call(running.school.add_alert(at_ms=now_ms(), kind="panic", unit="bool", value=1.0, limit=None))
    running.call(bench.add("li", classes=("3-2",)))
    admin_secret, _ = running.call(bench.add_with_totp("wang"))
    phone = people.phone()
    phone.goto("/")
    sign_in(phone, "li", GOOD)
    who = phone.locator(f"[data-pseudonym='{PSEUDONYM}']")
    expect(who.first).to_have_text(NAME)
    claims = {(one.role, one.classes) for one in vault.claims}
    assert claims == {("nurse", ("3-2",))}
    sessions = {one.session for one in vault.claims}
    assert len(sessions) == 1
    # another page of the same session counts with it at the vault
    phone.reload()
    expect(who.first).to_have_text(NAME)
    assert {one.session for one in vault.claims} == sessions
    running.call(bench.accounts.staff.disable("li", "test"))
    running.call(running.school.add_alert())
    running.publish("alerts")
    expect(phone.locator("#offline")).to_contain_text("登录已结束")
    expect(who.first).not_to_have_text(NAME)

    asked = len(vault.claims)
    other = people.phone()
    other.context.add_cookies([{"name": "session", "value": admin_secret, "url": running.url}])
    other.goto("/")
    expect(other.get_by_role("region", name="告警")).to_contain_text("紧急求助")
    expect(other.locator("#state")).to_have_text("实时")
    assert len(vault.claims) == asked


def test_the_code_is_asked_for(running: Running, bench: Bench, people: People) -> None:
    _, app = running.call(bench.add_with_totp("wang"))
    bench.go_on(1)
    phone = people.phone()
    phone.goto("/audit")
    sign_in(phone, "wang", GOOD)
    enter_code(phone, "000 000")
    expect(phone.get_by_role("alert")).to_contain_text("验证码不对")
    check(phone)
    code = bench.code(app)
    enter_code(phone, f"{code[:3]} {code[3:]}")
    expect(phone).to_have_url(re.compile("/audit$"))


def test_without_scripts_everything_works_too(running: Running, bench: Bench, browser: Browser) -> None:
    first = running.call(newcomer(bench))
    context = browser.new_context(
        viewport=PHONE, locale="en-GB", base_url=running.url, java_script_enabled=False
    )
    page = context.new_page()
    page.goto("/account")
    page.get_by_label("Username").fill("li")
    page.get_by_label("Password").fill(first)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Password now").fill(first)
    page.get_by_label("New password", exact=True).fill(GOOD)
    page.get_by_label("New password again").fill(GOOD)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("My account")
    page.get_by_text("Make a token").click()
    page.get_by_label("Name (what for)").fill("board")
    page.get_by_label("Rooms and devices").check()
    page.get_by_label("Your password").fill(GOOD)
    page.get_by_role("button", name="Make").click()
    expect(page.locator("#token")).to_have_text(re.compile(r"^cp_\S{30,}$"))
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status")).to_have_text("The token is revoked.")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_url(re.compile("/sign-in$"))
    context.close()


def test_a_sign_in_service_on_another_site_brings_somebody_in(
    running: Running, bench: Bench, people: People, tmp_path: Path
) -> None:
    """The page is `localhost` and the service `127.0.0.1`: other sites to a browser, and the policy, the
    cookies and the way back have to hold.
    """
    page_url = f"http://localhost:{running.port}"
    secret = tmp_path / "client.secret"
    write_secret(secret, CLIENT_SECRET.encode())
    running.call(bench.add("li"))
    with running_provider() as provider:
        section = OidcSection(
            issuer=provider.url,
            client_id=CLIENT_ID,
            client_secret_file=secret,
            public_url=page_url,
            name="示例统一身份认证",
        )
        running.restart_with(oidc=OidcSignIn(section, now_ms))
        phone = people.phone()
        phone.goto(f"{page_url}/account")
        phone.get_by_role("link", name="示例统一身份认证").click()
        expect(phone.get_by_text("还没有与您对应的账号")).to_be_visible()
        expect(phone.locator("code.secret")).to_have_text(SUBJECT)
        check(phone)
        running.call(bench.accounts.staff.link("li", "test", provider.url, SUBJECT))
        phone.goto(f"{page_url}/account")
        phone.get_by_role("link", name="示例统一身份认证").click()
        expect(phone.get_by_role("heading", level=1)).to_have_text("我的账号")
        expect(phone).to_have_url(f"{page_url}/account")


def test_an_administrator_revokes_a_token_and_sets_no_factor_up_without_the_password(
    running: Running, bench: Bench, people: People
) -> None:
    _, app = running.call(bench.add_with_totp("wang"))
    li = running.call(bench.add("li", "facilities"))
    made = running.call(
        bench.accounts.make_token(li.secret, GOOD, HERE, "走廊看板", ["series.read", "alerts.safety"], 90)
    )
    bench.go_on(1)
    phone = people.phone()
    phone.goto("/accounts/li")
    sign_in(phone, "wang", GOOD)
    enter_code(phone, bench.code(app))
    tokens = phone.get_by_role("region", name="程序用的令牌")
    expect(tokens).to_contain_text("走廊看板")
    expect(tokens).to_contain_text("建立于")
    phone.get_by_text("停用账号").click()
    expect(phone.get_by_text("令牌都会撤销，不能再登录")).to_be_visible()
    check(phone)
    assert made.secret not in phone.content()
    tokens.get_by_role("button", name="撤销").click()
    expect(phone.get_by_role("status")).to_have_text("令牌已撤销。")
    expect(tokens).to_have_count(0)

    other = people.phone()
    other.goto("/sign-in/second-factor?next=/account")
    sign_in(other, "li", GOOD)
    other.goto("/sign-in/second-factor?next=/account")
    own = pyotp.TOTP(other.locator("code.secret").inner_text().replace(" ", ""))
    other.get_by_label("应用显示的 6 位数字").fill(bench.code(own))
    other.get_by_label("您的密码").fill(WRONG)
    other.get_by_role("button", name="确认").click()
    expect(other.get_by_role("alert")).to_have_text("现在的密码不对")
    check(other)
    other.get_by_label("应用显示的 6 位数字").fill(bench.code(own))
    other.get_by_label("您的密码").fill(GOOD)
    other.get_by_role("button", name="确认").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("恢复码")
