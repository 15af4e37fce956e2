"""Refrigerators: their doors follow the meals, their temperature follows their doors.

The air in a refrigerator goes towards that of the room while the door is open and back to its set
temperature while it is closed, each with a time constant of its own. A door is open for whole slots of
20 s, so that every moment has an exact solution and the sensors of door and temperature agree.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from math import exp
from typing import Final, NamedTuple

from simulators.climate import cooking, indoor_temperature_c
from simulators.plan import FridgePlan
from simulators.signals import chance
from simulators.timetable import MS_PER_DAY, MS_PER_MINUTE, day_of, start_of
from simulators.world import World

SLOT_MS: Final = 20_000
WARMING_S: Final = 420.0
COOLING_S: Final = 540.0
LEFT_OPEN_CHANCE_PER_DAY: Final = 0.15
"""On so many days somebody leaves a door open after a meal: what an alert is for."""
LEFT_OPEN_MIN: Final = (12, 35)
_SLOTS_PER_DAY: Final = MS_PER_DAY // SLOT_MS


class _Stretch(NamedTuple):
    """A time in which the door does not move and the air goes towards one temperature."""

    start_ms: int
    start_c: float
    goal_c: float
    is_open: bool

    def temperature_c(self, school_ms: int) -> float:
        constant_s = WARMING_S if self.is_open else COOLING_S
        passed_s = (school_ms - self.start_ms) / 1_000
        return self.goal_c + (self.start_c - self.goal_c) * exp(-passed_s / constant_s)


def _is_slot_open(world: World, fridge: FridgePlan, day: int, slot: int) -> bool:
    if not world.timetable.is_school_day(day):
        return False
    at_ms = start_of(day) + slot * SLOT_MS
    minute = slot * SLOT_MS // MS_PER_MINUTE
    meals = [one.start_min for one in world.timetable.day if one.phase in {"lunch", "dinner"}]
    if meals and chance(world.seed, fridge.id, "left open", day) < LEFT_OPEN_CHANCE_PER_DAY:
        first, last = LEFT_OPEN_MIN
        length = first + int((last - first) * chance(world.seed, fridge.id, "how long", day))
        begin = meals[int(chance(world.seed, fridge.id, "which meal", day) * len(meals))] + 40
        if begin <= minute < begin + length:
            return True
    return chance(world.seed, fridge.id, "door", day, slot) < 0.14 * cooking(world, at_ms)


@lru_cache(maxsize=64)
def _stretches(world: World, fridge: FridgePlan, day: int) -> tuple[_Stretch, ...]:
    """A day of a refrigerator that was closed all night."""
    room = world.rooms[fridge.place]
    found = [_Stretch(start_of(day), fridge.set_c, fridge.set_c, is_open=False)]
    for slot in range(_SLOTS_PER_DAY):
        open_ = _is_slot_open(world, fridge, day, slot)
        if open_ == found[-1].is_open:
            continue
        at_ms = start_of(day) + slot * SLOT_MS
        goal_c = indoor_temperature_c(world, room, at_ms) if open_ else fridge.set_c
        found.append(_Stretch(at_ms, found[-1].temperature_c(at_ms), goal_c, open_))
    return tuple(found)


def _stretch(world: World, fridge: FridgePlan, school_ms: int) -> _Stretch:
    stretches = _stretches(world, fridge, day_of(school_ms))
    return stretches[bisect_right(stretches, school_ms, key=lambda one: one.start_ms) - 1]


def temperature_c(world: World, fridge: FridgePlan, school_ms: int) -> float:
    return _stretch(world, fridge, school_ms).temperature_c(school_ms)


def is_open(world: World, fridge: FridgePlan, school_ms: int) -> bool:
    return _stretch(world, fridge, school_ms).is_open


def plan_of(world: World, fridge_id: str) -> FridgePlan:
    return next(one for one in world.plan.fridges if one.id == fridge_id)
