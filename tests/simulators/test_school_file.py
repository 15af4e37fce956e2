"""``school.toml``: the default holds together, and a broken one is told by line, cause and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_profiles.registry import Catalogue
from foundation.tomlfile import FileProblems
from simulators.devices import Simulation
from simulators.layout import gateways
from simulators.plan import BUNDLED, default_plan
from simulators.plan_checks import load_plan, plan_problems
from simulators.school import School
from simulators.timetable import FIRST_MORNING_MS, Timeline

SMALL = """\
[school]
id = "small"
name = { zh = "小学", en = "Small school" }

[buildings]
main = { zh = "楼", en = "House" }

[[rooms]]
place = "main/1"
kind = "classroom"
name = { zh = "一", en = "One" }
volume_m3 = 150
seats = 20

[[rooms]]
place = "main/yard"
kind = "yard"
name = { zh = "院", en = "Yard" }
seats = 30

[[classes]]
id = "1-1"
room = "main/1"
pupils = 20
away = [{ subject = "pe", day = "tue", lesson = 1, place = "main/yard" }]

[timetable]
days = ["mon", "tue"]
check_window = ["08:00", "08:30"]
periods = [
  { start = "08:00", phase = "arriving" },
  { start = "09:00", phase = "lesson" },
  { start = "10:00", phase = "closed" },
]

[[gateways]]
id = "gw"
name = { zh = "网关", en = "Gateway" }
adapters = ["hci0"]

[[buses]]
name = "bus"

[[fridges]]
id = "fridge"
place = "main/1"

[[devices]]
id = "air"
profile = "json/environment"
place = "main/1"
gateway = "gw"
mqtt = { address = "air-1", topic = "here/air" }

[[devices]]
id = "power"
profile = "peacefair/pzem-016"
place = "main/1"
gateway = "gw"
modbus = { bus = "bus", unit = 1 }
"""


def load(folder: Path, text: str) -> School:
    file = folder / "school.toml"
    file.write_text(text, "utf-8")
    return School(3, load_plan(file))


def test_the_bundled_school_has_no_problems() -> None:
    assert list(plan_problems(default_plan(), Catalogue())) == []
    assert load_plan(BUNDLED) == default_plan()


def test_a_small_school_can_be_written_by_hand(tmp_path: Path) -> None:
    school = load(tmp_path, SMALL)
    assert (school.id, school.name, len(school.pupils)) == ("small", ("小学", "Small school"), 20)
    assert school.place_label("main/1") == ("楼 一", "House One")
    assert [device.id for device in school.on("modbus", "gw")] == ["power"]
    assert school.on("ble") == ()
    air = school.device("air")
    assert Simulation(school, Timeline()).topic(air) == "here/air"
    (gateway,) = gateways(school)
    assert [one["topics"] for one in gateway.devices if "topics" in one] == [["here/air"]]
    for device in school.devices:
        for quantity in school.quantities(device.id):
            school.truth(device.id, quantity, FIRST_MORNING_MS)


@pytest.mark.parametrize(
    ("old", "new", "there", "words"),
    [
        ('place = "main/1"\nkind', 'place = "mian/1"\nkind', 'place = "mian/1"', "did you mean 'main'?"),
        ("volume_m3 = 150", "seats_ = 3", "seats_ = 3", "seats_ is not a setting"),
        ("volume_m3 = 150\n", "", "[[rooms]]", "a classroom needs volume_m3"),
        ("seats = 30", "volume_m3 = 99", '[[rooms]]\nplace = "main/yard"', "a yard is outdoors and has no volume_m3"),
        ('kind = "yard"', 'kind = "field"', 'kind = "field"', "kind"),
        ('room = "main/1"', 'room = "main/2"', 'room = "main/2"', "there is no room 'main/2'"),
        ("pupils = 20", "pupils = 21", 'room = "main/1"', "class 1-1 has 21 pupils, main/1 has 20 seats"),
        ("lesson = 1,", "lesson = 2,", "away =", "tue lesson 2, but a day has 1 lessons"),
        ('day = "tue"', 'day = "tues"', "away =", "must be one of mon, tue"),
        ("pupils = 20", "pupils = 20\nboarders = 21", "boarders", "has 20 pupils, so no 21 boarders"),
        ('days = ["mon"', 'evening_room = "main/3"\ndays = ["mon"', "evening_room", "there is no room 'main/3'"),
        ("seats = 30", "seats = 10", "away =", "main/yard has 10 seats, but 20 pupils in tue lesson 1"),
        ('"09:00"', '"9:00"', '  { start = "9:00"', "time of day"),
        ('"09:00"', '"07:00"', "[timetable]", "in the order of the day"),
        ('phase = "closed"', 'phase = "study"', "[timetable]", "the last of the periods"),
        ('"fridge"\nplace = "main/1"', '"fridge"\nplace = "main/yard"', 'place = "main/yard"\n\n[[devices]]', "stands outdoors"),
        ('"json/environment"', '"json/enviroment"', 'profile = "json/env', "did you mean json/environment"),
        ('"json/environment"', '"renke/rs-ws-n01"', 'profile = "renke', 'is for "modbus", the device for "mqtt"'),
        ('id = "power"', 'id = "air"', '[[devices]]\nid = "air"\nprofile = "peace', "'air' is there twice"),
        ('bus = "bus"', 'bus = "bsu"', "modbus =", "did you mean 'bus'?"),
        ("unit = 1 }", 'unit = 1 }\nhttp = { path = "/x" }', '[[devices]]\nid = "power"', "has modbus and http; a device has one transport"),
        ('gateway = "gw"\nmodbus', 'gateway = "wg"\nmodbus', 'gateway = "wg"', "there is no gateway 'wg'"),
        ("unit = 1 }", "unit = 1 }\nwearer = 20", "wearer", "no pupil 20; the last one is 19"),
        ("unit = 1 }", 'unit = 1 }\nfridge = "f"', 'fridge = "f"', "there is no fridge 'f'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, there: str, words: str
) -> None:
    assert SMALL.count(old) == 1
    broken = SMALL.replace(old, new, 1)
    line = broken[: broken.index(there)].count("\n") + 1
    with pytest.raises(FileProblems) as caught:
        load(tmp_path, broken)
    problems = [str(problem) for problem in caught.value.problems]
    assert any(f"school.toml:{line}:" in one and words in one for one in problems), problems


def test_an_evening_room_must_seat_the_boarders(tmp_path: Path) -> None:
    text = SMALL.replace("pupils = 20", "pupils = 20\nboarders = 15")
    text = text.replace('days = ["mon"', 'evening_room = "main/yard"\ndays = ["mon"')
    assert load(tmp_path, text).plan.timetable.evening_room == "main/yard"
    with pytest.raises(FileProblems, match="main/yard has 10 seats for 15 boarders"):
        load(tmp_path, text.replace("seats = 30", "seats = 10"))


def test_a_gateway_without_an_adapter_hears_no_bluetooth(tmp_path: Path) -> None:
    tag = '[[devices]]\nid = "tag"\nprofile = "ruuvi/ruuvitag"\nplace = "main/1"\ngateway = "gw"\n'
    tag += 'ble = { address = "C4:7C:8D:00:00:01"ADAPTER }\n'
    assert load(tmp_path, SMALL + tag.replace("ADAPTER", "")).on("ble")
    with pytest.raises(FileProblems, match="there is no adapter 'hci7'; did you mean 'hci0'"):
        load(tmp_path, SMALL + tag.replace("ADAPTER", ', adapter = "hci7"'))
    with pytest.raises(FileProblems, match="gw has no adapters"):
        load(tmp_path, (SMALL + tag).replace("ADAPTER", "").replace('adapters = ["hci0"]', ""))


def test_two_devices_of_one_address_are_told(tmp_path: Path) -> None:
    twin = SMALL.partition("[[devices]]\n" + 'id = "power"')[2]
    with pytest.raises(FileProblems, match="power has the same modbus address"):
        load(tmp_path, SMALL + '\n[[devices]]\nid = "power-2"' + twin)
