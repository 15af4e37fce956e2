"""Which lessons there are between two moments, and when somebody is at school.

A day of which the calendar says nothing is a school day from Monday to Friday. Holidays have no
lessons and no bookings that count; a day that makes up for one has the timetable of another weekday.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from identity_vault.calendar.days import (
    Booking,
    CalendarDay,
    WeeklyLesson,
    read_bookings,
    read_calendar,
    read_lessons,
)
from telemetry.credential_map import Lesson

MARGIN_MS: Final = 60 * 60_000
"""Before the first and after the last lesson of a day."""
OPEN_HOURS: Final = ("07:00", "18:00")
"""Of a school day without a timetable."""
FRIDAY: Final = 5
DAYS_MAX: Final = 400
_MS_PER_DAY: Final = 86_400_000


class Week(NamedTuple):
    """What the vault knows of a school's time."""

    lessons: Sequence[WeeklyLesson]
    calendar: Mapping[str, CalendarDay]
    bookings: Sequence[Booking]
    zone: ZoneInfo


def lessons_between(
    connection: Connection, start_ms: int, end_ms: int, zone: ZoneInfo
) -> dict[str, list[Lesson]]:
    """Lessons by class that touch the time from start to end (ms UTC), whole, the first first.

    Raises ValueError for more than DAYS_MAX days.
    """
    return lessons_of(_week(connection, start_ms, end_ms, zone), start_ms, end_ms)


def school_days_between(
    connection: Connection, start_ms: int, end_ms: int, zone: ZoneInfo
) -> list[tuple[int, int]]:
    """When somebody is at school (start, end; ms UTC): windows that touch the time from start to end.

    Raises ValueError for more than DAYS_MAX days.
    """
    return school_days_of(_week(connection, start_ms, end_ms, zone), start_ms, end_ms)


def lessons_of(week: Week, start_ms: int, end_ms: int) -> dict[str, list[Lesson]]:
    """`lessons_between` of rows. Of one class and subject, lessons that overlap are one."""
    found: dict[str, list[_Piece]] = {}
    for day in _days(start_ms, end_ms, week.zone):
        for piece in _pieces(week, day):
            found.setdefault(piece.class_id, []).append(piece)
    touching = {
        class_id: [one for one in _merged(pieces) if one.start_ms < end_ms and one.end_ms > start_ms]
        for class_id, pieces in sorted(found.items())
    }
    return {class_id: lessons for class_id, lessons in touching.items() if lessons}


def school_days_of(week: Week, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """`school_days_between` of rows; windows that overlap are one."""
    windows: list[tuple[int, int]] = []
    for day in _days(start_ms, end_ms, week.zone):
        if weekday_followed(day, week.calendar) is None:
            continue
        pieces = list(_pieces(week, day))
        if pieces:
            begins = min(piece.start_ms for piece in pieces) - MARGIN_MS
            ends = max(piece.end_ms for piece in pieces) + MARGIN_MS
        else:
            begins, ends = (local_ms(day, time, week.zone) for time in OPEN_HOURS)
        if windows and begins <= windows[-1][1]:
            windows[-1] = (min(windows[-1][0], begins), max(windows[-1][1], ends))
        else:
            windows.append((begins, ends))
    return [(begins, ends) for begins, ends in windows if begins < end_ms and ends > start_ms]


def weekday_followed(day: date, calendar: Mapping[str, CalendarDay]) -> int | None:
    """Whose timetable a day has, 1 is Monday; None: there is no school."""
    said = calendar.get(day.isoformat())
    if said is None:
        return day.isoweekday() if day.isoweekday() <= FRIDAY else None
    if said.kind == "holiday":
        return None
    return said.follows_weekday or day.isoweekday()


@lru_cache(maxsize=4_096)
def local_ms(day: date, time: str, zone: ZoneInfo) -> int:
    """A local time of a day, HH:MM, as ms UTC; 24:00 is the midnight at its end."""
    hour, minute = map(int, time.split(":"))
    day += timedelta(days=hour // 24)
    local = datetime(day.year, day.month, day.day, hour % 24, minute, tzinfo=zone)
    return int(local.timestamp()) * 1_000


class _Piece(NamedTuple):
    """A lesson before it is merged; what is booked knows the place better than the timetable."""

    class_id: str
    subject: str
    start_ms: int
    end_ms: int
    place: str
    is_booked: bool


def _week(connection: Connection, start_ms: int, end_ms: int, zone: ZoneInfo) -> Week:
    # A day on each side: of a window that begins before, or whose margin reaches in.
    bookings = read_bookings(connection, start_ms - 2 * _MS_PER_DAY, end_ms + 2 * _MS_PER_DAY)
    return Week(read_lessons(connection), read_calendar(connection), bookings, zone)


def _days(start_ms: int, end_ms: int, zone: ZoneInfo) -> Iterator[date]:
    """Local days from the one before the start to the one after the end."""
    if end_ms - start_ms > DAYS_MAX * _MS_PER_DAY:
        raise ValueError(f"more than {DAYS_MAX} days between start and end")
    first, last = (
        datetime.fromtimestamp(at / 1_000, UTC).astimezone(zone).date() for at in (start_ms, end_ms)
    )
    for number in range(first.toordinal() - 1, last.toordinal() + 2):
        yield date.fromordinal(number)


def _pieces(week: Week, day: date) -> Iterator[_Piece]:
    """Lessons and bookings of classes that begin on a day."""
    weekday = weekday_followed(day, week.calendar)
    if weekday is None:
        return
    on = day.isoformat()
    for one in week.lessons:
        if one.weekday == weekday and (one.from_date or on) <= on <= (one.to_date or on):
            begins, ends = (local_ms(day, time, week.zone) for time in (one.starts, one.ends))
            if begins < ends:
                yield _Piece(one.class_id, one.subject, begins, ends, one.place, is_booked=False)
    midnight, next_midnight = (local_ms(day, time, week.zone) for time in ("00:00", "24:00"))
    for booking in week.bookings:
        if booking.class_id is not None and midnight <= booking.starts_ms < next_midnight:
            yield _Piece(
                booking.class_id,
                booking.subject,
                booking.starts_ms,
                booking.ends_ms,
                booking.place,
                is_booked=True,
            )


def _merged(pieces: Iterable[_Piece]) -> list[Lesson]:
    found: list[Lesson] = []
    by_subject = sorted(pieces, key=lambda piece: (piece.subject, piece.start_ms, piece.end_ms))
    for subject, of_subject in groupby(by_subject, key=lambda piece: piece.subject):
        group: list[_Piece] = []
        for piece in of_subject:
            if group and piece.start_ms >= max(one.end_ms for one in group):
                found.append(_as_one(subject, group))
                group = []
            group.append(piece)
        found.append(_as_one(subject, group))
    return sorted(found, key=lambda lesson: (lesson.start_ms, lesson.end_ms, lesson.subject))


def _as_one(subject: str, group: Sequence[_Piece]) -> Lesson:
    booked = [piece for piece in group if piece.is_booked]
    place = next((piece.place for piece in (*booked, *group) if piece.place), "")
    return Lesson(group[0].start_ms, max(piece.end_ms for piece in group), subject, place)
