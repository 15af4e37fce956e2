"""The page in a real browser against a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize, expect

from collector.text import Text
from collector.web.labels import Labels
from telemetry.quality import ClockQuality
from telemetry.status import Status
from tests.web.conftest import GATEWAY, SAFETY, SCHOOL, Running, now_ms, reading

PHONE: ViewportSize = {"width": 360, "height": 740}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_MINUTE_MS = 60_000


class Watched:
    """A page in which nothing may go wrong unseen."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.troubles: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on("request", self._check_host)

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.troubles.append(f"{kind}: {text}")

    def _check_host(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.troubles.append(f"request to {request.url}")

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.url + path)
        expect(self.page.locator("#state")).to_have_text(re.compile("实时|live"))
        return self.page


@pytest.fixture
def watched(browser: Browser, running: Running) -> Iterator[Watched]:
    context = browser.new_context(viewport=DESKTOP, locale="zh-CN")
    context.set_default_timeout(15_000)
    watched = Watched(context.new_page(), running.url)
    yield watched
    context.close()
    assert watched.troubles == []


def fill(running: Running) -> None:
    """Two rooms with an hour of air, a door and a leak; one gateway."""
    now = now_ms()
    readings = [
        reading(quantity, value + minute % 7, device=f"air-{room}", place=f"teaching-1/{room}",
                time_ms=now - minute * _MINUTE_MS)
        for room in ("301", "302")
        for quantity, value in (("co2", 800), ("temperature", 20.5))
        for minute in range(60)
    ]  # fmt: skip
    readings += [
        reading("open", 1, device="door-301", time_ms=now),
        reading("water_leak", 1, device="leak-1", place="canteen/kitchen", time_ms=now),
        reading("pm2_5", 35.5, time_ms=now),
    ]
    running.call(running.school.add(readings))
    running.school.add_gateway()
    seen = running.school.overview.of(SCHOOL, GATEWAY)
    seen.last_data_ms = now
    seen.status = Status(
        1, SCHOOL, GATEWAY, now, ClockQuality.SYNCED, "0.1.0", now - 60_000, 3, 4_096, None, 9, 9,
        {"null_value": 2},
    )  # fmt: skip


def test_rooms_values_and_gateways(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open()
    expect(page.get_by_role("heading", level=1)).to_have_text("示例小学")
    room = page.locator("article", has=page.get_by_role("heading", name="301", exact=True))
    air = room.get_by_role("region", name="air-301")
    expect(air).to_contain_text(re.compile(r"二氧化碳\s*800\sppm"))
    expect(air).to_contain_text(re.compile(r"温度\s*20\.5\s°C"))
    expect(air).to_contain_text(re.compile(r"PM2\.5\s*35\.5\sµg/m³"))
    expect(air).to_contain_text(re.compile(r"\d 秒前"))
    expect(room.get_by_role("region", name="door-301")).to_contain_text("开")
    expect(page.get_by_role("region", name="leak-1")).to_contain_text("漏水")
    expect(page.get_by_role("region", name="网关")).to_contain_text(
        re.compile(r"gw-north.*3 批 · 4\.0 kB.*空值 2.*已同步", re.DOTALL)
    )
    expect(page.locator(".calm")).to_have_text("没有需要处理的告警")


def test_values_change_without_a_reload(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open()
    running.call(running.school.add([reading("co2", 1234, time_ms=now_ms())]))
    running.publish("series")
    expect(page.get_by_role("region", name="air-301")).to_contain_text("1234")


def test_an_alert_comes_is_said_aloud_and_acknowledged(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open()
    alerts = page.get_by_role("region", name="告警")
    running.call(running.school.add_alert(at_ms=now_ms(), doubtful=True, value=38.6))
    running.publish("alerts")
    card = alerts.locator("li.alert")
    expect(card).to_contain_text(re.compile(r"发热\s*38\.6 °C\s*需复测"))
    for text in ("3-2", "7K3M-9PXA…", "额温", "37.3 °C", "gate/east"):
        expect(card).to_contain_text(text)
    expect(page.locator("#announcer")).to_contain_text("38.6 °C")
    expect(page).to_have_title(re.compile(r"^\(1\) 示例小学"))
    card.get_by_role("button", name="确认收到").click()
    expect(page.locator(".calm")).to_be_visible()
    expect(page).to_have_title(re.compile(r"^示例小学"))
    (alert,) = running.call(running.school.records.find_alerts())
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "console")
    seen = alerts.locator("details")
    seen.locator("summary").click()
    expect(seen).to_contain_text("7K3M-9PXA…")
    # what a person has opened stays open when the part is fetched again
    running.call(running.school.add_alert(pseudonym=None, class_id=None))
    running.publish("alerts")
    expect(alerts.locator("li.alert")).to_contain_text("匿名")
    expect(seen.locator("ul")).to_be_visible()


def test_a_button_that_was_refused_says_why(running: Running, watched: Watched) -> None:
    alert = running.call(running.school.add_alert())
    page = watched.open()
    item = page.locator(f"[data-alert='{alert}']")
    # As when somebody else has deleted it meanwhile.
    page.route("**/acknowledge*", lambda route: route.continue_(url=f"{running.url}/alerts/77/acknowledge"))
    item.get_by_role("button").click()
    expect(page.locator("#refused")).to_have_text("没有这条告警，或者不归您查看")
    assert watched.troubles.pop().startswith("error: Failed to load resource")
    page.unroute("**/acknowledge*")
    item.get_by_role("button").click()
    expect(page.locator("#refused")).to_be_hidden()


def test_acknowledging_reaches_other_pages(running: Running, browser: Browser, watched: Watched) -> None:
    running.call(running.school.add_alert())
    page = watched.open()
    context = browser.new_context(locale="en-GB")
    other = Watched(context.new_page(), running.url)
    other.open().get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".calm")).to_be_visible()
    context.close()
    assert other.troubles == []


def test_without_scripts_alerts_can_be_acknowledged_and_rooms_found(
    running: Running, browser: Browser
) -> None:
    fill(running)
    running.call(running.school.add_alert())
    context = browser.new_context(java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    page.goto(running.url)
    page.get_by_role("button", name="确认收到").click()
    expect(page.locator(".calm")).to_be_visible()
    page.goto(f"{running.url}/?filter=302")
    expect(page.locator("article")).to_have_count(1)
    context.close()


def drawn_columns(page: Page) -> int:
    """Columns of the chart's canvas in which something in the line's colour is drawn."""
    count: int = page.evaluate(
        """() => {
          const canvas = document.querySelector("#plot canvas");
          if (!canvas) return 0;
          const { width, height } = canvas;
          const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          let columns = 0;
          for (let x = 0; x < width; x++)
            for (let y = 0; y < height; y++) {
              const at = 4 * (y * width + x);
              if (data[at] < 60 && data[at + 1] > 90 && data[at + 2] > 80 && data[at + 3] > 200) { columns++; break; }
            }
          return columns;
        }"""
    )
    return count


def test_a_chart_draws_changes_range_and_is_live(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open()
    page.get_by_role("region", name="air-301").get_by_role("link", name="二氧化碳").click()
    chart = page.locator("#chart")
    expect(chart).to_be_visible()
    expect(chart.get_by_role("heading")).to_have_text("二氧化碳")
    expect(chart.get_by_role("heading")).to_be_focused()
    expect(page.locator("#chart-summary")).to_contain_text(re.compile(r"最低 800 ppm · 最高 806 ppm"))
    expect(page.locator("#plot canvas")).to_be_visible()
    hour = drawn_columns(page)
    assert hour > 200

    page.evaluate("document.querySelector('#plot canvas').dataset.same = 'yes'")
    running.call(running.school.add([reading("co2", 1111, time_ms=now_ms())]))
    running.publish("series")
    expect(page.locator("#chart-summary")).to_contain_text("最高 1111 ppm")
    expect(page.locator("#plot canvas[data-same]")).to_have_count(1)

    chart.get_by_role("button", name="24 小时").click()
    expect(chart.get_by_role("button", name="24 小时")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#plot canvas")).to_be_visible()
    page.keyboard.press("Escape")
    expect(chart).to_be_hidden()
    expect(page.get_by_role("link", name=re.compile("二氧化碳.*1111"))).to_be_focused()


def test_on_a_wide_screen_a_chart_is_open_by_itself_until_it_is_closed(
    running: Running, watched: Watched
) -> None:
    watched.open()
    chart = watched.page.locator("#chart")
    expect(chart).to_be_hidden()
    fill(running)
    running.publish("series")
    expect(chart.get_by_role("heading")).to_have_text("二氧化碳")
    expect(chart.locator("#chart-place")).to_have_text("teaching-1 · 301 · air-301")
    expect(watched.page.locator("#plot canvas")).to_be_visible()
    assert drawn_columns(watched.page) > 100
    assert urlsplit(watched.page.url).fragment == ""
    assert watched.page.evaluate("document.activeElement === document.body")
    expect(watched.page.locator("[aria-current]")).to_contain_text("二氧化碳")
    # somebody's own choice is kept, also over a reload
    watched.page.get_by_role("region", name="air-302").get_by_role("link", name="温度").click()
    expect(chart.get_by_role("heading")).to_have_text("温度")
    watched.page.reload()
    expect(chart.locator("#chart-place")).to_have_text("teaching-1 · 302 · air-302")
    expect(chart.get_by_role("heading")).to_have_text("温度")
    chart.get_by_role("button", name="关闭图表").click()
    expect(chart).to_be_hidden()
    with watched.page.expect_response("**/parts/rooms*"):
        running.publish("series")
    running.call(running.school.add([reading("co2", 1777, time_ms=now_ms())]))
    running.publish("series")
    expect(watched.page.get_by_role("region", name="air-301")).to_contain_text("1777")
    expect(chart).to_be_hidden()


def test_on_a_phone_a_chart_comes_with_a_tap_only(running: Running, watched: Watched) -> None:
    fill(running)
    watched.page.set_viewport_size(PHONE)
    page = watched.open()
    chart = page.locator("#chart")
    with page.expect_response("**/parts/rooms*"):
        running.publish("series")
    expect(chart).to_be_hidden()
    page.set_viewport_size(DESKTOP)
    expect(chart).to_be_visible()
    page.set_viewport_size(PHONE)
    expect(chart).to_be_hidden()


def test_young_data_fill_the_chart(running: Running, watched: Watched) -> None:
    now = now_ms()
    running.call(
        running.school.add(
            [reading("co2", 800 + second, time_ms=now - second * 1_000) for second in range(90)]
        )
    )
    page = watched.open()
    expect(page.locator("#chart-summary")).to_contain_text("最高 889 ppm")
    # an axis of an hour would give them a fortieth of the width
    assert drawn_columns(page) > 200


def test_a_week_is_drawn_by_windows_and_says_so(running: Running, watched: Watched) -> None:
    now = now_ms()
    week = [reading("co2", 700 + at % 100, time_ms=now - at * 5 * _MINUTE_MS) for at in range(2_016)]
    running.call(running.school.add(week))
    page = watched.open()
    grain = page.locator("#chart-grain")
    expect(grain).to_have_text("原始读数")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/series/query" in request.url else None)
    page.get_by_role("button", name="7 天").click()
    expect(grain).to_have_text("每 30 分钟一个点，来自每分钟汇总；浅色带为最低到最高")
    expect(page.locator("#chart-summary")).to_contain_text(re.compile("700 ppm.*799 ppm"))
    assert drawn_columns(page) > 200
    # the average by the server's step, lowest and highest by the same, and so on with each refresh
    first, *others = (re.findall(r"step=(\w+)", url) for url in asked)
    assert first == ["auto"]
    assert len(others) >= 2
    assert all(one == ["1800000ms"] for one in others), others
    watched.open("/?lang=en").get_by_role("button", name="30 d").click()
    expect(grain).to_have_text(
        "a point every 30 minutes, rolled up by the minute; the band is lowest to highest"
    )


def test_a_chart_can_be_linked_to_and_draws_states(running: Running, watched: Watched) -> None:
    fill(running)
    series = next(one.id for one in running.call(running.school.store.series()) if one.quantity == "open")
    page = watched.open(f"/#series-{series}")
    expect(page.locator("#chart-now")).to_have_text("开")
    expect(page.locator("#plot canvas")).to_be_visible()
    assert drawn_columns(page) > 0


def test_the_language_is_switched_and_kept(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open()
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("region", name="door-301")).to_contain_text("open")
    watched.open("/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_sideways(running: Running, watched: Watched, scheme: str) -> None:
    fill(running)
    running.call(
        running.school.add(
            [reading("co2", 1, device="d" * 80, place=f"{'b' * 80}/{'r' * 80}", time_ms=now_ms())]
        )
    )
    running.call(running.school.add_alert(pseudonym="p" * 64, class_id="c" * 64))
    watched.page.set_viewport_size(PHONE)
    watched.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = watched.open()
    width = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert page.evaluate(width) == [360, 360]
    page.get_by_role("region", name="air-302").get_by_role("link", name="二氧化碳").click()
    expect(page.locator("#plot canvas")).to_be_visible()
    assert page.evaluate(width) == [360, 360]


def show_filter(page: Page) -> None:
    """A page of few rooms hides it, and every refresh does so again while nothing stands in it."""
    page.locator("#filter").evaluate("(box) => { box.value = 'any'; box.form.hidden = false }")


def test_markup_in_names_is_text(running: Running, watched: Watched) -> None:
    markup = '<img src=x onerror="document.title=1">'
    running.call(
        running.school.add([reading("co2", 1, device=markup, place=f"<b>x<b>/{markup}", time_ms=now_ms())])
    )
    running.call(running.school.add_alert(class_id=markup, place=markup))
    page = watched.open()
    expect(page.get_by_role("region", name=markup)).to_be_visible()
    expect(page.locator("h2.building")).to_have_text("<b>x<b>")
    page.get_by_role("link", name="二氧化碳").click()
    expect(page.locator("#chart-place")).to_contain_text(markup)
    show_filter(page)
    page.locator("#filter").fill(f"{markup} none")
    expect(page.locator("#rooms .empty")).to_contain_text(markup)
    assert page.locator("main img, main b:not(.number b)").count() == 0
    expect(page).to_have_title(re.compile("示例小学"))


def test_the_filter_narrows_and_survives_a_signal(running: Running, watched: Watched) -> None:
    running.call(
        running.school.add(
            [reading("co2", 500, device=f"air-{n}", place=f"b/{n}", time_ms=now_ms()) for n in range(10)]
        )
    )
    page = watched.open()
    page.get_by_role("searchbox", name="查找").press_sequentially("air-7", delay=20)
    expect(page.locator("article")).to_have_count(1)
    running.call(running.school.add([reading("co2", 777, device="air-7", place="b/7", time_ms=now_ms())]))
    running.publish("series")
    expect(page.locator("article")).to_contain_text("777")
    expect(page.locator("article")).to_have_count(1)
    expect(page.get_by_role("searchbox")).to_have_value("air-7")


def test_a_lost_line_is_said_and_found_again(running: Running, watched: Watched) -> None:
    fill(running)
    page = watched.open()
    running.end_serving()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#state")).to_have_text("离线")
    watched.troubles.clear()
    running.call(running.school.add([reading("co2", 4321, time_ms=now_ms())]))
    running.serve(running.port)
    expect(page.get_by_role("region", name="air-301")).to_contain_text("4321", timeout=20_000)
    expect(page.locator("#offline")).to_be_hidden()
    watched.troubles[:] = [trouble for trouble in watched.troubles if "ERR_CONNECTION" not in trouble]


def test_a_part_that_fails_does_not_replace_what_is_shown(running: Running, watched: Watched) -> None:
    running.call(running.school.add_alert())
    page = watched.open()
    rename = "ALTER TABLE {} RENAME TO {}"
    records = running.school.records
    running.call(records.run(lambda connection: connection.exec_driver_sql(rename.format("alerts", "away"))))
    running.publish("alerts")
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("li.alert")).to_contain_text("38.2 °C")
    # another part that is well does not hide the trouble
    with page.expect_response("**/parts/rooms*"):
        running.publish("series")
    expect(page.locator("#offline")).to_be_visible()
    running.call(records.run(lambda connection: connection.exec_driver_sql(rename.format("away", "alerts"))))
    running.publish("alerts")
    expect(page.locator("#offline")).to_be_hidden()
    watched.troubles[:] = [trouble for trouble in watched.troubles if "503" not in trouble]


def test_names_of_places_and_classes(running: Running, watched: Watched) -> None:
    fill(running)
    labels = Labels(
        {"teaching-1": Text("教学楼", "Main building"), "teaching-1/301": Text("301 教室", "Room 301")},
        {"3-2": Text("三（2）班", "Class 3-2")},
    )
    running.restart(labels)
    running.call(running.school.add_alert(place="teaching-1/301"))
    page = watched.open()
    expect(page.locator("h2.building")).to_have_text(["教学楼", "canteen"])
    expect(page.locator("article h3")).to_have_text(["301 教室", "302", "kitchen"])
    expect(page.locator("#chart-place")).to_have_text("教学楼 · 301 教室 · air-301")
    alert = page.locator("li.alert")
    expect(alert).to_contain_text("三（2）班")
    expect(alert).to_contain_text("教学楼 · 301 教室")
    box = page.locator("#filter")
    show_filter(page)
    for words in ("301 教室", "main building 301", "teaching-1/301"):
        box.fill(words)
        expect(page.locator("article h3")).to_have_text(["301 教室"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(running: Running, watched: Watched, scheme: str) -> None:
    """axe-core's rules of WCAG 2.2 AA, with alerts of each kind, a chart and a meter on the page."""
    fill(running)
    running.call(
        running.school.add(
            [reading(f"{name}_l{phase}", 230, device="meter", place="canteen/kitchen", time_ms=now_ms())
             for name in ("voltage", "power") for phase in (1, 2, 3)]
        )
    )  # fmt: skip
    running.call(running.school.add_alert(doubtful=True))
    running.call(running.school.add_alert(kind="smoke", **SAFETY))
    seen = running.call(running.school.add_alert())
    seen = running.school.parts.alert_numbers.inside(seen)
    running.call(running.school.records.acknowledge_alert(seen, "nurse", now_ms()))
    watched.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page = watched.open()
    page.locator("#seen-alerts summary").click()
    expect(page.locator("#plot canvas")).to_be_visible()
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
    ask = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(JSON.stringify)"
    answer = session.send(
        "Runtime.evaluate", {"expression": ask, "awaitPromise": True, "returnByValue": True}
    )
    found = json.loads(answer["result"]["value"])
    assert len(found["passes"]) > 20
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []


def test_keyboard_alone_reaches_alert_and_value(running: Running, watched: Watched) -> None:
    fill(running)
    running.call(running.school.add_alert())
    page = watched.open()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText.trim().split('\\n')[0]"))
    assert reached[0] == "跳到教室数据"
    assert "确认收到" in reached
    assert "漏水" in reached
