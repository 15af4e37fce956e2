"""The page over the whole line: what is published at one end stands in a browser at the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.line.running_site import Site, eventually
from tests.line.site_vault import Holder

CARD = "04A1B2C3D4E5F6"
PSEUDONYM = "HH7KQ2MZW5XNR4TP3VD6YB8CFA"
STATION = {"id": "station-1", "profile": "campus/morning-check-v1", "place": "gate/entrance"}
AIR = {"id": "air-301", "profile": "json/environment", "place": "main/301"}
WAIT_MS = 15_000
NAMES = (
    '[places]\n"main/301" = { zh = "301 教室", en = "Room 301" }\n'
    '[classes]\n"3-2" = { zh = "三（2）班", en = "Class 3-2" }\n'
)


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                  "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"],
        )  # fmt: skip
        page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN").new_page()
        page.set_default_timeout(WAIT_MS)
        yield page
        browser.close()


def test_a_fever_and_a_reading_stand_on_the_open_page(site: Site, page: Page) -> None:
    expect.set_options(timeout=WAIT_MS)
    troubles: list[str] = []
    page.on("console", lambda said: troubles.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("response", lambda one: troubles.append(one.url) if one.status >= 400 else None)
    site.collector_file.write_text(site.collector_file.read_text("utf-8") + NAMES, "utf-8")
    site.cards[CARD] = Holder({"health": PSEUDONYM}, "3-2")
    gateway = site.add_gateway("gw-gate", [STATION, AIR])
    site.start_collector()
    site.start_gateway(gateway)
    page.goto(site.url)
    expect(page.locator("#state")).to_have_text("实时")
    page.evaluate("window.loadedOnce = true")

    said = {"v": 1, "station": "station-1", "card": CARD, "site": "forehead", "ambient_c": 22.0}
    site.publish("stations/station-1/check", json.dumps(said | {"temperature_c": 38.4}))
    alert = page.locator("li.alert")
    for words in ("HH7K-Q2MZ…", "三（2）班", "38.4 °C"):
        expect(alert).to_contain_text(words)
    expect(alert.locator("time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    alert.get_by_role("button", name="确认收到").click()
    expect(page.locator(".calm")).to_be_visible()
    assert [one["state"] for one in site.alerts()] == ["acknowledged"]

    site.publish("sensors/air-301", json.dumps({"co2": 812}))
    tile = page.get_by_role("region", name="air-301").get_by_role("link", name="二氧化碳")
    expect(tile).to_contain_text("812")
    expect(page.get_by_role("heading", name="301 教室")).to_be_visible()
    expect(page.locator("#chart-place")).to_contain_text("301 教室")
    expect(page.locator("#chart-summary")).to_contain_text("最高 812 ppm")
    site.publish("sensors/air-301", json.dumps({"co2": 1234}))
    expect(tile).to_contain_text("1234")
    expect(page.locator("#chart-summary")).to_contain_text("最低 812 ppm · 最高 1234 ppm")
    eventually(lambda: len(site.points("air-301", "co2")) == 2, "both points are stored")
    assert page.evaluate("window.loadedOnce") is True
    assert troubles == []
