"""How values, units, ages and states are said."""

from __future__ import annotations

import re
from typing import get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.times import iso
from collector.web.reasons import REASONS, counts_text
from collector.web.wording import age_text, number_text, state_text, unit_text
from telemetry.batch import GapReason
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES, Lane
from tests.web.conftest import NOW_MS, SAFETY, School, reading


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (359.0, "359"), (21.1, "21.1"), (50.25, "50.25"), (3.035, "3.035"), (21.400000000000002, "21.4"),
        (0.0, "0"), (-0.0, "0"), (-7.5, "-7.5"), (100.0, "100"), (0.00042, "0.00042"), (1234567.5, "1234567.5"),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(value: float, text: str) -> None:
    assert number_text(value) == text


@given(st.floats(-1e9, 1e9))
def test_what_is_shown_is_what_the_api_says(value: float) -> None:
    assert float(number_text(value)) == pytest.approx(value, abs=0.0006 if abs(value) >= 0.001 else 6e-5)


@pytest.mark.parametrize(
    ("age_ms", "zh", "en"),
    [
        (-5_000, "0 秒前", "0 s ago"), (3_400, "3 秒前", "3 s ago"), (60_000, "1 分钟前", "1 min ago"),
        (7_200_000, "2 小时前", "2 h ago"), (86_400_000 * 3, "3 天前", "3 d ago"),
    ],
)  # fmt: skip
def test_ages(age_ms: int, zh: str, en: str) -> None:
    assert (age_text(age_ms, "zh"), age_text(age_ms, "en")) == (zh, en)


def test_units_and_states() -> None:
    assert [unit_text(unit) for unit in ("Cel", "ug/m3", "%", "ppm", "bool")] == [
        "°C",
        "µg/m³",
        "%",
        "ppm",
        "",
    ]
    assert (state_text("open", 1).zh, state_text("open", 0).zh) == ("开", "关")
    assert (state_text("water_leak", 1).zh, state_text("water_leak", 0).zh) == ("漏水", "正常")


@pytest.mark.parametrize(
    "quantity", [row.name for row in QUANTITIES.values() if row.is_bool and row.lane is Lane.AMBIENT]
)
def test_every_yes_or_no_quantity_has_words_of_its_own(quantity: str) -> None:
    assert state_text(quantity, 1).zh not in {"是", state_text(quantity, 0).zh}


@pytest.mark.parametrize("time_ms", [0, NOW_MS, 2**53 - 1, 2**62])
def test_every_time_can_be_said(time_ms: int) -> None:
    assert iso(time_ms)


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "zh-CN"),
        ({"Accept-Language": "en-GB,en;q=0.9"}, "en"),
        ({"Accept-Language": "fr,zh-TW;q=0.5,en;q=0.2"}, "zh-CN"),
        ({"Accept-Language": "zh", "Cookie": "lang=en"}, "en"),
        ({"Cookie": "lang=nonsense"}, "zh-CN"),
    ],
)
async def test_the_language_of_the_page(
    client: httpx.AsyncClient, headers: dict[str, str], language: str
) -> None:
    assert f'<html lang="{language}">' in (await client.get("/", headers=headers)).text


async def test_an_empty_school_is_told_what_to_do_next(school: School, client: httpx.AsyncClient) -> None:
    empty = (await client.get("/")).text
    assert "还没有数据" in empty
    assert "campus collector gateway add" in empty
    school.add_gateway()
    school.hub.publish("series")  # or half a second later
    waiting = (await client.get("/")).text
    assert "campus edge check" in waiting
    assert "campus collector gateway add" not in waiting


async def test_only_the_alerts_hold_personal_data(school: School, client: httpx.AsyncClient) -> None:
    await school.add([reading("co2", 500)])
    await school.add_alert(pseudonym="p-secret", class_id="3-2")
    assert "p-secret" in (await client.get("/parts/alerts")).text
    for path in (
        "/parts/rooms",
        "/parts/gateways",
        "/api/v1/series",
        "/api/v1/gateways",
        "/metrics",
        "/healthz",
    ):
        assert "p-secret" not in (await client.get(path)).text


async def test_what_an_alert_says(school: School, client: httpx.AsyncClient) -> None:
    await school.add_alert(pseudonym=None, class_id=None, at_ms=NOW_MS - 86_400_000, value=37.9)
    await school.add_alert(kind="smoke", at_ms=NOW_MS - 1_000, **SAFETY)
    await school.add_alert(kind="panic", at_ms=NOW_MS - 9_000, **SAFETY)
    late = await school.add_alert(at_ms=NOW_MS - 5_000, doubtful=True)
    text = (await client.get("/parts/alerts?lang=zh")).text
    smoke, fever, panic, yesterday = re.findall(r'<li id="alert-.*?</li>', text, re.DOTALL)
    for words in ("烟雾报警", "拨打 119", "smoke-301", "teaching-1/301"):
        assert words in smoke
    for card in (smoke, panic):
        assert not re.search("学生|匿名|班级|限值|<strong>", card)
    assert "紧急求助" in panic
    assert "需复测" in fever
    assert f'id="alert-{late}"' in fever
    assert "08:00:57" in fever
    assert "2026-09-01" not in re.sub("<[^>]*>", "", fever)
    assert "匿名（未识别的卡）" in yesterday
    assert "2026-08-31 08:01:02" in yesterday
    english = (await client.get("/parts/alerts?lang=en")).text
    for words in ("anonymous (unknown card)", "Smoke alarm", "Call for help", "measure again"):
        assert words in english
    await client.post(f"/api/v1/alerts/{late}/acknowledge", data={"by": "nurse"})
    text = (await client.get("/parts/alerts?lang=zh")).text
    assert "08:01:02 · nurse" in text.partition("<details")[2]
    assert text.partition("<details")[0].count("<li") == 3


async def test_a_device_shows_what_tells_most_first(school: School, client: httpx.AsyncClient) -> None:
    await school.add(
        [reading(name, 50) for name in ("link_quality", "pressure", "co2", "battery", "temperature")]
        + [reading(f"voltage_l{phase}", 229 + phase, device="meter") for phase in (1, 2, 3)]
        + [reading("power_l2", 1500, device="meter"), reading("energy", 12.5, device="meter")]
    )
    text = (await client.get("/parts/rooms?lang=zh")).text
    air, meter = re.findall(r'<section class="device.*?</section>', text, re.DOTALL)
    assert re.findall(r'<span class="label">(.*?)</span>', air) == [
        "温度",
        "二氧化碳",
        "气压",
        "电量",
        "链路质量",
    ]
    assert air.count('<li class="lead">') == 2
    assert re.findall(r'<th scope="row">(.*?)</th>', meter) == ["功率", "电压"]
    assert re.findall(r"<b>(.*?)</b>", meter) == ["12.5", "1500", "230", "231", "232"]
    assert meter.count("–") == 2


async def test_the_chart_that_opens_by_itself(school: School, client: httpx.AsyncClient) -> None:
    async def proposed() -> str:
        school.hub.publish("series")
        text = (await client.get("/parts/rooms?lang=zh")).text
        found = re.search(r'data-chart="(\d+)"', text)
        id_ = int(found[1]) if found else 0
        return next((one.quantity for one in await school.store.series() if one.id == id_), "")

    await school.add([reading("open", 1), reading("status", 3)])
    assert await proposed() == ""
    await school.add([reading("illuminance", 300)])
    assert await proposed() == "illuminance"
    await school.add([reading("pm2_5", 3)])
    assert await proposed() == "pm2_5"
    await school.add([reading("co2", 500, time_ms=NOW_MS - 86_400_000)])
    assert await proposed() == "pm2_5"  # the other is of yesterday
    await school.add([reading("temperature", 20), reading("co2", 500, device="air-302")])
    assert await proposed() == "co2"


async def test_every_reason_of_a_gap_has_words() -> None:
    for reason in get_args(GapReason):
        assert REASONS[reason].zh != reason
    text = counts_text(
        {"thinned": 1200, "no_device_for_topic": 2, "no_device_for_message": 3, "new": 1}, "zh"
    )
    assert text == "抽稀 1,200，设备未登记 5，new 1"


async def test_marks_and_old_values(school: School, client: httpx.AsyncClient) -> None:
    await school.add(
        [
            reading("co2", 90_000, quality=Quality.OUT_OF_RANGE),
            reading("temperature", 21, device="cold", quality=Quality.UNCERTAIN),
            reading("power", 5, device="meter", time_ms=NOW_MS - 3_600_000),
        ]
    )
    text = (await client.get("/parts/rooms?lang=zh")).text
    assert "超出量程" in text
    assert "不确定" in text
    assert 'class=" old"' in text
    assert "1 小时前" in text


async def test_filter_and_more_rooms(school: School, client: httpx.AsyncClient) -> None:
    await school.add([reading("co2", 500, device=f"air-{n}", place=f"b/{n}") for n in range(100, 140)])
    first = (await client.get("/?lang=zh")).text
    assert first.count('<article class="room') == 30
    assert 'name="rooms" value="60"' in first
    more = (await client.get("/?rooms=30&rooms=60")).text
    assert more.count('<article class="room') == 40
    found = (await client.get("/parts/rooms", params={"filter": "B/13 二氧化碳", "lang": "zh"})).text
    assert found.count('<article class="room') == 10
    assert "没有符合条件" in (await client.get("/parts/rooms", params={"filter": "zzz", "lang": "zh"})).text
