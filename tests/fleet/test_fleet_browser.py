"""The fleet pages in a real browser: live, on a phone's width, without scripts, readable by everybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from collector.fleet.trouble import SILENT_MS
from collector.records import Gateway
from telemetry.configuration import Running as Runs
from telemetry.quality import ClockQuality
from telemetry.status import Status
from tests.fleet.fleet_parts import make_version, modbus
from tests.web.conftest import GATEWAY, SCHOOL, Running, browser, now_ms, running
from tests.web.test_web_page import AXE, DESKTOP, PHONE, Watched

__all__ = ["browser", "running"]

KEY = (SCHOOL, GATEWAY)
PLACE = f"/fleet/{SCHOOL}/{GATEWAY}"
SOON_MS = 20_000
LONG = "gw-" + "x" * 60


@pytest.fixture
def watched(browser: Browser, running: Running) -> Iterator[Watched]:
    context = browser.new_context(viewport=DESKTOP, locale="zh-CN")
    context.set_default_timeout(15_000)
    watched = Watched(context.new_page(), running.url)
    yield watched
    context.close()
    assert watched.troubles == []


def say(running: Running, gateway: str = GATEWAY, ago_ms: int = 1_000, **changes: Any) -> None:
    at_ms = now_ms() - ago_ms
    fields: dict[str, Any] = {
        "format": 1, "school": SCHOOL, "gateway": gateway, "time_ms": at_ms, "clock": ClockQuality.SYNCED,
        "software": "0.4.0", "started_ms": at_ms - 60_000, "buffer_batches": 0, "buffer_bytes": 0,
        "buffer_oldest_ms": None, "readings_in": 9, "readings_stored": 9, "dropped": {"null_value": 2},
        "configuration": Runs(0, ""),
    } | changes  # fmt: skip
    seen = running.school.overview.of(SCHOOL, gateway)
    seen.status, seen.status_ms = Status(**fields), at_ms
    running.publish("gateways")


def fill(running: Running) -> None:
    running.school.add_gateway()
    records = running.school.records
    records.add_gateway(Gateway(SCHOOL, LONG, "another key", "k" * 16, "active", 1))
    for interval_s in (10, 30):
        make_version(records, KEY, modbus("301", "302", interval_s=interval_s), "二氧化碳慢一点")
    say(running)
    say(running, LONG, SILENT_MS + 60_000, configuration=Runs(0, "", 7, "word " * 200))


def fits(page: Page) -> None:
    """Nothing stands out at the side, and nobody is shut out."""
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0, f"{width} px too wide"
    session = page.context.new_cdp_session(page)  # the page's own policy lets no other script in
    session.send("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
    ask = {"expression": "axe.run().then(JSON.stringify)", "awaitPromise": True, "returnByValue": True}
    found = json.loads(session.send("Runtime.evaluate", ask)["result"]["value"])
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []


def test_the_fleet_is_live(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open("/fleet")
    row = page.locator(f"#gw-{SCHOOL}-{GATEWAY}")
    expect(row).to_contain_text("待下发 · 第 2 版")
    digest = make_version(running.school.records, KEY, modbus("301", "302", interval_s=30)).digest
    say(running, configuration=Runs(2, digest), clock=ClockQuality.UNSYNCED)
    expect(row).to_contain_text("一致 · 第 2 版", timeout=SOON_MS)
    expect(row).to_contain_text("时钟未同步")
    expect(row).to_contain_text(re.compile(r"\d+ 秒前"))
    page.get_by_label("查找").fill("失联")
    expect(row).to_have_count(0, timeout=SOON_MS)
    expect(page.locator("ol.fleet li")).to_have_count(1)
    fits(page)
    page.get_by_role("link", name="有问题").click()
    expect(page.locator("ol.fleet li").first).to_contain_text("请检查网关的电源和网络")


def test_every_figure_stands_under_its_heading(running: Running, watched: Watched) -> None:
    running.school.add_gateway()
    say(running)
    page = watched.open("/fleet")
    expect(page.locator(f"#gw-{SCHOOL}-{GATEWAY}")).to_contain_text("自有配置")
    lefts = "(cells) => cells.map(cell => Math.round(cell.getBoundingClientRect().left))"
    heads = page.locator(".fleet-head > span").evaluate_all(lefts)
    assert page.locator(".fleet li > *").evaluate_all(lefts) == heads


def test_the_overview_leads_to_it(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open()
    part = page.get_by_role("region", name="网关")
    expect(part).to_contain_text("2 台有问题")
    part.get_by_role("link", name="全部 2 台").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("网关")
    page.get_by_role("link", name=GATEWAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(GATEWAY)


def test_editing_while_the_rest_is_live(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open(PLACE)
    editor = page.get_by_label("gateway.toml 中可以远程设置的部分")
    text = editor.input_value()
    assert text.startswith('[[modbus]]\nname = "301"')
    editor.fill(text.replace("interval_s = 30", "interval_s = 60") + "\n[collector]\nx = 1\n")
    say(running, clock=ClockQuality.UNSYNCED)
    expect(page.locator("#status")).to_contain_text("时钟未同步", timeout=SOON_MS)
    assert "interval_s = 60" in editor.input_value(), "what is written is not overwritten"
    page.get_by_label("为什么修改").fill("再慢一点")
    page.get_by_role("button", name="保存并下发").click()
    problems = page.locator("#problems")
    expect(problems).to_contain_text("[collector] 不能在这里设置")
    assert "interval_s = 60" in editor.input_value()
    expect(page.locator("#state")).to_have_text("实时", timeout=SOON_MS)  # the scripts run
    problems.get_by_role("link").click()
    assert page.evaluate(
        "const e = document.activeElement; e.value.slice(e.selectionStart, e.selectionEnd)"
    ) == ("[collector]")
    fits(page)
    editor.fill(editor.input_value().replace("\n[collector]\nx = 1\n", ""))
    page.get_by_role("button", name="保存并下发").click()
    expect(page.locator(".done")).to_contain_text("已保存为第 3 版")
    expect(page.locator("ol.rows li").first).to_contain_text("再慢一点")
    page.get_by_role("button", name="看差异").click()
    expect(page.locator(".toml .gone").first).to_have_text("- interval_s = 30")
    expect(page.locator(".toml .new").first).to_have_text("+ interval_s = 60")
    # The browser says of itself that the page of the mistake was a 422.
    watched.troubles = [one for one in watched.troubles if "status of 422" not in one]


def test_a_phone_without_scripts(running: Running, browser: Browser) -> None:
    fill(running)
    context = browser.new_context(viewport=PHONE, locale="en-GB", java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{running.url}{PLACE}")
    page.locator("#toml").fill("[batch]\ninterval_s = 7\n")
    page.locator("button.go").click()
    expect(page.locator(".done")).to_contain_text("Saved as version 3")
    page.get_by_role("button", name="Restore").last.click()
    expect(page.locator(".done")).to_contain_text("Saved as version 4")
    expect(page.locator("#toml")).to_have_value(re.compile(r"interval_s = 10"))
    page.goto(f"{running.url}/fleet?filter=gw-x")
    expect(page.locator("ol.fleet li")).to_have_count(1)
    context.close()


def test_a_phone(running: Running, browser: Browser) -> None:
    fill(running)
    context = browser.new_context(viewport=PHONE, locale="zh-CN", color_scheme="dark")
    page = context.new_page()
    for path in ("/fleet", PLACE, f"/fleet/{SCHOOL}/{LONG}", f"{PLACE}/versions/2"):
        page.goto(f"{running.url}{path}")
        fits(page)
    context.close()


def test_many_are_changed_on_a_phone(running: Running, browser: Browser) -> None:
    fill(running)
    context = browser.new_context(viewport=PHONE, locale="zh-CN")
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(f"{running.url}/fleet?lang=en")
    page.get_by_role("link", name="Change many").click()
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("修改多台网关的配置")
    page.get_by_role("button", name="全选").click()
    expect(page.locator("input[name=gateway]:checked")).to_have_count(2)
    page.get_by_label("要写入的段").fill("[batch]\ninterval_s = ")
    page.get_by_role("button", name="预览").click()
    problem = page.get_by_role("link", name="第 2 行")
    problem.click()
    assert page.evaluate("document.activeElement.id") == "toml"
    fits(page)
    page.get_by_label("要写入的段").fill("[batch]\ninterval_s = 5\n")
    page.get_by_role("button", name="预览").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("预览：还没有保存")
    expect(page.locator(".group .names a")).to_have_count(2)
    page.wait_for_load_state()
    fits(page)
    page.get_by_role("button", name="保存并下发到 2 台").click()
    expect(page.get_by_role("status")).to_have_text("2 台已保存，正在下发。")
    expect(page.locator(".rows li.done")).to_have_count(2)
    context.close()
    assert troubles == []
