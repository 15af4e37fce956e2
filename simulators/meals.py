"""The canteen's scale: tray after tray at meals, nothing between them."""

from __future__ import annotations

from typing import Final, NamedTuple

from simulators.signals import chance
from simulators.timetable import day_of
from simulators.world import World

SLOT_MS: Final = 6_000
"""A tray every six seconds, when somebody comes."""
TRAY_KG: Final = 0.42
FOOD_KG: Final = (0.28, 0.72)
_ON_SHARE: Final = 0.7
_SETTLED_SHARE: Final = 0.25
_COMES: Final = 0.85


class Weighing(NamedTuple):
    """What the scale shows."""

    mass_kg: float
    is_stable: bool


def weighing(world: World, scale: str, school_ms: int) -> Weighing:
    """The scale with an id at a moment. A tray settles for a while before its mass is stable."""
    number, rest_ms = divmod(school_ms, SLOT_MS)
    kg = tray_kg(world, scale, number)
    share = rest_ms / SLOT_MS
    if kg is None or share >= _ON_SHARE:
        return Weighing(0.0, is_stable=True)
    if share < _SETTLED_SHARE:
        return Weighing(kg * (0.9 + 0.4 * share), is_stable=False)
    return Weighing(kg, is_stable=True)


def tray_kg(world: World, scale: str, number: int) -> float | None:
    """Tray and food of the slot with a number; None when nobody comes in it."""
    begin_ms = number * SLOT_MS
    day = day_of(begin_ms)
    if not world.timetable.is_school_day(day):
        return None
    if world.timetable.phase_at(begin_ms) not in {"lunch", "dinner"}:
        return None
    if chance(world.seed, scale, "comes", number) >= _COMES:
        return None
    low, high = FOOD_KG
    return TRAY_KG + low + (high - low) * chance(world.seed, scale, "food", number)
