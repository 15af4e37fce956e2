"""docs/simulators.md: its sample is a school, and it explains every setting of one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from foundation.tomlfile import StrictModel
from simulators import plan
from simulators.cli import app
from simulators.plan_checks import load_plan
from simulators.school import School
from simulators.timetable import FIRST_MORNING_MS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "simulators.md").read_text("utf-8")
SECTIONS = [one for one in vars(plan).values() if isinstance(one, type) and issubclass(one, StrictModel)]


def test_the_sample_is_a_school_whose_devices_measure(tmp_path: Path) -> None:
    (sample,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "my.toml"
    file.write_text(sample, "utf-8")
    school = School(1, load_plan(file))
    for device in school.devices:
        assert school.quantities(device.id)
        for quantity in school.quantities(device.id):
            school.truth(device.id, quantity, FIRST_MORNING_MS)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_explained(section: type[StrictModel]) -> None:
    missing = [name for name in section.model_fields if not re.search(rf"\b{name}\b", PAGE)]
    assert missing == []


def test_every_command_is_listed() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group
    missing = [name for name in commands if f"`campus simulate {name}`" not in PAGE]
    assert missing == []
