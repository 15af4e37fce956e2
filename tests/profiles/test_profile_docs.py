"""docs/profiles.md: its sample works, and it explains every setting and every reason."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from device_profiles import modbus_schema, schema
from device_profiles.examples import run_examples
from device_profiles.registry import BUNDLED, load_profile

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "profiles.md").read_text("utf-8")
SOURCES = BUNDLED.parent
MODBUS = ("modbus.py", "modbus_input.py", "rtu.py")


def test_the_samples_are_profiles_whose_examples_hold(tmp_path: Path) -> None:
    samples = re.findall(r"```toml\n(transport.*?)```", PAGE, re.DOTALL)
    assert len(samples) == 2
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
    ],
)
def test_every_setting_is_explained(model: type[BaseModel]) -> None:
    headings = {"fields": "`[[fields]]`", "examples": "## Examples", "commands": "`[[commands]]`"}
    missing = [name for name in model.model_fields if headings.get(name, f"`{name}`") not in PAGE]
    assert missing == []


def test_every_reason_is_explained() -> None:
    given: set[str] = set()
    for name in ("values.py", "times.py", "checks.py", "parsing.py", "decoder.py", *MODBUS):
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
