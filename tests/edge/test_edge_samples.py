"""The sample configurations: they are parsed, and no setting is missing in them."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from edge_agent import config as config_module
from edge_agent.config import GatewayConfig, load_config
from foundation.tomlfile import StrictModel, load

ROOM = Path(config_module.__file__).parent
MAIN = ROOM / "gateway.sample.toml"


def samples() -> list[Path]:
    return [MAIN, *sorted(ROOM.glob("drivers/**/*.sample.toml"))]


def test_the_gateway_sample_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    config = load_config(Path(shutil.copy(MAIN, tmp_path / "gateway.toml")))
    assert config.gateway.key_file == tmp_path / "gateway.key"
    assert config.mqtt[0].devices[0].id == "air-301"


def test_the_mqtt_sample_completes_a_configuration(tmp_path: Path) -> None:
    needed = MAIN.read_text("utf-8").split("# Devices that publish over MQTT")[0]
    (tmp_path / "profiles").mkdir()
    file = tmp_path / "gateway.toml"
    file.write_text(f"{needed}\n{(ROOM / 'drivers' / 'mqtt.sample.toml').read_text('utf-8')}", "utf-8")
    assert [device.id for device in load_config(file).mqtt[0].devices] == ["air-301", "pm-canteen"]


def test_every_setting_is_shown() -> None:
    shown = {
        name
        for file in samples()
        for line in file.read_text("utf-8").splitlines()
        for name in _names(line.lstrip("# "))
    }
    shown |= {name for file in samples() for name in _keys(tomllib.loads(file.read_text("utf-8")))}
    wanted = set(_settings(GatewayConfig))
    assert wanted - shown == set()


def test_the_defaults_are_those_of_the_sample() -> None:
    sample = load(MAIN, GatewayConfig)
    for section in ("batch", "buffer", "uplink"):
        field = GatewayConfig.model_fields[section]
        assert getattr(sample, section) == field.default, section


def _names(line: str) -> Iterator[str]:
    """Settings that a comment shows, or lists: "username, password_file as for …"."""
    name, equals, _ = line.partition(" = ")
    yield from (name.strip(),) if equals else ()
    yield from (word.strip(",") for word in line.partition(" as for ")[0].split() if " as for " in line)


def _keys(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for name, value in content.items():
            yield name
            yield from _keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from _keys(value)


def _settings(model: type[StrictModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for part in _models(field.annotation):
            yield from _settings(part)


def _models(annotation: Any) -> Iterator[type[StrictModel]]:
    if isinstance(annotation, type) and issubclass(annotation, StrictModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
