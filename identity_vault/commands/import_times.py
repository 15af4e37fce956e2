"""`campus vault import timetable`, `calendar` and `bookings`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from identity_vault.calendar.days import WeeklyLesson
from identity_vault.calendar.windows import FRIDAY
from identity_vault.commands.import_output import problems_in_words, read_files, say, say_counts
from identity_vault.commands.import_roster import DryRun, ListFiles, OwnHeaders
from identity_vault.commands.opening import ConfigFile, PassphraseFile, open_from
from identity_vault.imports import bookings_file, calendar_file, timetable_file
from identity_vault.imports.bookings_file import BookingRows
from identity_vault.imports.calendar_apply import Outcome, import_bookings, import_days, import_timetable
from identity_vault.imports.headers import Content, Headers, load_headers
from identity_vault.imports.ics import read_events
from identity_vault.imports.problems import Problems, whole_file
from identity_vault.imports.tables import read_tables
from identity_vault.imports.times import Periods
from identity_vault.roster import class_names
from identity_vault.vault import Vault

AHEAD_DAYS: Final = 400
"""How far recurring events are counted out."""
BACK_DAYS: Final = 400
"""A calendar imported in summer has the whole school year behind it."""
LATE: Final = "09:00"
"""A school day that begins later is more likely a timetable of PE alone."""
OneFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV (UTF-8 or GB18030), Excel (.xlsx) or iCalendar (.ics).")
]


def timetable(
    config_file: ConfigFile,
    files: ListFiles,
    passphrase_file: PassphraseFile = None,
    headers: OwnHeaders = None,
    periods: Annotated[
        Path | None,
        typer.Option(
            help="Times of the periods, where the timetable says 节次: columns 节次, 开始时间, 结束时间."
        ),
    ] = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Import the timetable: class, weekday, times or period, subject, place.

    It replaces the whole timetable of every class in the files. 体育 is `pe`, the subject in which
    bands may measure.
    """
    with problems_in_words(), open_from(config_file, passphrase_file) as vault:
        titles, problems = load_headers(headers), Problems()
        times: Periods = {}
        if periods:
            (content,) = _contents([periods], titles["periods"], timetable_file.PERIODS_NEEDED)
            times = timetable_file.read_periods(content, problems)
        contents = _contents(files, titles["timetable"], timetable_file.NEEDED)
        classes = _classes(vault)
        lessons = [
            lesson
            for content in contents
            for lesson in timetable_file.read_timetable(content, times, classes, problems)
        ]
        problems.raise_if_any()
        if not lessons:
            raise whole_file(str(files[0]), "has titles and no lessons", "export it again")
        outcome = import_timetable(vault, lessons, dry_run=dry_run)
        _say("Timetable", "lessons", outcome, dry_run=dry_run)
        if weekend := sum(lesson.weekday > FRIDAY for lesson in lessons):
            say(
                f"{weekend} lessons are on Saturday or Sunday: they hold on days that the calendar calls school days."
            )
        if any(_first(lessons, weekday) > LATE for weekday in range(1, FRIDAY + 1)):
            say(
                f"On a day of the week the first lesson in these files begins after {LATE}. The school counts as "
                "open from an hour before the first lesson to an hour after the last: import the whole "
                "timetable, not PE alone, if rules of the gate depend on it."
            )


def calendar(
    config_file: ConfigFile,
    file: OneFile,
    passphrase_file: PassphraseFile = None,
    headers: OwnHeaders = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Import the school calendar: holidays, and days of school that make up for them.

    CSV or Excel: date, kind (上课 or 放假), follows (补周几的课). iCalendar: all-day events that say 放假
    or 休 are holidays, 补课 or 调休上班 with 周三课表 a school day with Wednesday's lessons. Days that the
    file does not name stay as they are.
    """
    with problems_in_words(), open_from(config_file, passphrase_file) as vault:
        unused = 0
        if _is_ics(file):
            ((name, data),) = read_files([file])
            today = _today(vault)
            first, last = today - dt.timedelta(BACK_DAYS), today + dt.timedelta(AHEAD_DAYS)
            events = read_events(name, data, first, last, vault.config.zone)
            days, unused = calendar_file.days_of_events(events.events)
        else:
            problems = Problems()
            (content,) = _contents([file], load_headers(headers)["calendar"], calendar_file.NEEDED)
            days = calendar_file.read_days(content, problems)
            problems.raise_if_any()
        if not days:
            raise whole_file(
                str(file), "names no holiday and no school day", "see `campus vault import calendar --help`"
            )
        _say("Calendar", "days", import_days(vault, days, dry_run=dry_run), dry_run=dry_run)
        if unused:
            say(f"{unused} events say neither 放假 nor 上课, or have a time of day; they were left out.")


def bookings(
    config_file: ConfigFile,
    file: OneFile,
    passphrase_file: PassphraseFile = None,
    headers: OwnHeaders = None,
    *,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Bookings ahead that the file does not have are taken out."),
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Import bookings of venues: a class that books the gym for 体育 has a PE lesson there.

    iCalendar: place, and class and subject in the summary (三（2）班 体育); recurring events for the next
    400 days. CSV or Excel: place, date, starts, ends, class, subject, uid, state. A changed event
    replaces its old bookings by its UID, a cancelled one takes them out.
    """
    with problems_in_words(), open_from(config_file, passphrase_file) as vault:
        problems, strangers = Problems(), 0
        classes, zone = _classes(vault), vault.config.zone
        rows: BookingRows
        if _is_ics(file):
            ((name, data),) = read_files([file])
            today = _today(vault)
            found = read_events(name, data, today, today + dt.timedelta(AHEAD_DAYS), zone)
            rows, strangers = bookings_file.bookings_of_events(
                name, found.events, found.uids, classes, problems
            )
        else:
            (content,) = _contents([file], load_headers(headers)["bookings"], bookings_file.NEEDED)
            rows = bookings_file.read_bookings_table(content, classes, zone, problems)
        problems.raise_if_any()
        outcome = import_bookings(vault, rows, replace_all=replace, dry_run=dry_run)
        _say("Bookings", "bookings", outcome, dry_run=dry_run)
        if strangers:
            say(f"{strangers} occurrences name a class that the vault does not have; they were left out.")
        if nobody := sum(booking.class_id is None for booking in rows.bookings):
            say(f"{nobody} bookings name no class: the venue is taken, nobody has a lesson.")


def _contents(paths: Sequence[Path], titles: Headers, needed: Sequence[str]) -> list[Content]:
    return [titles.locate(read_tables(name, data), needed) for name, data in read_files(paths)]


def _first(lessons: Sequence[WeeklyLesson], weekday: int) -> str:
    """When the first lesson of a weekday begins; empty where there is none."""
    return min((one.starts for one in lessons if one.weekday == weekday), default="")


def _is_ics(file: Path) -> bool:
    return file.suffix.casefold() in {".ics", ".ical", ".ifb"}


def _classes(vault: Vault) -> set[str]:
    with vault.read() as connection:
        return set(class_names(connection))


def _today(vault: Vault) -> dt.date:
    return dt.datetime.fromtimestamp(vault.now_ms() / 1_000, dt.UTC).astimezone(vault.config.zone).date()


def _say(title: str, what: str, outcome: Outcome, *, dry_run: bool) -> None:
    counts = [
        (f"{what}: new", outcome.added),
        (f"{what}: gone", outcome.removed),
        (f"{what}: as before", outcome.unchanged),
    ]
    say_counts(title, counts, dry_run=dry_run)
