"""Imports timetable, school calendar and bookings into the vault: each in one transaction or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from identity_vault.audit import operator, record
from identity_vault.calendar.days import (
    Booking,
    CalendarDay,
    WeeklyLesson,
    add_bookings,
    put_days,
    read_bookings,
    read_calendar,
    read_lessons,
    remove_bookings,
    replace_lessons,
)
from identity_vault.imports.bookings_file import BookingRows, event_uid
from identity_vault.roster import bump
from identity_vault.vault import Vault

_Row = TypeVar("_Row", WeeklyLesson, CalendarDay, Booking)


class Outcome(NamedTuple):
    """What an import changed, or would change: rows that are new, gone, and the same as before."""

    added: int
    removed: int
    unchanged: int

    @property
    def changes(self) -> bool:
        return bool(self.added or self.removed)


def import_timetable(vault: Vault, lessons: Sequence[WeeklyLesson], *, dry_run: bool = False) -> Outcome:
    """The lessons of a class in the file replace all that the class had. Raises VaultUnavailableError."""
    classes = {lesson.class_id for lesson in lessons}
    wanted = list(dict.fromkeys(lessons))

    def work(connection: Connection) -> tuple[Outcome, Callable[[], None]]:
        before = {lesson for lesson in read_lessons(connection) if lesson.class_id in classes}
        return _outcome(before, set(wanted)), lambda: replace_lessons(connection, classes, wanted)

    return _do(vault, work, "import_timetable", dry_run=dry_run)


def import_days(vault: Vault, days: Sequence[CalendarDay], *, dry_run: bool = False) -> Outcome:
    """Days of the file replace what was said of them; the others stay. Raises VaultUnavailableError."""
    dates = {day.date for day in days}

    def work(connection: Connection) -> tuple[Outcome, Callable[[], None]]:
        before = {day for date, day in read_calendar(connection).items() if date in dates}
        return _outcome(before, set(days)), lambda: put_days(connection, days)

    return _do(vault, work, "import_calendar", dry_run=dry_run)


def import_bookings(
    vault: Vault, rows: BookingRows, *, replace_all: bool = False, dry_run: bool = False
) -> Outcome:
    """Bookings of the file's events replace those of the same UIDs; the others stay, or with
    `replace_all` go, but for the past ones. Raises VaultUnavailableError.
    """
    events, cancelled, now_ms = set(rows.events), set(rows.cancelled), vault.now_ms()
    uids = {booking.uid for booking in rows.bookings}

    def is_told(booking: Booking) -> bool:
        return (
            booking.uid in uids
            or booking.uid in cancelled
            or ((replace_all or event_uid(booking.uid) in events) and booking.ends_ms > now_ms)
        )

    def work(connection: Connection) -> tuple[Outcome, Callable[[], None]]:
        before = {booking for booking in read_bookings(connection) if is_told(booking)}
        wanted = set(rows.bookings)
        gone, new = before - wanted, wanted - before

        def write() -> None:
            remove_bookings(connection, [booking.uid for booking in gone])
            add_bookings(connection, sorted(new))

        return _outcome(before, wanted), write

    return _do(vault, work, "import_bookings", dry_run=dry_run)


def _outcome(before: set[_Row], wanted: set[_Row]) -> Outcome:
    return Outcome(len(wanted - before), len(before - wanted), len(wanted & before))


def _do(
    vault: Vault,
    work: Callable[[Connection], tuple[Outcome, Callable[[], None]]],
    action: str,
    *,
    dry_run: bool,
) -> Outcome:
    """What `work` finds, and unless it is a dry run what it would write, with one row of the audit."""
    if dry_run:
        with vault.read() as connection:
            return work(connection)[0]
    with vault.begin() as connection:
        outcome, write = work(connection)
        if outcome.changes:
            write()
            bump(connection)
        record(vault, connection, actor=operator(), action=action, **outcome._asdict())
    return outcome
