"""Bookings of venues as typed rows, from a table or from an iCalendar file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from identity_vault.calendar.days import Booking
from identity_vault.calendar.windows import local_ms
from identity_vault.imports.cells import Cells
from identity_vault.imports.classes import class_of
from identity_vault.imports.folding import fold
from identity_vault.imports.headers import Content
from identity_vault.imports.ics import Event
from identity_vault.imports.problems import CellError, Problems
from identity_vault.imports.tables import Cell, as_text
from identity_vault.imports.times import PLACE_CHARS_MAX, SUBJECT_CHARS_MAX, place_of, subject_of, time_of
from identity_vault.imports.timetable_file import class_id_of
from identity_vault.imports.values import date_of, text_of

NEEDED: Final = ("place", "date", "starts", "ends")
UID_CHARS_MAX: Final = 200
HOURS_MAX: Final = 24
_INSTANCE: Final = "#"
"""Between an event's UID and which occurrence it is."""
_CANCELLED: Final = frozenset({"取消", "已取消", "cancelled", "canceled"})
_CLASS_WITHIN: Final = re.compile(
    r"[小初高预]?[0-9一二三四五六七八九十初备]{1,2}(?:年级|年)?\(?[0-9一二三四五六七八九十]{1,3}\)?班|(?<![0-9])[0-9]{1,2}-[0-9]{1,2}(?![0-9])"
)


class BookingRows(NamedTuple):
    """bookings: to be there afterwards. events: UIDs of those whose other bookings go. cancelled: UIDs of
    bookings that go.
    """

    bookings: list[Booking]
    events: list[str]
    cancelled: list[str]


def event_uid(booking_uid: str) -> str:
    """The event's UID in a booking's."""
    return booking_uid.rpartition(_INSTANCE)[0] or booking_uid


def read_bookings_table(
    content: Content, classes: Collection[str], zone: ZoneInfo, problems: Problems
) -> BookingRows:
    """The bookings of a table; rows with problems are left out."""
    found: dict[str, Booking] = {}
    rows_of: dict[str, int] = {}
    for row in content.rows:
        cells = Cells(content, row, problems)
        place = cells.read("place", place_of)
        if place == "":
            cells.add("place", "is empty", "write the venue")
        day, starts, ends = (
            cells.read("date", date_of),
            cells.read("starts", time_of),
            cells.read("ends", time_of),
        )
        class_id = cells.read_if_any("class", class_id_of)
        if class_id is not None and class_id not in classes:
            cells.add(
                "class", "is a class that the vault does not have", "import the roster first, or correct it"
            )
        subject = cells.read_if_any("subject", subject_of) or ""
        uid = cells.read("uid", _uid_of)
        is_cancelled = cells.read("state", _is_cancelled)
        if starts and ends and ends <= starts:
            cells.add("ends", "is not after the start", "correct the times")
        if not (cells.are_sound and place and day and starts and ends):
            continue
        uid = uid or f"{day.isoformat()}T{starts}/{class_id or ''}/{place}"
        if uid in rows_of:
            cells.add("uid", f"is the booking of row {rows_of[uid]} too", "take one row out")
        rows_of[uid] = row.number
        if not is_cancelled:
            begins_ms, ends_ms = (local_ms(day, time, zone) for time in (starts, ends))
            found[uid] = Booking(uid, place, begins_ms, ends_ms, class_id, subject)
    return BookingRows(list(found.values()), list(rows_of), [])


def bookings_of_events(
    file: str, events: Iterable[Event], uids: Sequence[str], classes: Collection[str], problems: Problems
) -> tuple[BookingRows, int]:
    """The bookings that events make, and how many name a class the vault does not have.

    The venue is the event's place; class and subject stand in its summary, as 三（2）班 体育.
    """
    found: dict[str, Booking] = {}
    cancelled: list[str] = []
    strangers = 0
    for number, event in enumerate(events, 1):
        uid = f"{event.uid}{_INSTANCE}{event.instance}"
        if event.is_cancelled or event.is_all_day:
            cancelled.append(uid)
            continue
        class_id, subject = split_summary(event.summary)
        if class_id is not None and class_id not in classes:
            strangers += 1
            continue
        if not 0 < (event.end - event.start) / dt.timedelta(hours=1) <= HOURS_MAX:
            error = CellError(f"lasts no time or more than {HOURS_MAX} hours", "correct its end")
            problems.add(file, number, "VEVENT", error)
            continue
        begins_ms, ends_ms = (int(at.timestamp()) * 1_000 for at in (event.start, event.end))
        place = event.place[:PLACE_CHARS_MAX]
        found[uid] = Booking(uid, place, begins_ms, ends_ms, class_id, subject)
    return BookingRows(list(found.values()), list(uids), cancelled), strangers


def split_summary(summary: str) -> tuple[str | None, str]:
    """Class id (None: no class) and subject in an event's summary."""
    plain = fold(summary)
    found = _CLASS_WITHIN.search(plain)
    class_id = None
    if found:
        try:
            class_id = class_of(found[0]).id
        except CellError:
            found = None
    rest = (plain[: found.start()] + plain[found.end() :]) if found else plain
    subject = " ".join(re.sub(r"[,;:/|()\-]+", " ", rest).split())[:SUBJECT_CHARS_MAX]
    return class_id, subject_of(subject) if subject else ""


def _uid_of(cell: Cell) -> str:
    return text_of(cell, UID_CHARS_MAX).replace(_INSTANCE, "-")


def _is_cancelled(cell: Cell) -> bool:
    return fold(as_text(cell)).casefold() in _CANCELLED
