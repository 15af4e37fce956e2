"""A timetable as typed rows: class, weekday, times or periods, subject, place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from identity_vault.calendar.days import WeeklyLesson
from identity_vault.imports.cells import Cells
from identity_vault.imports.classes import class_of
from identity_vault.imports.headers import Content
from identity_vault.imports.problems import CellError, Problems
from identity_vault.imports.tables import Cell
from identity_vault.imports.times import (
    Periods,
    hours_of,
    period_number_of,
    place_of,
    subject_of,
    time_of,
    weekday_of,
)
from identity_vault.imports.values import SHORT_CHARS_MAX, date_of, text_of

NEEDED: Final = ("class", "weekday", "subject", "starts|period")
PERIODS_NEEDED: Final = ("period", "starts", "ends")


def read_periods(content: Content, problems: Problems) -> Periods:
    """The table of a school's periods."""
    found: dict[int, tuple[str, str]] = {}
    for row in content.rows:
        cells = Cells(content, row, problems)
        number = cells.read("period", period_number_of)
        starts, ends = cells.read("starts", time_of), cells.read("ends", time_of)
        if number is None or starts is None or ends is None:
            continue
        if number in found:
            cells.add("period", "is there twice", "take one row out")
        elif ends <= starts:
            cells.add("ends", "is not after the start", "correct the times")
        found[number] = (starts, ends)
    return found


def read_timetable(
    content: Content, periods: Periods, classes: Collection[str], problems: Problems
) -> Iterator[WeeklyLesson]:
    """The lessons of a table; rows with problems are left out. classes: the ids that the vault has."""
    for row in content.rows:
        cells = Cells(content, row, problems)
        class_id = cells.read("class", class_id_of)
        if class_id is not None and class_id not in classes:
            cells.add(
                "class", "is a class that the vault does not have", "import the roster first, or correct it"
            )
        weekday = cells.read("weekday", weekday_of)
        hours = _hours(cells, periods)
        subject = cells.read("subject", subject_of)
        place = cells.read("place", place_of)
        since, until = cells.read_if_any("from_date", date_of), cells.read_if_any("to_date", date_of)
        if since and until and until < since:
            cells.add("to_date", "is before the first day", "correct the dates")
        if cells.are_sound and class_id and weekday and hours and subject and place is not None:
            yield WeeklyLesson(
                class_id,
                weekday,
                *hours,
                subject,
                place,
                since.isoformat() if since else None,
                until.isoformat() if until else None,
            )


def _hours(cells: Cells, periods: Periods) -> tuple[str, str] | None:
    if not cells.has("starts") and cells.has("period"):
        if not periods:
            cells.add(
                "period",
                "needs the times of the periods",
                "give them with --periods, or write starts and ends",
            )
            return None
        return cells.read("period", lambda cell: hours_of(cell, periods))
    starts, ends = cells.read("starts", time_of), cells.read("ends", time_of)
    if starts is None or ends is None:
        return None
    if ends <= starts:
        cells.add("ends", "is not after the start", "correct the times")
    return starts, ends


def class_id_of(cell: Cell) -> str:
    """The id of a class in any notation. Raises CellError."""
    text = text_of(cell, SHORT_CHARS_MAX)
    if not text:
        raise CellError("is empty", "write the class")
    return class_of(text).id
