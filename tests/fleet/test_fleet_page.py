"""The fleet pages without a browser: who stands first, filters, scope, forms as a browser without scripts sends
them.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from collector.accounts.principal import Principal
from collector.fleet.trouble import SILENT_MS
from collector.records import Gateway, configurations, enrolment
from collector.records.enrolment import Certificate
from telemetry.configuration import BYTES_MAX, Running
from telemetry.quality import ClockQuality
from telemetry.status import Status
from tests.fleet.fleet_parts import make_version, modbus
from tests.web.conftest import GATEWAY, NOW_MS, SCHOOL, School

PLACE = f"/fleet/{SCHOOL}/{GATEWAY}"
KEY = (SCHOOL, GATEWAY)


@pytest.fixture
async def school(tmp_path: Path) -> AsyncIterator[School]:
    school = await School.open(tmp_path, lambda: NOW_MS)
    school.add_gateway()
    yield school
    await school.close()


@pytest.fixture
async def client(school: School) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=school.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def say(school: School, gateway: str = GATEWAY, ago_ms: int = 2_000, **changes: Any) -> None:
    """What a gateway said with its last status."""
    fields: dict[str, Any] = {
        "format": 1, "school": SCHOOL, "gateway": gateway, "time_ms": NOW_MS - ago_ms,
        "clock": ClockQuality.SYNCED, "software": "0.4.0", "started_ms": NOW_MS - 86_400_000,
        "buffer_batches": 0, "buffer_bytes": 0, "buffer_oldest_ms": None, "readings_in": 12_345,
        "readings_stored": 12_000, "dropped": {}, "configuration": Running(0, ""),
    } | changes  # fmt: skip
    seen = school.overview.of(SCHOOL, gateway)
    seen.status, seen.status_ms = Status(**fields), NOW_MS - ago_ms


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


async def get(client: httpx.AsyncClient, path: str, status: int = 200, **query: Any) -> str:
    answer = await client.get(path, params=query or None)
    assert answer.status_code == status, answer.text
    return answer.text


def rows(page: str) -> list[str]:
    return re.findall(r'<li id="gw-[a-z-]+?-(gw-[a-z0-9]+)"', page)


async def fleet_of_five(school: School) -> None:
    for name in ("gw-a", "gw-b", "gw-c", "gw-d"):
        school.records.add_gateway(Gateway(SCHOOL, name, f"key {name}", name, "active", 1))
    say(school)
    say(school, "gw-a", clock=ClockQuality.UNSYNCED, software="0.3.0", dropped={"null_value": 7})
    say(school, "gw-b", SILENT_MS + 1, buffer_batches=3, buffer_bytes=4_096)
    say(school, "gw-c", configuration=Running(0, "", 1, "unit 300 is none"))
    make_version(school.records, (SCHOOL, "gw-c"), modbus("301"))
    await school.records.run(lambda connection: enrolment.revoke_gateway(connection, SCHOOL, "gw-d", NOW_MS))


async def test_whoever_needs_somebody_stands_first(school: School, client: httpx.AsyncClient) -> None:
    await fleet_of_five(school)
    page = await get(client, "/fleet")
    assert rows(page) == ["gw-b", "gw-c", "gw-a", "gw-north", "gw-d"]
    text = text_of(page)
    for words in ("失联 请检查网关的电源和网络", "5 分钟前", "3 批 · 4.0 kB", "被拒绝 · 第 1 版： unit 300 is none",
                  "时钟未同步", "空值 7", "已吊销", "全部 5", "有问题 3", "失联 1", "配置未生效 1"):  # fmt: skip
        assert words in text, words
    english = text_of(await get(client, "/fleet", lang="en"))
    assert "silent Check its power and network" in english


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"show": "trouble"}, ["gw-b", "gw-c", "gw-a"]),
        ({"show": "silent"}, ["gw-b"]),
        ({"show": "configuration"}, ["gw-c"]),
        ({"filter": "0.3"}, ["gw-a"]),
        ({"filter": "失联"}, ["gw-b"]),
        ({"filter": "GW-A unit"}, []),
        ({"filter": "unit 300"}, ["gw-c"]),
        ({"show": "trouble", "rows": "2"}, ["gw-b", "gw-c"]),
    ],
)
async def test_filters(
    school: School, client: httpx.AsyncClient, query: dict[str, Any], found: list[str]
) -> None:
    await fleet_of_five(school)
    page = await get(client, "/parts/fleet", **query)
    assert rows(page) == found
    assert ("再显示 · 1" in text_of(page)) == ("rows" in query)


async def test_when_it_was_heard_comes_from_data_and_outlives_a_restart(
    school: School, client: httpx.AsyncClient
) -> None:
    assert "从未上线" in text_of(await get(client, "/fleet"))
    school.overview.load({KEY: NOW_MS - 60_000})
    text = text_of(await get(client, PLACE))
    assert "最近消息 1 分钟前" in text
    assert "一切正常" in text


async def test_an_empty_fleet_says_what_to_do(tmp_path: Path) -> None:
    school = await School.open(tmp_path, lambda: NOW_MS)
    transport = httpx.ASGITransport(app=school.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert "campus collector gateway invite" in await get(client, "/fleet")
    await school.close()


async def test_a_gateway_and_its_certificate(school: School, client: httpx.AsyncClient) -> None:
    say(school, dropped={f"reason_{at}": at for at in range(1, 8)})
    ends_ms = NOW_MS + 5 * 86_400_000
    row = Certificate("1", SCHOOL, GATEWAY, "f", b"", NOW_MS, ends_ms)
    await school.records.run(lambda connection: enrolment.add_certificate(connection, row))
    text = text_of(await get(client, PLACE))
    for words in (
        "证书快到期",
        "证书到期 2026-09-06",
        "0.4.0",
        "12,345 · 已入库 12,000",
        "reason_1 1",
        "自有配置",
    ):
        assert words in text, words


async def save(
    client: httpx.AsyncClient, toml: str, note: str = "", expected: str = "", **headers: str
) -> httpx.Response:
    parts = {"toml": (None, toml), "note": (None, note), "expected": (None, expected)}
    return await client.post(f"{PLACE}/configuration", files=parts, headers=headers)


async def test_the_editor_saves_and_shows_what_is_wrong(school: School, client: httpx.AsyncClient) -> None:
    say(school)
    answer = await save(client, '[[modbus]]\r\nname = "hall"\r\n', "三楼新装")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PLACE}?saved=1")
    text = text_of(await get(client, f"{PLACE}?saved=1"))
    for words in (
        "已保存为第 1 版",
        "待下发 · 第 1 版",
        "正在运行 网关自己的文件",
        "三楼新装",
        'name = "hall"',
    ):
        assert words in text, words
    expected = school.records.look_now(_newest).digest
    bad = '[batch]\n# </textarea><script>alert(1)</script>\n[collector]\nx = "y"\n'
    answer = await save(client, bad, "又改", expected)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    text = text_of(answer.text)
    for words in ("没有保存，请修改", "第 3 行 ：[collector] 不能在这里设置", "</textarea><script>alert(1)"):
        assert words in text, words
    assert 'value="又改"' in answer.text
    same = await save(client, '[[modbus]]\nname = "hall" # again\n', "", expected)
    assert same.headers["location"] == f"{PLACE}?saved=0"
    assert "没有产生新版本" in await get(client, f"{PLACE}?saved=0")


def _newest(connection: Any) -> Any:
    return configurations.find(connection, KEY)


async def test_nobody_overwrites_what_they_have_not_seen(school: School, client: httpx.AsyncClient) -> None:
    make_version(school.records, KEY, modbus("301"))
    answer = await save(client, "[batch]\ninterval_s = 9\n")
    assert answer.status_code == 412
    text = text_of(answer.text)
    assert "别人保存了新的版本" in text
    assert "interval_s = 9" in text
    assert school.records.look_now(_newest).version == 1
    again = re.search(r'name="expected" value="(\w+)"', answer.text)
    assert again is not None
    assert (await save(client, "[batch]\ninterval_s = 9\n", expected=again[1])).status_code == 303


async def test_history_difference_and_restoring(school: School, client: httpx.AsyncClient) -> None:
    for interval_s in (10, 30):
        make_version(school.records, KEY, modbus("301", interval_s=interval_s), f"每 {interval_s} 秒")
    assert "恢复这一版" in await get(client, PLACE)
    page = await get(client, f"{PLACE}/versions/2")
    assert '<span class="gone">- interval_s = 10</span>' in page
    assert '<span class="new">+ interval_s = 30</span>' in page
    assert "interval_s = 10" in text_of(await get(client, f"{PLACE}/versions/1"))
    text = text_of(await get(client, f"{PLACE}/difference", before="2", after="1"))
    assert "- interval_s = 30 + interval_s = 10" in text
    assert "没有差异" in await get(client, f"{PLACE}/difference", before="1", after="1")
    answer = await client.post(f"{PLACE}/versions/1/restore")
    assert answer.headers["location"] == f"{PLACE}?saved=3"
    assert (await client.post(f"{PLACE}/versions/3/restore")).headers["location"] == f"{PLACE}?saved=0"
    await get(client, f"{PLACE}/versions/4", 404)


async def test_numbers_with_gaps_and_another_language(school: School, client: httpx.AsyncClient) -> None:
    make_version(school.records, KEY, modbus("301", interval_s=10))
    state = configurations.State(*KEY, 7, "a" * 64, None, None, NOW_MS)
    await school.records.run(lambda connection: configurations.save_states(connection, [state]))
    assert "再发一次" in await get(client, PLACE)
    make_version(school.records, KEY, modbus("301", interval_s=30))
    assert "- interval_s = 10" in text_of(await get(client, f"{PLACE}/versions/8"))
    page = await get(client, f"{PLACE}/difference", before="1", after="8")
    other = re.search(r'<a class="language" href="([^"]+)"', page)
    assert other is not None
    english = await get(client, html.unescape(other[1]))
    assert "version 1 → 8" in text_of(english)
    assert "version 1 → 8" in text_of(await get(client, f"{PLACE}/difference?before=1&after=8"))


async def test_a_refused_one_can_be_sent_again(school: School, client: httpx.AsyncClient) -> None:
    make_version(school.records, KEY, modbus("301"))
    say(school, configuration=Running(0, "", 1, "modbus/301: no such port <b>"))
    page = await get(client, PLACE)
    text = text_of(page)
    for words in ("配置被拒绝", "被拒绝 第 1 版 modbus/301: no such port <b>", "再发一次"):
        assert words in text, words
    assert "port <b>" not in page


async def test_bodies_are_bounded(client: httpx.AsyncClient) -> None:
    assert (await save(client, "#" * (BYTES_MAX + 32 * 1024))).status_code == 413
    assert (await save(client, "#" * (BYTES_MAX - 1_000))).status_code == 303
    assert (await client.post(f"{PLACE}/configuration", content=b"x" * 20_000)).status_code == 303


async def test_another_page_cannot_save(client: httpx.AsyncClient) -> None:
    assert (await save(client, "", **{"Sec-Fetch-Site": "cross-site"})).status_code == 403


async def test_who_sees_what(school: School, client: httpx.AsyncClient) -> None:
    make_version(school.records, KEY, modbus("301"))
    make_version(school.records, KEY, modbus("302"))
    asks = Principal("weber", "facilities", frozenset({"gateways.read"}), frozenset({SCHOOL}))

    async def identify(_: Request) -> Principal:
        return asks

    school.app.state.identify = identify
    assert rows(await get(client, "/fleet")) == [GATEWAY]
    page = await get(client, PLACE)
    assert "<textarea" not in page
    assert "恢复" not in page
    assert 'name = "302"' in html.unescape(page)
    assert (await save(client, "")).status_code == 403
    assert (await client.post(f"{PLACE}/versions/1/restore")).status_code == 403
    asks = Principal("weber", "facilities", frozenset({"gateways.read"}), frozenset({"other-school"}))
    assert rows(await get(client, "/fleet")) == []
    for path in (PLACE, f"/parts{PLACE}", f"{PLACE}/versions/1", f"{PLACE}/difference?before=1&after=2"):
        await get(client, path, 404)
    asks = Principal("weber", "nurse", frozenset({"alerts.health"}))
    for path in ("/fleet", "/parts/fleet", PLACE):
        await get(client, path, 403)
