"""The school's clock: lessons and breaks of a day, and how fast a simulated day runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import ceil
from typing import Final, Literal, NamedTuple

MS_PER_MINUTE: Final = 60_000
MS_PER_DAY: Final = 86_400_000
ZONE: Final = timezone(timedelta(hours=8), "UTC+08:00")
"""China Standard Time has had no summer time since 1992."""
_ZONE_MS: Final = 8 * 3_600_000

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Phase = Literal[
    "closed",
    "arriving",
    "lesson",
    "break",
    "outside",
    "lunch",
    "rest",
    "leaving",
    "cleaning",
    "dinner",
    "study",
]
"""What a part of the day is for. rest: the noon rest; dinner and study: of those who board."""


class Period(NamedTuple):
    """Part of a day: minutes from local midnight, the first included, the last not."""

    start_min: int
    end_min: int
    phase: Phase


def hm(text: str) -> int:
    """Minutes from midnight of a time such as ``"07:30"``. Raises ValueError."""
    hour, _, minute = text.partition(":")
    if not (len(hour) == len(minute) == 2 and f"{hour}{minute}".isdecimal()):
        raise ValueError(text)
    found = 60 * int(hour) + int(minute)
    if int(minute) > 59 or found > 1_440:
        raise ValueError(text)
    return found


FREE_DAY: Final = (Period(0, 1_440, "closed"),)
FIRST_MORNING_MS: Final = int(datetime(2026, 9, 7, 7, 45, tzinfo=ZONE).timestamp() * 1_000)
"""A Monday in September, a quarter past the opening of the gate: where a fast school starts."""


def day_of(school_ms: int) -> int:
    """The local day, counted from 1970-01-01."""
    return (school_ms + _ZONE_MS) // MS_PER_DAY


def start_of(day: int) -> int:
    """Local midnight at which a day begins, ms UTC."""
    return day * MS_PER_DAY - _ZONE_MS


def minute_of(school_ms: int) -> float:
    """Minutes since local midnight."""
    return ((school_ms + _ZONE_MS) % MS_PER_DAY) / MS_PER_MINUTE


def weekday_of(day: int) -> int:
    """0 is Monday."""
    return (day + 3) % 7


class Timetable:
    """The week of a school; holidays are not simulated.

    day: the periods of a day with school. days: which weekdays are such days. check_window: from and
    until which minute the morning-check station stands at the gate.
    """

    def __init__(self, day: tuple[Period, ...], days: frozenset[int], check_window: tuple[int, int]) -> None:
        self.day = day
        self.days = days
        self.check_window = check_window

    def is_school_day(self, day: int) -> bool:
        return weekday_of(day) in self.days

    def periods(self, day: int) -> tuple[Period, ...]:
        """The periods of a day, without a gap from midnight to midnight."""
        return self.day if self.is_school_day(day) else FREE_DAY

    def period_at(self, school_ms: int) -> Period:
        minute = minute_of(school_ms)
        return next(one for one in self.periods(day_of(school_ms)) if minute < one.end_min)

    def phase_at(self, school_ms: int) -> Phase:
        return self.period_at(school_ms).phase

    def lesson_number(self, period: Period) -> int:
        """Which lesson of the day a period is, from 1; 0 when it is none."""
        lessons = [one for one in self.day if one.phase == "lesson"]
        return lessons.index(period) + 1 if period in lessons else 0

    def in_check_window(self, school_ms: int) -> bool:
        first, last = self.check_window
        return self.is_school_day(day_of(school_ms)) and first <= minute_of(school_ms) < last


def iso_local(time_ms: int) -> str:
    """A time as our station writes it: ISO 8601 with milliseconds and zone."""
    return datetime.fromtimestamp(time_ms / 1_000, ZONE).isoformat(timespec="milliseconds")


def iso_utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat(timespec="microseconds")


class Timeline(NamedTuple):
    """Ties the school's clock to the wall clock: at `wall_start_ms` it is `school_start_ms` in the
    school, and from there school time runs `speed` times as fast.
    """

    wall_start_ms: int = 0
    school_start_ms: int = 0
    speed: float = 1.0

    def school_ms(self, wall_ms: int) -> int:
        return self.school_start_ms + int((wall_ms - self.wall_start_ms) * self.speed)

    def wall_ms(self, school_ms: int) -> int:
        """The first wall millisecond at which the school's clock has reached `school_ms`."""
        found = self.wall_start_ms + ceil((school_ms - self.school_start_ms) / self.speed)
        return found if self.school_ms(found) >= school_ms else found + 1
