"""The school's clock: lessons and breaks of a day, and how fast a simulated day runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from math import ceil
from typing import Final, Literal, NamedTuple

MS_PER_MINUTE: Final = 60_000
MS_PER_DAY: Final = 86_400_000
ZONE: Final = timezone(timedelta(hours=8), "UTC+08:00")
"""China Standard Time has had no summer time since 1992."""
_ZONE_MS: Final = 8 * 3_600_000

Phase = Literal["closed", "arriving", "lesson", "break", "outside", "lunch", "leaving"]


class Period(NamedTuple):
    """Part of a day: minutes from local midnight, the first included, the last not."""

    start_min: int
    end_min: int
    phase: Phase


def _hm(text: str) -> int:
    hour, minute = text.split(":")
    return 60 * int(hour) + int(minute)


_STARTS: Final[tuple[tuple[str, Phase], ...]] = (
    ("00:00", "closed"),
    ("07:30", "arriving"),
    ("08:20", "lesson"),
    ("09:00", "break"),
    ("09:10", "lesson"),
    ("09:50", "outside"),
    ("10:20", "lesson"),
    ("11:00", "break"),
    ("11:10", "lesson"),
    ("11:50", "lunch"),
    ("13:40", "lesson"),
    ("14:20", "break"),
    ("14:30", "lesson"),
    ("15:10", "break"),
    ("15:20", "lesson"),
    ("16:00", "leaving"),
    ("16:30", "closed"),
    ("24:00", "closed"),
)
SCHOOL_DAY: Final = tuple(
    Period(_hm(start), _hm(end), phase) for (start, phase), (end, _) in pairwise(_STARTS)
)
FREE_DAY: Final = (Period(0, 1_440, "closed"),)
CHECK_WINDOW_MIN: Final = (_hm("07:30"), _hm("08:20"))
"""When the morning-check station stands at the gate."""
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


def is_school_day(day: int) -> bool:
    """Monday to Friday; holidays are not simulated."""
    return (day + 3) % 7 < 5


def periods(day: int) -> tuple[Period, ...]:
    return SCHOOL_DAY if is_school_day(day) else FREE_DAY


def phase_at(school_ms: int) -> Phase:
    minute = minute_of(school_ms)
    return next(one.phase for one in periods(day_of(school_ms)) if minute < one.end_min)


def in_check_window(school_ms: int) -> bool:
    first, last = CHECK_WINDOW_MIN
    return is_school_day(day_of(school_ms)) and first <= minute_of(school_ms) < last


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
