"""One change for many gateways: chosen, looked at, sent; each says by itself what became of it."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from collector.accounts.principal import Principal
from collector.fleet.many import Wish, read_wish
from collector.fleet.reading import TextProblemsError
from collector.records import Gateway, configurations
from collector.web import fleet_many
from telemetry.configuration import BYTES_MAX, ConfigurationError, split
from tests.fleet.fleet_parts import make_version, modbus
from tests.web.conftest import GATEWAY, NOW_MS, SCHOOL, School

PATH = "/fleet/many"
OTHER_SCHOOL = "example-middle"
BATCH = "[batch]\ninterval_s = 5\n"
SEEN = re.compile(r'name="seen" value="([^"]*)"')


@pytest.fixture
async def school(tmp_path: Path) -> AsyncIterator[School]:
    """Three gateways: two run the same bus, one its own file only; and one of another school."""
    school = await School.open(tmp_path, lambda: NOW_MS)
    school.add_gateway()
    for of, name in ((SCHOOL, "gw-b"), (SCHOOL, "gw-c"), (OTHER_SCHOOL, "gw-x")):
        school.records.add_gateway(Gateway(of, name, f"key {name}", name, "active", 1))
    for name in (GATEWAY, "gw-b"):
        make_version(school.records, (SCHOOL, name), modbus("hall"))
    yield school
    await school.close()


@pytest.fixture
async def client(school: School) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=school.app)
    headers = {"Accept": "text/html"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        yield client


def asked_by(school: School, principal: Principal) -> None:
    async def identify(_: Request) -> Principal:
        return principal

    school.app.state.identify = identify


async def post(
    client: httpx.AsyncClient,
    action: str,
    gateways: Sequence[str] = (f"{SCHOOL}/{GATEWAY}", f"{SCHOOL}/gw-b", f"{SCHOOL}/gw-c"),
    status: int = 200,
    **fields: str | list[str],
) -> str:
    sent = {"action": action, "gateway": list(gateways), "toml": BATCH, **fields}
    answer = await client.post(PATH, data=sent)
    assert answer.status_code == status, answer.text
    return html.unescape(answer.text)


async def newest(school: School, name: str) -> configurations.Version | None:
    return (await school.records.look(configurations.newest)).get((SCHOOL, name))


async def test_gateways_are_chosen_looked_at_and_changed(school: School, client: httpx.AsyncClient) -> None:
    page = (await client.get(PATH)).text
    assert re.findall(r'name="gateway" value="([^"]*)"', page) == [
        f"{OTHER_SCHOOL}/gw-x", f"{SCHOOL}/gw-b", f"{SCHOOL}/gw-c", f"{SCHOOL}/{GATEWAY}",
    ]  # fmt: skip
    assert PATH in (await client.get("/fleet")).text
    page = await post(client, "preview", removed="modbus/hall", note="全校 5 秒一批")
    groups = page.split('<section class="group"')[1:]
    assert [re.findall(r'href="/fleet/([^"]+)"', one) for one in groups] == [
        [f"{SCHOOL}/{GATEWAY}", f"{SCHOOL}/gw-b"],
        [f"{SCHOOL}/gw-c"],
    ]
    assert "modbus/hall" in groups[0]
    assert "+ interval_s = 5" in groups[1]
    assert "保存并下发到 3 台" in page
    assert await newest(school, "gw-c") is None, "nothing is saved by looking"
    done = await post(client, "send", seen=SEEN.findall(page), removed="modbus/hall", note="全校 5 秒一批")
    assert "3 台已保存" in done
    assert done.count("已保存为第 2 版") == 2
    for name, version in ((GATEWAY, 2), ("gw-b", 2), ("gw-c", 1)):
        made = await newest(school, name)
        assert made is not None
        assert (made.version, made.note) == (version, "全校 5 秒一批")
        sections = school.records.look_now(
            partial(configurations.sections, key=(SCHOOL, name), version=version)
        )
        assert sections == split({"batch": {"interval_s": 5}})


async def test_each_says_by_itself_what_became_of_it(school: School, client: httpx.AsyncClient) -> None:
    make_version(school.records, (SCHOOL, "gw-c"), split({"batch": {"interval_s": 5}}))
    names = [f"{SCHOOL}/{one}" for one in (GATEWAY, "gw-b", "gw-c", "gw-none")]
    page = await post(client, "preview", names)
    assert "这里没有登记网关 example-primary/gw-none" in page
    assert "内容没有变化：example-primary/gw-c" in page
    assert "保存并下发到 2 台" in page
    make_version(school.records, (SCHOOL, "gw-b"), modbus("gym"))
    done = await post(client, "send", names, seen=SEEN.findall(page))
    assert "2 台没有修改，1 台已保存" in done
    outcomes = dict(re.findall(r'<li class="(\w+)"><div><a href="/fleet/example-primary/([^"]+)"', done))
    assert {name: kind for kind, name in outcomes.items()} == {
        "gw-none": "failed", GATEWAY: "done", "gw-c": "same",
    }  # fmt: skip
    assert "预览以后别人保存了新的版本" in done
    made = await newest(school, "gw-b")
    assert made is not None
    assert made.version == 2, "what somebody else saved stands"
    # Those that were not changed are looked at again, and then they are.
    again = await post(client, "preview", [f"{SCHOOL}/gw-b"])
    done = await post(client, "send", [f"{SCHOOL}/gw-b"], seen=SEEN.findall(again))
    assert "已保存为第 3 版" in done


async def test_nothing_is_sent_that_was_not_looked_at(school: School, client: httpx.AsyncClient) -> None:
    done = await post(client, "send", [f"{SCHOOL}/gw-c"])
    assert "预览以后" in done
    assert await newest(school, "gw-c") is None


async def test_what_cannot_be_taken_comes_back_in_the_form(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fields, words in (
        ({"gateways": ()}, "没有选择网关"),
        ({"toml": ""}, "没有写任何修改"),
        ({"toml": "[batch\n"}, "不是有效的 TOML"),
        ({"toml": "[batch\n"}, "TOML：段名后面缺少 ]"),
        ({"toml": "[batch]\ninterval_s = five\n"}, "TOML：等号后面的值不对；文字要加引号"),
        ({"toml": "a = 1\na = 2\n"}, "TOML：Cannot overwrite a value"),
        ({"toml": '\n[collector]\npublic_key = "x"\n'}, "[collector] 不能在这里设置"),
        ({"toml": BATCH, "removed": "batch"}, "batch 又要写入又要删除"),
        ({"toml": "", "removed": "modbus\nreport"}, "没有 modbus 这种段"),
        ({"toml": "", "removed": "gate"}, "没有 gate 这种段"),
    ):
        page = await post(client, "preview", status=422, **fields)
        assert words in page
    page = await post(client, "send", status=422, toml='\n[collector]\npublic_key = "x"\n')
    assert 'data-line="2">第 2 行' in page
    monkeypatch.setattr(fleet_many, "GATEWAYS_MAX", 2)
    assert "一次最多" in await post(client, "preview", status=422)
    page = await post(client, "edit", removed="modbus/hall", note="为什么")
    assert page.count(" checked") == 3
    assert all(text in page for text in (BATCH.strip(), "modbus/hall", 'value="为什么"'))


async def test_only_the_own_schools_and_only_who_may(school: School, client: httpx.AsyncClient) -> None:
    admin = replace(Principal.of_role("wang", "admin"), schools=frozenset({SCHOOL}))
    asked_by(school, admin)
    assert OTHER_SCHOOL not in (await client.get(PATH)).text
    page = await post(client, "preview", [f"{OTHER_SCHOOL}/gw-x"])
    assert "没有登记网关" in page
    await post(client, "send", [f"{OTHER_SCHOOL}/gw-x"], seen=[f"{OTHER_SCHOOL}/gw-x "])
    assert (await school.records.look(configurations.newest)).get((OTHER_SCHOOL, "gw-x")) is None
    asked_by(school, Principal.of_role("he", "facilities"))
    assert (await client.get(PATH)).status_code == 403
    await post(client, "send", status=403)
    assert PATH not in (await client.get("/fleet")).text


async def test_a_revoked_gateway_is_left_alone(school: School, client: httpx.AsyncClient) -> None:
    school.records.revoke_gateway(SCHOOL, "gw-b", NOW_MS)
    assert f'value="{SCHOOL}/gw-b"' not in (await client.get(PATH)).text
    assert f"{SCHOOL}/gw-b：已吊销" in await post(client, "preview")
    assert "it is revoked" in (
        await client.post(
            PATH, data={"action": "preview", "gateway": f"{SCHOOL}/gw-b", "toml": BATCH}, headers={"Accept-Language": "en"}
        )
    ).text  # fmt: skip


def test_a_wish_leaves_the_rest_as_it_is() -> None:
    wish = read_wish(BATCH, " modbus/hall \n\nmodbus/gym\n")
    assert wish == Wish(split({"batch": {"interval_s": 5}}), frozenset({"modbus/hall", "modbus/gym"}))
    before = {**modbus("hall", "canteen"), "report": "{}"}
    assert wish.applied(before).keys() == {"batch", "modbus/canteen", "report"}
    with pytest.raises(ConfigurationError):
        wish.applied({"report": f'"{"x" * BYTES_MAX}"'})
    with pytest.raises(TextProblemsError, match="batch is to be written and to be removed"):
        read_wish(BATCH, "batch")
