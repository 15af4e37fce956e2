"""Heart rates from what a pupil does: quick to rise, slower to recover, never beyond a maximum.

What a pupil does asks for a heart rate; the heart follows with one time constant upwards and
another downwards. Within a minute the activity is constant, so that every moment has an exact
solution. The maximum is 208 - 0.7 a for an age a in years (Tanaka, Monahan and Seals 2001), spread
by the pupil; the other numbers are plausible rather than physical.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp
from typing import Final, NamedTuple

from simulators.signals import chance
from simulators.timetable import MS_PER_MINUTE, Period, Phase, day_of, start_of
from simulators.world import World

RISE_S: Final = 35.0
RECOVERY_S: Final = 80.0
_WARM_UP: Final = 0.15
_COOL_DOWN: Final = 0.9
_MINUTES_BEFORE: Final = 20
"""So long before midnight a day is begun, that nobody's night starts with a jump."""
_EFFORT: Final[dict[Phase, float]] = {
    "closed": 0.03,
    "arriving": 0.26,
    "lesson": 0.10,
    "break": 0.24,
    "outside": 0.36,
    "lunch": 0.14,
    "rest": 0.08,
    "leaving": 0.24,
    "cleaning": 0.12,
    "dinner": 0.14,
    "study": 0.09,
}
"""Part of the heart-rate reserve."""


class Heart(NamedTuple):
    """A pupil's resting and highest heart rate, per minute."""

    resting: float
    highest: float


@lru_cache(maxsize=4_096)
def heart_of(world: World, pupil: int) -> Heart:
    grade = int(class_of(world, pupil).partition("-")[0])
    age = 5.5 + grade + chance(world.seed, "age", pupil)
    resting = 92 - 1.2 * age + 14 * (chance(world.seed, "resting", pupil) - 0.5)
    highest = 208 - 0.7 * age + 16 * (chance(world.seed, "highest", pupil) - 0.5)
    return Heart(resting, highest)


def class_of(world: World, pupil: int) -> str:
    """The class of the pupil with a number; pupils are numbered class by class from 0."""
    for one in world.plan.classes:
        if pupil < one.pupils:
            return one.id
        pupil -= one.pupils
    raise ValueError("there are not so many pupils")


def effort(world: World, pupil: int, minute_ms: int) -> float:
    """How hard a pupil's heart is asked to work in a minute of school time, 0 to 1."""
    day = day_of(minute_ms)
    period = world.timetable.period_at(minute_ms)
    minute = (minute_ms - start_of(day)) // MS_PER_MINUTE
    away = world.occupancy.away_lesson(class_of(world, pupil), day, period)
    if away is not None and away[1] == "pe":
        wanted = _pe_effort(world, pupil, day, period, minute)
    else:
        wanted = _EFFORT[period.phase]
    spread = 0.08 * (chance(world.seed, "effort", pupil, day, minute) - 0.5)
    return min(1.0, max(0.0, wanted + spread))


def _pe_effort(world: World, pupil: int, day: int, period: Period, minute: int) -> float:
    """Warm-up, then bouts of three minutes that a class does together, and a cool-down."""
    share = (minute - period.start_min) / (period.end_min - period.start_min)
    if share < _WARM_UP:
        return 0.45
    if share >= _COOL_DOWN:
        return 0.3
    bout = chance(world.seed, class_of(world, pupil), "bout", day, minute // 3)
    return 0.5 + 0.4 * bout


@lru_cache(maxsize=256)
def _day(world: World, pupil: int, day: int) -> tuple[tuple[float, float], ...]:
    """Of every minute of a day: the heart rate at its start, and the one it is asked for."""
    heart = heart_of(world, pupil)
    rate: float | None = None
    found: list[tuple[float, float]] = []
    first_ms = start_of(day) - _MINUTES_BEFORE * MS_PER_MINUTE
    for number in range(_MINUTES_BEFORE + 1_440):
        share = effort(world, pupil, first_ms + number * MS_PER_MINUTE)
        wanted = heart.resting + share * (heart.highest - heart.resting)
        rate = wanted if rate is None else rate
        found.append((rate, wanted))
        rate = _follow(rate, wanted, 60.0)
    return tuple(found[_MINUTES_BEFORE:])


def _follow(rate: float, wanted: float, passed_s: float) -> float:
    constant_s = RISE_S if wanted > rate else RECOVERY_S
    return wanted + (rate - wanted) * exp(-passed_s / constant_s)


def heart_rate(world: World, pupil: int, school_ms: int) -> float:
    """Beats per minute of the pupil with a number."""
    day = day_of(school_ms)
    minute, rest_ms = divmod(school_ms - start_of(day), MS_PER_MINUTE)
    rate, wanted = _day(world, pupil, day)[minute]
    return _follow(rate, wanted, rest_ms / 1_000)


def steps(world: World, pupil: int, school_ms: int) -> float:
    """Steps since midnight: up to 130 a minute when a pupil runs."""
    day = day_of(school_ms)
    minute, rest_ms = divmod(school_ms - start_of(day), MS_PER_MINUTE)
    sums = _step_sums(world, pupil, day)
    return sums[minute] + (sums[minute + 1] - sums[minute]) * rest_ms / MS_PER_MINUTE


@lru_cache(maxsize=256)
def _step_sums(world: World, pupil: int, day: int) -> tuple[float, ...]:
    sums = [0.0]
    for minute in range(1_440):
        share = effort(world, pupil, start_of(day) + minute * MS_PER_MINUTE)
        sums.append(sums[-1] + 160 * max(0.0, share - 0.15))
    return tuple(sums)
