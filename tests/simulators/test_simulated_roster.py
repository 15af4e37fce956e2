"""The roster: invented people, each number once, ages that fit, and files that say the same."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from device_profiles.registry import Catalogue
from simulators.cli import app
from simulators.larger_school import BANDS, plan_of
from simulators.plan import default_plan
from simulators.plan_checks import plan_problems
from simulators.roster import CONSENT_DATE, OWN_CONSENT_AGE, SCHOOL_YEAR, roster
from simulators.roster_files import COLUMNS, write_all
from simulators.school import School
from telemetry.purposes import PURPOSES

LARGE = School(7, plan_of(800))
ENTRIES = roster(LARGE)


def test_every_number_belongs_to_one_person_only() -> None:
    phones = [one.phone for entry in ENTRIES for one in entry.guardians]
    for found in (
        [entry.student_number for entry in ENTRIES],
        [one for entry in ENTRIES for one in (*entry.cards, *entry.station_ids)],
        [one for entry in ENTRIES for one in entry.bands],
        phones,
    ):
        assert len(set(found)) == len(found)
    assert len(ENTRIES) == 800
    assert sum(len(entry.bands) for entry in ENTRIES) == BANDS
    assert {len(phone) for phone in phones} == {11}


def test_ages_fit_the_grade_and_numbers_the_birth_date() -> None:
    for entry in ENTRIES:
        grade = int(entry.pupil.class_id[0])
        assert entry.age_on(date(SCHOOL_YEAR, 8, 31)) == 5 + grade
        digits = entry.student_number.removeprefix("G")
        assert (len(digits), digits[6:14]) == (18, f"{entry.birth_date:%Y%m%d}")
        assert int(digits[16]) % 2 == (entry.sex == "male")


def test_most_agree_to_everything_some_to_a_part_and_a_few_to_nothing() -> None:
    asked = tuple(purpose for purpose, info in PURPOSES.items() if info.needs_consent)
    everything = sum(entry.consents == asked for entry in ENTRIES)
    nothing = sum(not entry.consents for entry in ENTRIES)
    assert everything > 600
    assert 0 < nothing < 50
    assert everything + nothing < len(ENTRIES)


def test_only_those_of_fourteen_years_agree_for_themselves() -> None:
    plan = default_plan()
    older = plan.model_copy(
        update={
            "classes": tuple(
                one.model_copy(update={"id": f"{8 + at % 2}-{1 + at}"}) for at, one in enumerate(plan.classes)
            )
        }
    )
    found = roster(School(7, older))
    own = [entry for entry in found if entry.consent_by == "pupil"]
    assert 0 < len(own) < len(found)
    for entry in found:
        assert (entry in own) == (entry.age_on(CONSENT_DATE) >= OWN_CONSENT_AGE)


def test_the_same_seed_gives_the_same_people_and_no_repr_names_them() -> None:
    entries = roster(School(7))
    assert entries == roster(School(7)) != roster(School(8))
    for entry in entries:
        assert entry.name not in repr(entry)
        assert entry.guardians[0].name not in repr(entry.guardians)
        assert entry.cards[0] not in repr(entry)


def test_the_three_files_say_the_same(tmp_path: Path) -> None:
    write_all(LARGE, tmp_path)
    own = list(csv.DictReader((tmp_path / "roster.csv").read_text("utf-8").splitlines()))
    office = list(csv.DictReader((tmp_path / "roster-gb18030.csv").read_text("gb18030").splitlines()))
    book = openpyxl.load_workbook(tmp_path / "roster.xlsx")
    sheet = book.active
    assert sheet is not None
    rows = [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)]
    assert rows[0] == list(COLUMNS.values())
    assert [list(one.values()) for one in office] == rows[1:]
    for entry, one, zh in zip(ENTRIES, own, office, strict=True):
        assert one["name"] == zh["姓名"] == entry.name
        assert one["student_number"] == zh["学籍号"] == entry.student_number
        assert one["birth_date"].replace("-", "") == zh["出生日期"]
        assert one["guardian1_phone"] == zh["监护人1电话"] == entry.guardians[0].phone
        agreed = tuple(purpose for purpose in PURPOSES if one.get(f"consent:{purpose}"))
        assert agreed == entry.consents == tuple(p for p in PURPOSES if zh.get(f"同意:{PURPOSES[p].zh}"))
    lessons = list(csv.DictReader((tmp_path / "timetable.csv").read_text("utf-8").splitlines()))
    assert {one["class"] for one in lessons if one["subject"] == "pe"} == set(LARGE.class_ids)


@given(st.integers(1, 3_000))
@settings(max_examples=8, deadline=None)
def test_a_school_of_any_size_is_a_sound_plan(pupils: int) -> None:
    plan = plan_of(pupils)
    assert plan.pupils == pupils
    assert not list(plan_problems(plan, Catalogue()))


@pytest.mark.parametrize("pupils", [0, 1_000_000])
def test_a_school_that_cannot_be_is_refused(pupils: int, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["roster", "--out", str(tmp_path), "--pupils", str(pupils)])
    assert result.exit_code == 2
    assert "a school has 1 to" in result.output


def test_the_command_writes_the_files(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["roster", "--out", str(tmp_path / "new"), "--pupils", "50"])
    assert result.exit_code == 0, result.output
    assert len((tmp_path / "new" / "roster.csv").read_text("utf-8").splitlines()) == 51
