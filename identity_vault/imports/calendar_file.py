"""The school calendar as typed rows, from a table or from an iCalendar file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import Final

from identity_vault.calendar.days import CalendarDay, DayKind
from identity_vault.imports.cells import Cells
from identity_vault.imports.folding import fold
from identity_vault.imports.headers import Content
from identity_vault.imports.ics import Event
from identity_vault.imports.problems import CellError, Problems
from identity_vault.imports.tables import Cell, as_text
from identity_vault.imports.times import weekday_of, weekday_within
from identity_vault.imports.values import date_of, text_of

NEEDED: Final = ("date", "kind")
NOTE_CHARS_MAX: Final = 60
RANGE_DAYS_MAX: Final = 120
_NO_SCHOOL: Final = re.compile(r"不上课|停课|不补课")
_SCHOOL: Final = re.compile(
    r"补课|补班|补上|上课|上班|上学|调课|[(\s]班\)?$|^班$|school day|make-?up|^school$", re.IGNORECASE
)
_HOLIDAY: Final = re.compile(
    r"放假|假期|休假|寒假|暑假|节假日|休息|[(\s]休\)?$|^休$|调休|holiday|vacation|no school", re.IGNORECASE
)


def kind_within(text: str) -> DayKind | None:
    """What a remark such as 国庆节放假 or 调休上班（周三课表） makes of a day; None: nothing."""
    plain = fold(text)
    if _NO_SCHOOL.search(plain):
        return "holiday"
    if _SCHOOL.search(plain):
        return "school"
    return "holiday" if _HOLIDAY.search(plain) else None


def read_days(content: Content, problems: Problems) -> list[CalendarDay]:
    """The days of a table; rows with problems are left out."""
    found: dict[str, tuple[CalendarDay, int]] = {}
    for row in content.rows:
        cells = Cells(content, row, problems)
        first = cells.read("date", date_of)
        last = cells.read_if_any("to_date", date_of) or first
        kind = cells.read("kind", _kind_of)
        follows = cells.read_if_any("follows", weekday_of)
        note = cells.read("note", lambda cell: text_of(cell, NOTE_CHARS_MAX))
        if follows and kind == "holiday":
            cells.add("follows", "stands on a holiday", "leave it empty, or make the day a school day")
        if first is None or last is None or kind is None or not cells.are_sound:
            continue
        if not 0 <= (last - first).days < RANGE_DAYS_MAX:
            cells.add(
                "to_date", f"makes a time of less than one or more than {RANGE_DAYS_MAX} days", "correct it"
            )
            continue
        for day in _dates(first, last):
            one = CalendarDay(day.isoformat(), kind, follows, note or "")
            before = found.setdefault(one.date, (one, row.number))
            if before[1] != row.number:
                cells.add("date", f"is a day that row {before[1]} has too", "take one out")
                break
    return [day for day, _ in found.values()]


def days_of_events(events: Iterable[Event]) -> tuple[list[CalendarDay], int]:
    """The days that all-day events make holidays or school days, and how many events say neither.

    Where two events speak of one day, a school day wins: 调休 is told inside of a holiday's time.
    """
    found: dict[str, CalendarDay] = {}
    unused = 0
    for event in events:
        kind = kind_within(event.summary)
        if kind is None or not event.is_all_day or event.is_cancelled:
            unused += 1
            continue
        follows = weekday_within(fold(event.summary)) if kind == "school" else None
        last = max(event.start.date(), event.end.date() - dt.timedelta(days=1))
        for day in _dates(event.start.date(), min(last, event.start.date() + dt.timedelta(RANGE_DAYS_MAX))):
            one = CalendarDay(day.isoformat(), kind, follows, event.summary[:NOTE_CHARS_MAX])
            before = found.get(one.date)
            if before is None or (before.kind == "holiday" and kind == "school"):
                found[one.date] = one
    return list(found.values()), unused


def _dates(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    for number in range(first.toordinal(), last.toordinal() + 1):
        yield dt.date.fromordinal(number)


def _kind_of(cell: Cell) -> DayKind:
    text = as_text(cell)
    kind = kind_within(text)
    if kind is None:
        raise CellError("is neither a school day nor a holiday" if text else "is empty", "write 上课 or 放假")
    return kind
