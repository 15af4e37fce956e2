"""What can be wrong with [[http]] in a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from device_profiles.http_schema import HttpExample, HttpProfile
from device_profiles.registry import Catalogue
from device_profiles.schema import ModelProfile
from edge_agent.config import load_config
from edge_agent.drivers.http_push import config as room
from edge_agent.drivers.http_push.config import HttpDevice, HttpSource, find_problems
from foundation.tomlfile import FileProblems

MAIN = Path(room.__file__).parents[2] / "gateway.sample.toml"
PAGE = (Path(room.__file__).parents[3] / "docs" / "http-push.md").read_text("utf-8")
SAMPLE = Path(room.__file__).with_name("http.sample.toml")
DEVICE: dict[str, Any] = {
    "id": "gate-1",
    "profile": "hikvision/isapi",
    "place": "main/gate",
    "token_file": Path("gate.token"),
}


def configure(folder: Path, tables: str) -> Path:
    (folder / "profiles").mkdir()
    file = folder / "gateway.toml"
    file.write_text(
        MAIN.read_text("utf-8").split("# Devices that publish over MQTT")[0] + "\n" + tables, "utf-8"
    )
    return file


def test_the_sample_completes_a_configuration(tmp_path: Path) -> None:
    found = load_config(configure(tmp_path, SAMPLE.read_text("utf-8"))).http[0]
    assert [device.id for device in found.devices] == ["gate-1", "thermometer-1"]
    assert found.devices[0].password_file == tmp_path / "gate-1.password"
    assert found.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token_file": None}, "needs either"),
        ({"username": "a", "password_file": Path("b")}, "needs either"),
        ({"username": "a"}, "go together"),
        ({"path": "gate"}, "must be a path"),
        ({"path": "/gate?token=a"}, "must be a path"),
        ({"path": "/"}, "must be a path"),
        ({"username": "a:b", "password_file": Path("b"), "token_file": None}, "pattern"),
    ],
)
def test_a_device_without_a_credential_or_path_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HttpDevice.model_validate(DEVICE | change)


def test_problems_are_told_with_their_place() -> None:
    twice = HttpSource.model_validate(
        {
            "name": "a",
            "port": 8090,
            "devices": [
                DEVICE,
                DEVICE | {"id": "gate-2", "path": "/gate-1"},
                DEVICE | {"id": "air", "profile": "renke/rs-ws-n01"},
                DEVICE | {"id": "odd", "profile": "no/such"},
            ],
        }
    )
    again = HttpSource.model_validate({"name": "b", "port": 8090, "devices": [DEVICE | {"id": "gate-3"}]})
    found = dict(find_problems([twice, again], Catalogue(), ZoneInfo("Asia/Shanghai")))
    assert set(found) == {
        ("http", 0, "devices", 1, "path"),
        ("http", 0, "devices", 2, "profile"),
        ("http", 0, "devices", 3, "profile"),
        ("http", 1, "port"),
    }
    assert 'its transport is "modbus"' in found["http", 0, "devices", 2, "profile"]


@pytest.mark.parametrize("model", [HttpSource, HttpDevice, HttpProfile, HttpExample])
def test_every_setting_is_explained(model: type[BaseModel]) -> None:
    shown = PAGE + SAMPLE.read_text("utf-8")
    mine = set(model.model_fields) - set(ModelProfile.model_fields)
    assert [name for name in sorted(mine) if name not in shown] == []


def test_a_file_is_refused_whole_with_its_line(tmp_path: Path) -> None:
    text = SAMPLE.read_text("utf-8").replace('profile = "hikvision/isapi"', 'profile = "hikvision/isap"')
    with pytest.raises(FileProblems, match=r"gateway.toml:\d+: device gate-1: .*hikvision/isapi"):
        load_config(configure(tmp_path, text))
