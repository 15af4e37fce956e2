"""Configuration of the serial driver: what cannot work is said before anything is opened."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from device_profiles.registry import Catalogue
from edge_agent.config import load_config
from edge_agent.drivers.serial import config as config_module
from edge_agent.drivers.serial.config import SerialSource, find_problems
from firmware_bridges.osdp_keys import create_key
from foundation.tomlfile import FileProblems
from tests.serial.serial_rig import CATALOGUE, PROFILES, device

EDGE = PROFILES.parents[2] / "edge_agent"
SAMPLE = EDGE / "drivers" / "serial" / "serial.sample.toml"


def _problems(*sources: dict[str, Any]) -> list[str]:
    made = [
        SerialSource(**{"name": f"port-{at}", "port": f"/dev/{at}", **one}) for at, one in enumerate(sources)
    ]
    return [f"{'.'.join(map(str, where))}: {text}" for where, text in find_problems(made, CATALOGUE)]


def test_the_sample_is_a_configuration() -> None:
    tables = tomllib.loads(SAMPLE.read_text("utf-8"))["serial"]
    sources = [SerialSource(**table) for table in tables]
    assert list(find_problems(sources, Catalogue())) == []
    assert [len(source.devices) for source in sources] == [1, 2]


def test_good_sources() -> None:
    meters = [device("meter", address=str(at)) | {"id": f"meter-{at}"} for at in (1, 2)]
    assert not _problems(
        {"devices": [device("dust", only=["pm10"])]},
        {"devices": [device("gas", interval_s=5)]},
        {"devices": meters},
        {"devices": [device("dust-any")]},
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"devices": [device("dusk")]}, "did you mean"),
        ({"devices": [device("dust", profile="renke/rs-ws-n01")]}, "is no board on a serial line"),
        ({"devices": [device("dust", only=["co2"])]}, "does not give co2"),
        ({"devices": [device("dust", address="1")]}, "without an address"),
        ({"devices": [device("dust", interval_s=1)]}, "no interval to set"),
        ({"devices": [device("meter", address="xyz")]}, "address"),
        ({"devices": [device("dust"), device("dust-any")]}, "name no sender"),
        ({"devices": [device("dust"), device("gas")]}, "cannot carry frames of plantower and winsen"),
        ({"devices": [device("meter"), device("meter", id="b", address="2")]}, "needs its address"),
        (
            {"devices": [device("meter", address="2"), device("meter", id="b", address="2")]},
            "meter has this address already",
        ),
    ],
)
def test_what_cannot_work(source: dict[str, Any], said: str) -> None:
    problems = _problems(source)
    assert len(problems) == 1
    assert said in problems[0]
    assert problems[0].startswith("serial.0")


def test_a_port_has_one_reader() -> None:
    twice = {"port": "/dev/ttyUSB0", "devices": [device("dust")]}
    assert "uses /dev/ttyUSB0 already" in _problems(twice, twice)[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": "ttyUSB0"}, {"baud": 100}, {"parity": "mark"}, {"stop_bits": 3}, {"devices": []},
        {"devices": [device("dust", place="")]}, {"speed": 9_600},
    ],
)  # fmt: skip
def test_what_is_no_setting(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SerialSource(**{"name": "port", "port": "/dev/x", "devices": [device("dust")], **wrong})


def test_the_library_is_not_loaded_by_the_configuration() -> None:
    assert "serialx" not in vars(config_module)


def test_a_port_is_of_one_transport(tmp_path: Path) -> None:
    tables = """
[[modbus]]
name = "bus"
serial = { port = "/dev/a" }
[[modbus.devices]]
id = "air"
profile = "renke/rs-ws-n01"
place = "main/301"
unit = 1

[[serial]]
name = "dust"
port = "/dev/a"
[[serial.devices]]
id = "pm"
profile = "plantower/pms5003"
place = "main/301"

[[serial]]
name = "gas"
port = "/dev/b"
[[serial.devices]]
id = "co2"
profile = "winsen/mh-z19b"
place = "main/301"

[[osdp]]
name = "readers"
port = "/dev/b"
[[osdp.readers]]
id = "reader"
place = "main/gate"
address = 1
key_file = "reader.key"
"""
    create_key(tmp_path / "reader.key")
    main = EDGE / "gateway.sample.toml"
    (tmp_path / "profiles").mkdir()
    file = tmp_path / "gateway.toml"
    file.write_text(main.read_text("utf-8").split("# Devices that publish over MQTT")[0] + tables, "utf-8")
    with pytest.raises(FileProblems) as caught:
        load_config(file)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 2
    assert said[0].endswith("dust: bus uses /dev/a already")
    assert said[1].endswith("readers: gas uses /dev/b already")
