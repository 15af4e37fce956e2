"""docs/profiles.md: its sample works, and it explains every setting and every reason."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from device_profiles import schema
from device_profiles.examples import run_example, untested
from device_profiles.registry import BUNDLED, load_profile

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "profiles.md").read_text("utf-8")
SOURCES = BUNDLED.parent


def test_the_sample_is_a_profile_whose_examples_hold(tmp_path: Path) -> None:
    sample = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
    path = tmp_path / "example" / "classroom.toml"
    path.parent.mkdir()
    path.write_text(sample, "utf-8")
    profile = load_profile(path)
    assert [p for example in profile.spec.examples for p in run_example(profile, example)] == []
    assert untested(profile) == []


@pytest.mark.parametrize(
    "model",
    [schema.MqttJsonProfile, schema.FieldRow, schema.Example, schema.ExpectedReading, schema.ExpectedCheck],
)
def test_every_setting_is_explained(model: type[BaseModel]) -> None:
    headings = {"fields": "`[[fields]]`", "examples": "## Examples"}
    missing = [name for name in model.model_fields if headings.get(name, f"`{name}`") not in PAGE]
    assert missing == []


def test_every_reason_is_explained() -> None:
    given: set[str] = set()
    for name in ("values.py", "times.py", "checks.py", "parsing.py", "decoder.py"):
        text = (SOURCES / name).read_text("utf-8")
        given |= set(
            re.findall(r"\"((?:not|no|bad|unknown|too|device_time|retained|temperature)_[a-z_]+)\"", text)
        )
    assert len(given) > 20
    given -= {"temperature_c"}
    assert {word for word in given if f"`{word}`" not in PAGE} == set()
