"""A Modbus profile that cannot be used: the error names file, line, field and what was expected."""

import base64
from pathlib import Path

import pytest

from device_profiles.binding import bind
from device_profiles.examples import ZONE
from device_profiles.registry import Catalogue, WrongTransportError, load_profile
from edge_agent.config import load_config
from foundation.tomlfile import FileProblems
from telemetry.readings import SeriesTable

GOOD = """\
transport = "modbus"
name = { zh = "示例", en = "Example" }
vendor = "Example"
source = "https://example.org/manual"

[[fields]]
quantity = "temperature"
fc = 3
address = 1
type = "int16"
unit = "Cel"

[[fields]]
quantity = "open"
fc = 3
address = 2
type = "bit"
bit = 0

[[commands]]
name = "relay"
label = { zh = "继电器", en = "Relay" }
fc = 6
address = 1
values = { on = 1 }

[[examples]]
about = "one value"
input = "3@1: 200 1"
"""

SECOND_COMMAND = """\
[[commands]]
name = "relay"
label = { zh = "甲", en = "A" }
fc = 5
address = 0
low = 0
high = 1
"""
CASES = {
    "misspelt key": ("address = 1\ntype", "adress = 1\ntype", "FILE:9: fields[1].adress is not a setting"),
    "no type": ('type = "int16"\n', "", "FILE:6: fields[1].type is missing"),
    "other type": ('"int16"', '"word"', "FILE:10: fields[1].type "),
    "other function": ("fc = 3\naddress = 1", "fc = 6\naddress = 1", "FILE:8: fields[1].fc "),
    "address": ("address = 1\ntype", "address = 70000\ntype", "FILE:9: fields[1].address "),
    "manual's number": (
        "address = 1\ntype", "address = 65535\ntype = 'int32'\n#", "FILE:6: fields[1] reaches beyond address 65535",
    ),
    "unit": ('"Cel"', '"ppm"', "FILE:11: fields[1].unit cannot become Cel"),
    "no unit": ('unit = "Cel"\n', "", "FILE:6: fields[1] unit is missing"),
    "word order of one": (
        '"Cel"\n', '"Cel"\nword_order = "hi-lo"\n', "fields[1] word_order is for values of several registers",
    ),
    "sentinel of another sign": (
        '"Cel"\n', '"Cel"\nmissing = [65535]\n', "FILE:12: fields[1].missing 65535 is no int16: it is compared",
    ),
    "map of words": (
        '"Cel"\n', '"Cel"\nmap = { on = 1 }\n', "FILE:12: fields[1].map has the key 'on'; expected a whole number",
    ),
    "no bit": ("bit = 0\n", "", "FILE:13: fields[2] a bit of a register needs both"),
    "bit of a word": ('"Cel"\n', '"Cel"\nbit = 3\n', "FILE:6: fields[1] a bit of a register needs both"),
    "bit of a coil": ("fc = 3\naddress = 2", "fc = 1\naddress = 2", "FILE:13: fields[2] FC 1 and 2 read single bits"),
    "twice": ('"open"', '"temperature"\nunit = "K"', "FILE:1: temperature is given by two fields"),
    "registers_max": ("vendor", "registers_max = 126\nvendor", "FILE:3: registers_max "),
    "parity": ("vendor", 'serial = { parity = "E" }\nvendor', "FILE:3: serial.parity "),
    "unit id": ("vendor", "unit_id = 255\nvendor", "FILE:3: unit_id "),
    "no limits": ("values = { on = 1 }\n", "", "FILE:20: commands[1] needs values, or low and high"),
    "half a limit": ("values = { on = 1 }", "low = 1", "FILE:20: commands[1] low and high go together"),
    "limit crossed": ("values = { on = 1 }", "low = 3\nhigh = 2", "commands[1] low and high must rise within 0 to 65535"),
    "value too large": ("on = 1 }", "on = 65536 }", "commands[1] values.on must lie within 0 to 65535"),
    "two registers by FC 6": ("values =", "count = 2\nvalues =", "commands[1] FC 5, 6 and 22 write one bit or register"),
    "name": ('"relay"', '"Relay 1"', "FILE:21: commands[1].name "),
    "same command": (
        "[[examples]]", SECOND_COMMAND + "[[examples]]", "FILE:1: two commands have the same name",
    ),
    "topics": ("vendor", 'topics = ["x"]\nvendor', "FILE:3: topics is not a setting"),
}  # fmt: skip


def _load(folder: Path, old: str, new: str) -> str:
    assert old in GOOD
    path = folder / "family" / "model.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(GOOD.replace(old, new, 1), "utf-8")
    try:
        load_profile(path)
    except FileProblems as error:
        return str(error).replace(f"{path}", "FILE")
    return ""


@pytest.mark.parametrize(("old", "new", "message"), CASES.values(), ids=CASES)
def test_an_error_says_where_and_what(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in _load(tmp_path, old, new)


def test_a_value_wider_than_a_read_is_refused(tmp_path: Path) -> None:
    wide = _load(tmp_path, 'type = "int16"', 'type = "int32"')
    assert wide == ""
    path = tmp_path / "family" / "model.toml"
    path.write_text(path.read_text("utf-8").replace("vendor", "registers_max = 1\nvendor"), "utf-8")
    with pytest.raises(FileProblems, match="temperature needs 2 registers, more than registers_max"):
        load_profile(path)


def test_a_modbus_profile_is_no_device_of_a_broker() -> None:
    with pytest.raises(
        WrongTransportError, match=r'profile xy/md02 is no device .* its transport is "modbus"'
    ):
        bind(Catalogue().get("xy/md02"), device="d", place="p/r", address="a", table=SeriesTable(), zone=ZONE)


def test_a_gateway_that_names_one_under_mqtt_is_told_so(tmp_path: Path) -> None:
    key = base64.b64encode(bytes(32)).decode()
    path = tmp_path / "gateway.toml"
    path.write_text(GATEWAY.replace("KEY", key), "utf-8")
    with pytest.raises(FileProblems) as caught:
        load_config(path)
    (problem,) = caught.value.problems
    line = GATEWAY.splitlines().index('profile = "xy/md02"') + 1
    assert problem.place == f"{path}:{line}"
    assert problem.message.startswith(
        "device probe-1: profile xy/md02 is no device that publishes JSON over MQTT"
    )


GATEWAY = """\
[gateway]
school = "example-primary"
id = "gw-1"
key_file = "gateway.key"
data_dir = "data"

[collector]
public_key = "KEY"
mqtt = { host = "127.0.0.1" }

[[mqtt]]
name = "devices"
broker = { host = "127.0.0.1" }

[[mqtt.devices]]
id = "probe-1"
profile = "xy/md02"
place = "main/301"
"""
