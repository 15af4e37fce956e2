"""`campus vault import …` as a school's secretary uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from identity_vault.audit import find, operator
from identity_vault.cli import app
from identity_vault.config import load_config
from identity_vault.roster import count_pupils
from identity_vault.vault import open_vault

PASSPHRASE = "four unrelated words here"
ROSTER = "学籍号,姓名,班级,出生日期,民族\n" + "".join(f"{at},示例{at},三1,2017-01-01,\n" for at in range(5))


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Commands set up logging for a whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new vault and the secretary's files."""
    folder = tmp_path_factory.mktemp("vault")
    (folder / "vault.toml").write_text(
        '[vault]\nschool = "example-primary"\nkey_file = "vault.key"\ndata_dir = "data"\n', "utf-8"
    )
    (folder / "passphrase").write_text(PASSPHRASE, "utf-8")
    (folder / "passphrase").chmod(0o600)
    made = CliRunner().invoke(app, ["init", *_where(folder)])
    assert made.exit_code == 0, made.output
    return folder


def _where(home: Path) -> list[str]:
    return [str(home / "vault.toml"), "--passphrase-file", str(home / "passphrase")]


def take(home: Path, what: str, file: str, content: str, *options: str) -> Result:
    (home / file).write_bytes(content.encode("gb18030"))
    arguments = ["import", what, *_where(home), str(home / file), *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def refused(result: Result) -> list[str]:
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)
    return result.stderr.splitlines()


def test_a_morning_of_imports(home: Path) -> None:
    tried = take(home, "roster", "roster.csv", ROSTER, "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert "nothing was changed" in tried.stdout
    done = take(home, "roster", "roster.csv", ROSTER)
    assert done.exit_code == 0, done.output
    assert "columns not used: 民族" in done.stdout
    again = take(home, "roster", "roster.csv", ROSTER)
    assert "Nothing has changed" in again.stdout
    fewer = take(home, "roster", "roster.csv", ROSTER[: ROSTER.index("4,")])
    assert "1 pupils of these classes stand in no file" in fewer.stdout
    gone = take(home, "roster", "roster.csv", ROSTER[: ROSTER.index("4,")], "--mark-left")
    assert re.search(r"marked as left +│ +1", gone.stdout), gone.output
    assert "Nothing has changed" not in gone.stdout
    timetable = take(
        home,
        "timetable",
        "timetable.csv",
        "班级,星期,开始时间,结束时间,科目\n三1,六,8:00,8:40,体育\n三1,一,10:00,10:40,体育\n",
    )
    assert "1 lessons are on Saturday or Sunday" in timetable.stdout, timetable.output
    assert "not PE alone" in timetable.stdout
    calendar = take(home, "calendar", "calendar.csv", "日期,类型\n2026-10-01,放假\n")
    assert calendar.exit_code == 0, calendar.output
    bookings = take(
        home, "bookings", "bookings.csv", "场地,日期,开始时间,结束时间\n操场,2026-10-09,8:00,8:40\n"
    )
    assert "1 bookings name no class" in bookings.stdout, bookings.output
    with open_vault(load_config(home / "vault.toml"), PASSPHRASE) as vault, vault.read() as connection:
        rows = [row for row in find(connection) if row.action.startswith("import_")]
    assert {row.action for row in rows} >= {"import_added", "import_left", "import_roster", "import_calendar"}
    assert {row.actor for row in rows} == {operator()}, "the audit says who it was"


def test_problems_are_lines_and_fifty_are_enough(home: Path) -> None:
    rows = "".join(f"9{at},示例{at},三1,2099-01-01\n" for at in range(80))
    said = refused(take(home, "roster", "many.csv", "学号,姓名,班级,出生日期\n" + rows))
    assert len(said) == 51
    assert (
        said[0]
        == f"error: {home}/many.csv:2 出生日期: makes an age outside 5 to 20 years; correct the date of birth"
    )
    assert said[-1] == "error: import: 30 more problems; nothing was imported"
    with open_vault(load_config(home / "vault.toml"), PASSPHRASE) as vault, vault.read() as connection:
        assert count_pupils(connection) <= 5


@pytest.mark.parametrize("what", ["roster", "timetable", "calendar", "bookings"])
def test_wrong_files_are_said_in_words(home: Path, what: str) -> None:
    (line, last) = refused(take(home, what, "wrong.csv", "示例甲,15400000001\n"))
    assert "none of its first 10 rows has the columns" in line
    assert "示例甲" not in line
    assert last == "error: import: nothing was imported"
    missing = CliRunner().invoke(app, ["import", what, *_where(home), str(home / "absent.csv")])
    assert "cannot be read: No such file" in "".join(refused(missing))


def test_the_examples_of_the_page_are_what_the_commands_take(home: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "vault-import.md").read_text("utf-8")
    roster, timetable, periods, calendar = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    done = take(home, "roster", "page.csv", roster)
    assert re.search(r"pupils: new +│ +2", done.stdout), done.output
    assert re.search(r"consents: new +│ +3", done.stdout), done.output
    (home / "periods.csv").write_text(periods, "utf-8")
    lessons = take(home, "timetable", "page-lessons.csv", timetable, "--periods", str(home / "periods.csv"))
    assert re.search(r"lessons: new +│ +2", lessons.stdout), lessons.output
    days = take(home, "calendar", "page-days.csv", calendar)
    assert re.search(r"days: new +│ +[78]", days.stdout), days.output
