"""The guardians' pages in a real browser, on a phone, against a running vault."""

from __future__ import annotations

import asyncio
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize, expect, sync_playwright

from identity_vault import roster
from identity_vault.rights import orders
from identity_vault.service import Service
from identity_vault.vault import Vault, wall_ms
from telemetry.exchange import OrderReport
from tests.vault.guardian_parts import Family, add_family, make_link
from tests.vault.vault_parts import make_config, make_vault
from tests.web.conftest import CHROMIUM_ARGUMENTS, PAGE_MS_MAX

PHONE: ViewportSize = {"width": 360, "height": 740}
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
WAIT_MS = 20_000


class Running:
    """A vault that serves, in a thread of its own."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="vault-under-test")
        self._thread.start()
        assert self._ready.wait(30)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._service = Service(self.vault)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._service.run(), name="vault")
            await self._service.running.wait()
            self.url = self._service.url
            self._ready.set()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._service.stop)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def link(self, family: Family) -> str:
        return f"{self.url}/g/open/{make_link(self.vault, family)}"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    config = make_config(tmp_path, web={"port": 0})
    with make_vault(tmp_path, config=config, now_ms=wall_ms) as vault:
        running = Running(vault)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PAGE_MS_MAX)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(CHROMIUM_ARGUMENTS)
        )
        yield browser
        browser.close()


class Phone:
    """A page on a phone in which nothing may go wrong unseen."""

    def __init__(self, browser: Browser, running: Running, *, scripts: bool, **options: str) -> None:
        self._context = browser.new_context(
            viewport=PHONE,
            locale=options.get("locale", "zh-CN"),
            java_script_enabled=scripts,
            accept_downloads=True,
            color_scheme="dark" if options.get("scheme") == "dark" else "light",
        )
        self._context.set_default_timeout(WAIT_MS)
        self._host = urlsplit(running.url).netloc
        self.page: Page = self._context.new_page()
        self.troubles: list[str] = []
        self.page.on("request", self._check)
        self.page.on("console", lambda message: self._note(message.type, message.text))

    def _check(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self._host or request.resource_type == "script":
            self.troubles.append(f"request to {request.url}")

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and "status of 4" not in text:
            self.troubles.append(f"{kind}: {text}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def cookies(self) -> list[dict[str, object]]:
        return [dict(one) for one in self._context.cookies()]

    def close(self) -> None:
        self._context.close()
        assert self.troubles == []


def answer_exports(vault: Vault) -> None:
    """As a collector that has one morning check of everybody."""
    row = {"time_ms": vault.now_ms(), "place": "gate/east", "site": "forehead", "temperature_c": 36.6,
           "symptoms": ""}  # fmt: skip
    with vault.begin() as connection:
        for order in orders.open_orders(vault, connection):
            records = msgspec.msgpack.encode({"morning_check": [row]})
            orders.finish(vault, connection, OrderReport(order.id, {}, records))


@pytest.fixture
def family(running: Running) -> Family:
    return add_family(running.vault, 1)


@pytest.fixture
def phone(browser: Browser, running: Running, family: Family) -> Iterator[Phone]:
    """Without scripts, the link opened."""
    phone = Phone(browser, running, scripts=False)
    phone.page.goto(running.link(family))
    expect(phone.page.locator("main")).not_to_contain_text(family.name)
    phone.press("打开")
    expect(phone.page.get_by_role("heading", level=1)).to_have_text(family.name)
    yield phone
    phone.close()


def test_a_guardian_agrees_and_withdraws(running: Running, phone: Phone) -> None:
    page, main = phone.page, phone.page.locator("main")
    (cookie,) = phone.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/g")
    page.locator("#sport").get_by_role("link", name="查看并决定").click()
    phone.press("同意")  # the browser itself asks for the tick first
    expect(page).to_have_url(f"{running.url}/g/consent/sport")
    page.get_by_role("checkbox").check()
    phone.press("同意")
    expect(main).to_contain_text("已登记您的同意")
    phone.follow("返回")
    expect(page.locator("#sport .chip")).to_have_text("已同意")

    page.locator("#health").get_by_role("link", name="撤回同意").click()
    expect(main).to_contain_text("人工晨检")
    phone.press("撤回同意")
    expect(main).to_contain_text("采集服务器还没有确认")
    phone.follow("返回")
    expect(page.locator("#health .chip")).to_have_text("未同意")
    phone.follow("English")
    expect(page.locator("#sport .chip")).to_have_text("agreed")
    phone.follow("中文")
    expect(page.locator("#sport .chip")).to_have_text("已同意")


def test_a_guardian_gets_a_copy_which_comes_by_itself(
    running: Running, phone: Phone, family: Family, tmp_path: Path
) -> None:
    page, main = phone.page, phone.page.locator("main")
    phone.press("导出孩子的数据")
    expect(main).to_contain_text("本页会自动更新")
    answer_exports(running.vault)
    expect(main).to_contain_text("已经备齐", timeout=WAIT_MS)
    with page.expect_download() as downloading:
        phone.follow("下载文件（ZIP）")
    downloading.value.save_as(tmp_path / "copy.zip")
    with zipfile.ZipFile(tmp_path / "copy.zip") as archive:
        assert json.loads(archive.read("data.json"))["pupil"]["name"] == family.name
        (tmp_path / "index.html").write_bytes(archive.read("index.html"))
    phone.follow("在手机上看")
    expect(main).to_contain_text("36.6")
    page.goto((tmp_path / "index.html").as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text(family.name)
    phone.troubles = [one for one in phone.troubles if "file://" not in one]


def test_a_guardian_corrects_and_deletes(running: Running, phone: Phone, family: Family) -> None:
    page, main = phone.page, phone.page.locator("main")
    phone.follow("申请更正")
    page.get_by_role("radio", name="出生日期").check()
    page.get_by_label("应该是").fill("<b>九月</b>")
    phone.press("提交")
    expect(page.get_by_role("alert")).to_contain_text("2017-03-09")
    expect(page.get_by_label("应该是")).to_have_value("<b>九月</b>")
    page.get_by_label("应该是").fill("2018-02-13")
    phone.press("提交")
    expect(main).to_contain_text("等待学校核对")
    phone.follow("返回")

    phone.follow("全部删除")
    phone.follow("继续删除")
    page.get_by_label("请输入孩子学号的最后 4 位").fill(family.number[-4:])
    phone.press("确认，全部删除")
    expect(main).to_contain_text("已全部删除")
    with running.vault.read() as connection:
        assert roster.get_pupil(running.vault, connection, family.pupil) is None
    page.goto(f"{running.url}/g/")
    expect(main).to_contain_text("请向班主任或校医要一个新的链接")


@pytest.mark.parametrize(
    ("locale", "scheme", "paths"),
    [
        (
            "zh-CN",
            "light",
            ("/g/", "/g/consent/health", "/g/consent/sport", "/g/correct", "/g/export", "/g/export/view"),
        ),
        ("en-GB", "dark", ("/g/", "/g/erase?step=2")),
    ],
)
def test_every_page_fits_a_phone_and_can_be_used_by_everybody(
    browser: Browser, running: Running, family: Family, locale: str, scheme: str, paths: tuple[str, ...]
) -> None:
    phone = Phone(browser, running, scripts=True, locale=locale, scheme=scheme)
    page = phone.page
    page.goto(running.link(family))
    check_page(page)
    page.locator("main button").click()
    page.locator("form[action='/g/export'] button").click()
    answer_exports(running.vault)
    for path in paths:
        page.goto(running.url + path)
        for details in page.locator("details > summary").all():
            details.click()
        check_page(page)
    phone.close()


def check_page(page: Page) -> None:
    """Nothing wider than the phone, every button large enough for a thumb, and axe finds no fault."""
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], page.url
    heights = page.evaluate(
        "[...document.querySelectorAll('button, .button, .language, summary')].map(e => e.offsetHeight)"
    )
    assert min(heights) >= 40, page.url
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == [], page.url
