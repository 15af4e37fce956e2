"""Rows of timetable, school calendar and bookings as they lie in the vault's database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeVar

from sqlalchemy import Connection, delete, insert, select

from identity_vault.database import tables

_PART: Final = 500

Value = TypeVar("Value")
DayKind = Literal["school", "holiday"]


class WeeklyLesson(NamedTuple):
    """A lesson that a class has every week. weekday: 1 is Monday. starts, ends: local time, HH:MM; an
    end of 24:00 is midnight. from_date, to_date: valid from and to, ISO 8601, both included.
    """

    class_id: str
    weekday: int
    starts: str
    ends: str
    subject: str
    place: str = ""
    from_date: str | None = None
    to_date: str | None = None


class CalendarDay(NamedTuple):
    """A day that differs from the week's habit. follows_weekday: whose timetable it has, 1 is Monday."""

    date: str
    kind: DayKind
    follows_weekday: int | None = None
    note: str = ""


class Booking(NamedTuple):
    """A venue that is taken, ms UTC, the end not included, perhaps for a lesson of a class."""

    uid: str
    place: str
    starts_ms: int
    ends_ms: int
    class_id: str | None
    subject: str


def read_lessons(connection: Connection) -> list[WeeklyLesson]:
    """Every lesson, in the order of its row."""
    table = tables.lessons
    columns = [table.c[name] for name in WeeklyLesson._fields]
    return [WeeklyLesson(*row) for row in connection.execute(select(*columns).order_by(table.c.id))]


def read_calendar(connection: Connection) -> dict[str, CalendarDay]:
    """By date."""
    table = tables.calendar_days
    columns = [table.c[name] for name in CalendarDay._fields]
    return {row[0]: CalendarDay(*row) for row in connection.execute(select(*columns).order_by(table.c.date))}


def read_bookings(
    connection: Connection, start_ms: int | None = None, end_ms: int | None = None
) -> list[Booking]:
    """Bookings that begin before `end_ms` and end after `start_ms`, the first first."""
    table = tables.bookings
    query = select(*(table.c[name] for name in Booking._fields)).order_by(table.c.starts_ms, table.c.uid)
    if start_ms is not None:
        query = query.where(table.c.ends_ms > start_ms)
    if end_ms is not None:
        query = query.where(table.c.starts_ms < end_ms)
    return [Booking(*row) for row in connection.execute(query)]


def replace_lessons(
    connection: Connection, class_ids: Iterable[str], lessons: Sequence[WeeklyLesson]
) -> None:
    """These lessons are all that these classes have."""
    table = tables.lessons
    connection.execute(delete(table).where(table.c.class_id.in_(list(class_ids))))
    if lessons:
        connection.execute(insert(table), [lesson._asdict() for lesson in lessons])


def put_days(connection: Connection, days: Sequence[CalendarDay]) -> None:
    """Adds days, or replaces what was said of them."""
    table = tables.calendar_days
    for dates in in_parts([day.date for day in days]):
        connection.execute(delete(table).where(table.c.date.in_(dates)))
    if days:
        connection.execute(insert(table), [day._asdict() for day in days])


def remove_bookings(connection: Connection, uids: Sequence[str]) -> None:
    table = tables.bookings
    for part in in_parts(uids):
        connection.execute(delete(table).where(table.c.uid.in_(part)))


def add_bookings(connection: Connection, bookings: Sequence[Booking]) -> None:
    if bookings:
        connection.execute(insert(tables.bookings), [booking._asdict() for booking in bookings])


def in_parts(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """A few hundred at a time: databases bound the number of a statement's parameters."""
    for at in range(0, len(values), _PART):
        yield values[at : at + _PART]
