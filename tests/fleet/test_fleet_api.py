"""The API of configurations: made, read, compared, restored; lost updates and bad texts are refused."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from collector.accounts.principal import Principal
from collector.records import configurations
from collector.records.configurations import State
from collector.web.boundary import BODY_BYTES_MAX, body_bytes_max
from telemetry.configuration import BYTES_MAX, Running, split
from telemetry.quality import ClockQuality
from telemetry.status import Status
from tests.web.conftest import GATEWAY, NOW_MS, SCHOOL, School

PLACE = f"/api/v1/gateways/{SCHOOL}/{GATEWAY}"
HALL = """
[[modbus]]
name = "hall"
tcp = { host = "192.0.2.7" }

[[modbus.devices]]
id = "air-301"           # a comment
profile = "renke/rs-ws-n01"
place = "main/301"
unit = 1
interval_s = 10
"""
BAND = """[[ble]]
name = "radio"
[[ble.devices]]
id = "band-17"
profile = "sig/heart-rate"
address = "C4:7C:8D:00:00:03"
"""
TOML = {"Content-Type": "application/toml"}


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


async def put(client: httpx.AsyncClient, text: str = HALL, status: int = 200, **parts: Any) -> Any:
    headers = TOML | parts.pop("headers", {})
    answer = await client.put(f"{PLACE}/configuration", content=text, headers=headers, params=parts)
    assert answer.status_code == status, answer.text
    return answer.json()


async def get(client: httpx.AsyncClient, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


def by(school: School, principal: Principal) -> None:
    async def identify(_: Request) -> Principal:
        return principal

    school.app.state.identify = identify


async def test_it_is_made_read_and_told_in_two_notations(school: School, client: httpx.AsyncClient) -> None:
    assert (await get(client, f"{PLACE}/configuration"))["state"] == "own"
    made = await put(client, note="每 10 秒读一次")
    assert (made["version"], made["new"], made["note"], made["made_by"]) == (
        1,
        True,
        "每 10 秒读一次",
        "console",
    )
    found = await get(client, f"{PLACE}/configuration")
    assert (found["state"], found["running"], found["refused"]) == ("waiting", None, None)
    wanted = found["wanted"]
    assert tomllib.loads(wanted["toml"]) == wanted["configuration"] == tomllib.loads(HALL)
    answer = await client.put(f"{PLACE}/configuration", json=wanted["configuration"])
    assert answer.json() | {"new": True} == made
    assert answer.headers["etag"] == f'"{wanted["digest"]}"'
    assert school.hub.published["gateways"] == 2


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (Running(0, ""), "waiting"),
        (Running(0, "", 1, "unit 300 is none"), "refused"),
        (Running(0, "", 9, "another one"), "waiting"),
        (None, "unable"),
    ],
)
async def test_states(school: School, client: httpx.AsyncClient, said: Running | None, state: str) -> None:
    made = await put(client)
    seen = school.overview.of(SCHOOL, GATEWAY)
    seen.see(_status(said), NOW_MS - 5_000)
    found = await get(client, f"{PLACE}/configuration")
    assert (found["state"], found["reported_ms"]) == (state, NOW_MS - 5_000)
    refused = {"version": said.refused, "reason": said.reason} if said and said.refused else None
    assert found["refused"] == refused
    seen.status = _status(Running(1, made["digest"]))
    assert (await get(client, f"{PLACE}/configuration"))["state"] == "same"
    seen.status = _status(Running(1, "0" * 64))
    assert (await get(client, f"{PLACE}/configuration"))["state"] == "waiting"


def _status(running: Running | None) -> Status:
    return Status(1, SCHOOL, GATEWAY, 1, ClockQuality.SYNCED, "0.1", 1, 0, 0, None, 0, 0, {}, running)


async def test_what_it_said_before_a_restart_is_known(school: School, client: httpx.AsyncClient) -> None:
    made = await put(client)
    told = State(SCHOOL, GATEWAY, 1, made["digest"], None, None, NOW_MS - 60_000)
    await school.records.run(lambda connection: configurations.save_states(connection, [told]))
    found = await get(client, f"{PLACE}/configuration")
    assert (found["state"], found["running"], found["reported_ms"]) == ("same", 1, NOW_MS - 60_000)


async def test_nobody_overwrites_what_they_have_not_seen(client: httpx.AsyncClient) -> None:
    first = await client.get(f"{PLACE}/configuration")
    assert first.headers["etag"] == '""'
    made = await put(client, headers={"If-Match": '""'})
    problem = await put(client, "[batch]\ninterval_s = 5\n", 412, headers={"If-Match": '""'})
    assert "changed-meanwhile" in problem["type"]
    for wrong in ("W/x", "", '"', f'W/"{made["digest"]}"', made["digest"]):
        await put(client, "[batch]\ninterval_s = 5\n", 412, headers={"If-Match": wrong})
    for at, good in enumerate((f'"{made["digest"]}"', "*")):
        await put(client, f"[batch]\ninterval_s = {at + 5}\n", headers={"If-Match": good})
    assert (await get(client, f"{PLACE}/configuration"))["wanted"]["version"] == 3


async def test_history_difference_and_restoring(client: httpx.AsyncClient) -> None:
    for text in (HALL, HALL.replace("= 10", "= 30"), "[batch]\ninterval_s = 5\n"):
        await put(client, text)
    page = await get(client, f"{PLACE}/configurations?limit=2")
    assert ([one["version"] for one in page["items"]], page["next_cursor"]) == ([3, 2], "2")
    page = await get(client, f"{PLACE}/configurations?limit=2&cursor=2")
    assert ([one["version"] for one in page["items"]], page["next_cursor"]) == ([1], None)
    (section,) = (await get(client, f"{PLACE}/configurations/1/difference/2"))["sections"]
    assert (section["name"], section["change"]) == ("modbus/hall", "changed")
    assert "- interval_s = 10\n+ interval_s = 30\n" in section["text"]
    changes = (await get(client, f"{PLACE}/configurations/2/difference/3"))["sections"]
    assert [(one["name"], one["change"]) for one in changes] == [
        ("batch", "added"),
        ("modbus/hall", "removed"),
    ]
    assert (await get(client, f"{PLACE}/configurations/2/difference/2"))["sections"] == []
    answer = await client.post(f"{PLACE}/configurations/1/restore")
    made = answer.json()
    assert (made["version"], made["new"]) == (4, True)
    assert made["digest"] == (await get(client, f"{PLACE}/configurations/1"))["digest"]
    assert "恢复版本 1" in made["note"]
    assert (await client.post(f"{PLACE}/configurations/4/restore")).json()["new"] is False
    again = await client.post(f"{PLACE}/configurations/1/restore", headers={"If-Match": '"x"'})
    assert again.status_code == 412


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[batch\n", "line 1", "is not TOML"),
        ('\n[collector]\npublic_key = "x"\n', "line 2", "cannot come from the collector"),
        ('[[modbus]]\nname = "a"\n[[modbus]]\nname = "a"\n', "line 3", "two named a"),
        ("[batch]\nat = 2026-09-01\n", "line 1", "dates"),
        (f'[[modbus]]\nname = "a"\n[[modbus]]\nname = "{"n" * 65}"\n', "line 3", "at most 64"),
        (BAND, "line 3", "gateway's own gateway.toml"),
    ],
)  # fmt: skip
async def test_a_bad_text_is_told_by_its_line(
    client: httpx.AsyncClient, text: str, line: str, words: str
) -> None:
    problem = await put(client, text, 422, headers={"Accept-Language": "en"})
    assert problem["errors"][0]["parameter"] == line
    assert words in problem["errors"][0]["message"]
    assert words in problem["detail"]
    assert "C4:7C" not in str(problem)
    assert (await get(client, f"{PLACE}/configurations"))["items"] == []


WORN = 'id = "a", profile = "sig/heart-rate", place = "gym", address = "C4:7C:8D:00:00:17"'
ROOM = 'id = "t", profile = "ruuvi/ruuvitag", place = "gym", address = "C4:7C:8D:00:00:17"'


@pytest.mark.parametrize(
    "text",
    [
        f'[[ble]]\nname = "b"\ndevices = [{{ {WORN.replace("sig/", " Sig/")} }}]\n',
        f'[[ble]]\nname = "b"\ndevice = [{{ {WORN} }}]\n',
        f'[[ble]]\nname = "b"\n[ble.devices.x]\n{WORN.replace(", ", chr(10))}\n',
        f'[[ble]]\nname = "b"\nbands = [{{ {WORN} }}]\n',
        f'[[ble]]\nname = "b"\ndevices = [{{ {WORN.replace("profile", "model")} }}]\n',
        f'[[ble]]\nname = "b"\ndevices = [{{ {ROOM.replace("gym", "c4-7c-8d-00-00-18/x")} }}]\n',
        '[[ble]]\nname = "C4:7C:8D:00:00:17"\n',
        f'[[osdp]]\nname = "o"\nreaders = [{{ {WORN} }}]\n',
        '[[report]]\nmode = "every"\ndevices = ["band-C4:7C:8D:00:00:17"]\n',
        '[silence.after_s]\n"C4:7C:8D:00:00:17" = 3\n',
    ],
)
async def test_whose_band_it_is_slips_through_nowhere(
    school: School, client: httpx.AsyncClient, text: str
) -> None:
    problem = await put(client, text, 422)
    assert "C4:7C" not in str(problem)
    assert (await get(client, f"{PLACE}/configurations"))["items"] == []


@pytest.mark.parametrize(
    "address", ["24:E1:24:12:8B:00:00:17", "24-E1-24-12-8B-00-00-17", "C4:7C:8D:00:00:17"]
)
async def test_boxes_in_rooms_have_addresses_of_all_kinds(client: httpx.AsyncClient, address: str) -> None:
    device = {
        "id": address,
        "profile": "zigbee2mqtt/tuya-ts0601-air",
        "place": "main/301",
        "address": address,
    }
    source = {"name": "broker", "broker": {"host": "mqtt.example"}, "devices": [device]}
    assert (await client.put(f"{PLACE}/configuration", json={"mqtt": [source]})).status_code == 200


@pytest.mark.parametrize("profile", ["ruuvi/ruuvitag", "school/own-model"])
async def test_what_stands_in_rooms_may_have_an_address(client: httpx.AsyncClient, profile: object) -> None:
    device = {"id": "climate-301", "profile": profile, "place": "main/301", "address": "C4:7C:8D:00:00:01"}
    source = {"name": "radio", "devices": [device], "bands": [{"profile": "sig/heart-rate", "place": "gym"}]}
    answer = await client.put(f"{PLACE}/configuration", json={"ble": [source]})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("body", ["{", "[]", '{"batch": {"x": null}}', '{"batch": ' + "[" * 90_000, "\ud800"])
async def test_bad_json(client: httpx.AsyncClient, body: str) -> None:
    answer = await client.put(
        f"{PLACE}/configuration",
        content=body.encode("utf-8", "surrogatepass"),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422, answer.text


async def test_bodies_are_bounded_and_of_two_kinds(client: httpx.AsyncClient) -> None:
    await put(client, "#" * (BYTES_MAX + 1), 413)
    await put(client, "# " + "x" * (BYTES_MAX - 4))
    answer = await client.put(f"{PLACE}/configuration", content=b"a", headers={"Content-Type": "image/png"})
    assert answer.status_code == 415
    assert body_bytes_max(f"{PLACE}/configurations/1/restore") == BODY_BYTES_MAX
    assert body_bytes_max("/api/v1/gateways/a/b/c/configuration") == BODY_BYTES_MAX


@pytest.mark.parametrize("path", ["configuration", "configurations", "configurations/1",
                                  "configurations/1/difference/1"])  # fmt: skip
async def test_who_sees_a_school_and_who_does_not(
    school: School, client: httpx.AsyncClient, path: str
) -> None:
    await put(client)
    by(school, Principal("weber", "facilities", frozenset({"gateways.read"}), frozenset({SCHOOL})))
    await get(client, f"{PLACE}/{path}")
    await put(client, status=403)
    assert (await client.post(f"{PLACE}/configurations/1/restore")).status_code == 403
    by(school, Principal("weber", "nurse", frozenset({"alerts.health"})))
    await get(client, f"{PLACE}/{path}", 403)
    other = frozenset({"other-school"})
    by(school, Principal("weber", "admin", frozenset({"gateways.read", "configurations.manage"}), other))
    await get(client, f"{PLACE}/{path}", 404)
    await put(client, status=404)
    assert (await client.post(f"{PLACE}/configurations/1/restore")).status_code == 404


async def test_a_note_is_one_line_of_text(client: httpx.AsyncClient) -> None:
    made = await put(client, note="第一行\n\0second\x1b[31m")
    assert made["note"] == "第一行second[31m"
    await put(client, "", 422, note="x" * 201)


async def test_what_is_not_there(client: httpx.AsyncClient) -> None:
    await put(client)
    for path in (f"{PLACE}/configurations/2", f"{PLACE}/configurations/1/difference/2",
                 f"/api/v1/gateways/{SCHOOL}/gw-none/configuration"):  # fmt: skip
        await get(client, path, 404)
    for path in (f"{PLACE}/configurations/0", f"{PLACE}/configurations/{2**31}",
                 f"/api/v1/gateways/{SCHOOL}/UPPER/configuration"):  # fmt: skip
        await get(client, path, 422)


async def test_sections_are_sealed_in_the_file(
    school: School, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await put(client)
    await school.records.empty_journal()
    held = await asyncio.to_thread(lambda: [file.read_bytes() for file in tmp_path.glob("records.sqlite*")])
    assert held
    assert all(b"192.0.2.7" not in data for data in held)
    found = school.records.look_now(lambda c: configurations.sections(c, (SCHOOL, GATEWAY), 1))
    assert found == split(tomllib.loads(HALL))
