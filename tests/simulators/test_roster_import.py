"""The files of a simulated roster are what a vault imports, whichever of them is taken."""

from __future__ import annotations

from pathlib import Path

from identity_vault.imports.headers import load_headers
from identity_vault.imports.problems import Problems
from identity_vault.imports.roster_apply import import_roster, read_roster
from identity_vault.imports.tables import read_tables
from identity_vault.imports.timetable_file import NEEDED, read_timetable
from simulators.larger_school import plan_of
from simulators.roster import roster
from simulators.roster_files import write_all
from simulators.school import School
from tests.vault.vault_parts import make_vault

SCHOOL = School(7, plan_of(60))


def test_a_vault_takes_each_file_and_finds_the_same_people_in_all(tmp_path: Path) -> None:
    write_all(SCHOOL, tmp_path)
    titles = load_headers()["roster"]
    entries = roster(SCHOOL)
    with make_vault(tmp_path) as vault:
        for at, name in enumerate(("roster.csv", "roster-gb18030.csv", "roster.xlsx")):
            files = read_roster(vault, [(name, (tmp_path / name).read_bytes())], titles)
            assert all(not content.unused for content in files.contents)
            plan = import_roster(vault, files)
            assert (len(plan.added), len(plan.changed)) == ((len(entries), 0) if at == 0 else (0, 0)), name


def test_a_vault_takes_the_timetable(tmp_path: Path) -> None:
    write_all(SCHOOL, tmp_path)
    table = read_tables("timetable.csv", (tmp_path / "timetable.csv").read_bytes())
    problems = Problems()
    lessons = list(
        read_timetable(load_headers()["timetable"].locate(table, NEEDED), {}, SCHOOL.class_ids, problems)
    )
    problems.raise_if_any()
    pe = [lesson for lesson in lessons if lesson.subject == "pe"]
    assert len(pe) == sum(away.subject == "pe" for one in SCHOOL.plan.classes for away in one.away)
