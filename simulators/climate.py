"""The air of a school, outdoors and in its rooms, as pure functions of time.

Carbon dioxide follows the mass balance of a well-mixed room,
``dC/dt = G / V - n (C - C_out)``, with emission G and air change n constant within each period of
the timetable, so that every millisecond has an exact solution. `simulators.occupancy` says who
emits. The rest is plausible rather than physical: what counts is that it is known.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, exp, pi
from typing import Final, NamedTuple

from simulators.signals import chance, wander
from simulators.timetable import MS_PER_DAY, MS_PER_MINUTE, Phase, day_of, minute_of, start_of
from simulators.world import Room, World

CO2_OUTDOORS_PPM: Final = 425.0
_HOUR_MS: Final = 60 * MS_PER_MINUTE
_AIR_CHANGES_PER_H: Final[dict[Phase, float]] = {
    "closed": 0.3,
    "arriving": 2.0,
    "lesson": 1.0,
    "break": 5.0,
    "outside": 6.0,
    "lunch": 2.5,
    "rest": 1.5,
    "leaving": 3.0,
    "cleaning": 5.0,
    "dinner": 2.0,
    "study": 1.0,
}
_LARGE_ROOMS: Final = {"gym": 3.0, "canteen": 4.0, "kitchen": 6.0}
"""Rooms with fans of their own: air changes an hour while the school is open."""
CHANGES_PER_H_RANGE: Final = (0.3 * 0.8, 6.0 * 1.4)


class _Stretch(NamedTuple):
    """A time in which emission and air change are constant."""

    start_ms: int
    start_ppm: float
    settled_ppm: float
    changes_per_h: float

    def ppm(self, school_ms: int) -> float:
        hours = (school_ms - self.start_ms) / _HOUR_MS
        return self.settled_ppm + (self.start_ppm - self.settled_ppm) * exp(-self.changes_per_h * hours)


@lru_cache(maxsize=512)
def _stretches(world: World, room: Room, day: int) -> tuple[_Stretch, ...]:
    """A day of a room, begun from outdoor air the morning before so that evenings run on."""
    found: list[_Stretch] = []
    for one in (day - 1, day):
        for period in world.timetable.periods(one):
            start_ms = start_of(one) + period.start_min * MS_PER_MINUTE
            start_ppm = found[-1].ppm(start_ms) if found else CO2_OUTDOORS_PPM
            draught = 0.8 + 0.6 * chance(world.seed, room.place, "draught", one, period.start_min)
            usual = _AIR_CHANGES_PER_H[period.phase]
            if period.phase != "closed":
                usual = _LARGE_ROOMS.get(room.kind, usual)
            changes_per_h = usual * draught
            emission = world.occupancy.emission_m3_per_h(room.place, one, period)
            settled = CO2_OUTDOORS_PPM + 1e6 * emission / room.volume_m3 / changes_per_h
            found.append(_Stretch(start_ms, start_ppm, settled, changes_per_h))
    return tuple(one for one in found if one.start_ms >= start_of(day))


def co2_ppm(world: World, room: Room, school_ms: int) -> float:
    stretches = _stretches(world, room, day_of(school_ms))
    return next(one for one in reversed(stretches) if one.start_ms <= school_ms).ppm(school_ms)


def air_changes_per_h(world: World, room: Room, school_ms: int) -> float:
    """How often an hour the air of a room is exchanged for that from outdoors."""
    stretches = _stretches(world, room, day_of(school_ms))
    return next(one for one in reversed(stretches) if one.start_ms <= school_ms).changes_per_h


def cooking(world: World, school_ms: int) -> float:
    """How busy the stoves are, 0 to 1, before lunch and, where somebody dines, before dinner."""
    if not world.timetable.is_school_day(day_of(school_ms)):
        return 0.0
    minute = minute_of(school_ms)
    meals = [one.start_min for one in world.timetable.day if one.phase in {"lunch", "dinner"}]
    return min(1.0, sum(exp(-(((minute - meal + 45) / 50) ** 2)) for meal in meals))


def saturation_hpa(temperature_c: float) -> float:
    """Vapour pressure over water at saturation (Magnus formula, WMO-No. 8)."""
    return 6.112 * exp(17.62 * temperature_c / (243.12 + temperature_c))


def outdoor_temperature_c(seed: int, school_ms: int) -> float:
    year = cos(2 * pi * (school_ms / MS_PER_DAY - 20) / 365.25)
    day = cos(2 * pi * (minute_of(school_ms) - 870) / 1_440)
    return 17 - 12 * year + 4 * day + 3 * wander(seed, "weather", school_ms, 40 * _HOUR_MS)


def outdoor_humidity(seed: int, school_ms: int) -> float:
    """Per cent: damp nights, drier afternoons."""
    day = cos(2 * pi * (minute_of(school_ms) - 870) / 1_440)
    return 64 - 12 * day + 14 * wander(seed, "damp", school_ms, 30 * _HOUR_MS)


def pressure_hpa(seed: int, school_ms: int) -> float:
    return 1_013 + 9 * wander(seed, "pressure", school_ms, 60 * _HOUR_MS)


def illuminance_lx(seed: int, school_ms: int) -> float:
    height = -cos(2 * pi * minute_of(school_ms) / 1_440)
    clouds = 0.7 + 0.3 * wander(seed, "clouds", school_ms, 45 * MS_PER_MINUTE)
    return max(0.0, height) * 60_000 * clouds


def outdoor_pm2_5(seed: int, school_ms: int, *, traffic: bool) -> float:
    """µg/m³; at the gate the cars of the morning and the afternoon add theirs."""
    slow = wander(seed, "haze", school_ms, 9 * _HOUR_MS)
    fast = wander(seed, "gusts", school_ms, 12 * MS_PER_MINUTE)
    found = exp(3.3 + 0.6 * slow + 0.12 * fast)
    if traffic:
        minute = minute_of(school_ms)
        found += sum(22 * exp(-(((minute - rush) / 14) ** 2)) for rush in (475, 970))
    return found


def indoor_temperature_c(world: World, room: Room, school_ms: int) -> float:
    """Half sheltered from the weather, and warmed by those who breathe in it and by stoves."""
    warmth = 0.0013 * (co2_ppm(world, room, school_ms) - CO2_OUTDOORS_PPM)
    if room.kind == "kitchen":
        warmth += 7 * cooking(world, school_ms)
    return 22 + 0.45 * (outdoor_temperature_c(world.seed, school_ms) - 22) + warmth


def indoor_humidity(world: World, room: Room, school_ms: int) -> float:
    """Per cent: the vapour from outdoors and from breath, at the temperature of the room."""
    outside = outdoor_humidity(world.seed, school_ms) / 100
    outside *= saturation_hpa(outdoor_temperature_c(world.seed, school_ms))
    breath = 0.0016 * (co2_ppm(world, room, school_ms) - CO2_OUTDOORS_PPM)
    share = (outside + breath) / saturation_hpa(indoor_temperature_c(world, room, school_ms))
    return min(98.0, max(8.0, 100 * share))
