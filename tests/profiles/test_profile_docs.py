"""docs/profiles.md and profiles-bytes.md: their samples work, every setting and reason is explained."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from device_profiles import (
    ble_schema,
    bytes_schema,
    http_schema,
    lorawan_schema,
    modbus_schema,
    schema,
    serial_schema,
)
from device_profiles.examples import run_examples
from device_profiles.registry import BUNDLED, load_profile

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = "\n".join((DOCS / name).read_text("utf-8") for name in ("profiles.md", "profiles-bytes.md"))
SOURCES = BUNDLED.parent
BYTES = (
    "bytes_decoder.py",
    "ble.py",
    "ble_input.py",
    "serial.py",
    "lorawan.py",
    "named_people.py",
    "cards.py",
)
MODBUS = ("modbus.py", "modbus_input.py", "rtu.py")


def test_the_samples_are_profiles_whose_examples_hold(tmp_path: Path) -> None:
    samples = re.findall(r"```toml\n(transport.*?)```", PAGE, re.DOTALL)
    assert len(samples) == 4
    for number, sample in enumerate(samples):
        path = tmp_path / "example" / f"classroom-{number}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(sample, "utf-8")
        assert run_examples(load_profile(path)) == []


@pytest.mark.parametrize(
    "model",
    [
        schema.MqttJsonProfile,
        schema.FieldRow,
        schema.Example,
        schema.ExpectedReading,
        schema.ExpectedCheck,
        modbus_schema.ModbusProfile,
        modbus_schema.SerialLine,
        modbus_schema.RegisterRow,
        modbus_schema.Command,
        modbus_schema.ModbusExample,
        bytes_schema.BytesRow,
        bytes_schema.ShownRow,
        bytes_schema.PayloadRows,
        bytes_schema.BytesExample,
        bytes_schema.CardRow,
        bytes_schema.CheckRow,
        ble_schema.BleProfile,
        ble_schema.Packet,
        serial_schema.SerialProfile,
        serial_schema.Line,
        serial_schema.Poll,
        lorawan_schema.LorawanProfile,
        lorawan_schema.UplinkRows,
        http_schema.HttpProfile,
        http_schema.HttpExample,
        http_schema.ExpectedPersonCheck,
        http_schema.ExpectedPass,
    ],
)
def test_every_setting_is_explained(model: type[BaseModel]) -> None:
    headings = {"fields": "`[[fields]]`", "examples": "## Examples", "commands": "`[[commands]]`"}
    missing = [name for name in model.model_fields if headings.get(name, f"`{name}`") not in PAGE]
    assert missing == []


def test_every_reason_is_explained() -> None:
    given: set[str] = set()
    for name in ("values.py", "times.py", "checks.py", "parsing.py", "decoder.py", *MODBUS, *BYTES):
        text = (SOURCES / name).read_text("utf-8")
        given |= set(
            re.findall(
                r"\"((?:not|no|bad|unknown|too|device_time|retained|temperature|wrong|missing)_[a-z_]+)\"",
                text,
            )
        )
    assert len(given) > 20
    given -= {"temperature_c"}
    assert {word for word in given if f"`{word}`" not in PAGE} == set()
