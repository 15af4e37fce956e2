"""Electricity meters: a week of power, and its exact integral.

Power is constant within five minutes and repeats every week, so that the energy since a meter was
fitted is a sum and not an approximation.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from typing import Final

from simulators.signals import chance
from simulators.timetable import FIRST_MORNING_MS, MS_PER_DAY, MS_PER_MINUTE, day_of, start_of
from simulators.world import World

SLOT_MS: Final = 5 * MS_PER_MINUTE
_SLOTS_PER_DAY: Final = MS_PER_DAY // SLOT_MS
_WEEK_SLOTS: Final = 7 * _SLOTS_PER_DAY
_MODEL_WEEK_MS: Final = start_of(day_of(FIRST_MORNING_MS))
"""The Monday whose timetable every week of a meter repeats."""
_FITTED_MS: Final = _MODEL_WEEK_MS - 1_400 * MS_PER_DAY
"""A Monday, 200 weeks before the first morning."""
_KWH_PER_W_SLOT: Final = SLOT_MS / 3_600_000 / 1_000
_LIGHTS_W: Final = 480
_SCREEN_W: Final = 260


def _slot(school_ms: int) -> int:
    return (school_ms - _FITTED_MS) // SLOT_MS


@lru_cache(maxsize=256)
def _week_w(world: World, place: str, line: int) -> tuple[float, ...]:
    """Watts of one line (1 to 3) in every slot of a week that begins on Monday."""
    kitchen = place not in world.outdoors and world.rooms[place].kind == "kitchen"
    load = _kitchen_w if kitchen else _room_w
    return tuple(load(world, place, line, slot) for slot in range(_WEEK_SLOTS))


def _kitchen_w(world: World, place: str, line: int, slot: int) -> float:
    minute = slot % _SLOTS_PER_DAY * SLOT_MS // MS_PER_MINUTE
    meals = [one.start_min for one in world.timetable.day if one.phase in {"lunch", "dinner"}]
    open_ = slot // _SLOTS_PER_DAY in world.timetable.days
    cooks = open_ and any(meal - 150 <= minute < meal + 60 for meal in meals)
    wanted = (2_400 + 500 * line) * chance(world.seed, place, "cooking", line, slot) if cooks else 0.0
    return 180 + 60 * line + wanted + 40 * chance(world.seed, place, "idle", line, slot)


def _room_w(world: World, place: str, line: int, slot: int) -> float:
    """Lights while anybody is there, the screen in lessons; what sleeps takes a little."""
    at_ms = _MODEL_WEEK_MS + slot * SLOT_MS
    used = world.occupancy.people_at(place, at_ms) > 0
    teaching = used and world.timetable.phase_at(at_ms) in {"lesson", "study"}
    return (
        25
        + 12 * chance(world.seed, place, "idle", line, slot)
        + _LIGHTS_W * used
        + _SCREEN_W * teaching * (0.9 + 0.2 * chance(world.seed, place, "screen", line, slot))
    )


@lru_cache(maxsize=128)
def _week_w_sums(world: World, place: str, lines: int) -> tuple[float, ...]:
    week = zip(*(_week_w(world, place, line) for line in range(1, lines + 1)), strict=True)
    return tuple(accumulate(map(sum, week), initial=0.0))


def power_w(world: World, place: str, line: int, school_ms: int) -> float:
    return _week_w(world, place, line)[_slot(school_ms) % _WEEK_SLOTS]


def energy_kwh(world: World, place: str, lines: int, school_ms: int) -> float:
    """Lines 1 to `lines` together since the meter was fitted."""
    weeks, slot = divmod(_slot(school_ms), _WEEK_SLOTS)
    sums = _week_w_sums(world, place, lines)
    part = ((school_ms - _FITTED_MS) % SLOT_MS) / SLOT_MS
    now_w = sums[slot + 1] - sums[slot]
    return (weeks * sums[-1] + sums[slot] + part * now_w) * _KWH_PER_W_SLOT
