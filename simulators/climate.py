"""The air of a school, outdoors and in its rooms, as pure functions of time.

Carbon dioxide follows the mass balance of a well-mixed room,
``dC/dt = G / V - n (C - C_out)``, with emission G and air change n constant within each period of
the timetable, so that every millisecond has an exact solution. Pupils emit about 0.003 L/s each,
the order that Persily and de Jonge (2017) give for children who sit. The rest is plausible rather
than physical: what counts is that it is known.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, exp, pi
from typing import Final, NamedTuple

from simulators.signals import chance, wander
from simulators.timetable import (
    MS_PER_DAY,
    MS_PER_MINUTE,
    Phase,
    day_of,
    minute_of,
    periods,
    start_of,
)

CO2_OUTDOORS_PPM: Final = 425.0
EMISSION_M3_PER_H: Final = 0.003 * 3.6
_HOUR_MS: Final = 60 * MS_PER_MINUTE
_SHARE: Final[dict[Phase, float]] = {
    "closed": 0.0,
    "arriving": 0.5,
    "lesson": 1.0,
    "break": 0.5,
    "outside": 0.05,
    "lunch": 0.3,
    "leaving": 0.2,
}
"""How many of a class are in their room."""
_AIR_CHANGES_PER_H: Final[dict[Phase, float]] = {
    "closed": 0.3,
    "arriving": 2.0,
    "lesson": 1.0,
    "break": 5.0,
    "outside": 6.0,
    "lunch": 2.5,
    "leaving": 3.0,
}


class Room(NamedTuple):
    """A place indoors. `people` is how many sit there during a lesson."""

    place: str
    volume_m3: float
    people: int
    zh: str
    en: str


class _Stretch(NamedTuple):
    """A time in which emission and air change are constant."""

    start_ms: int
    start_ppm: float
    settled_ppm: float
    changes_per_h: float

    def ppm(self, school_ms: int) -> float:
        hours = (school_ms - self.start_ms) / _HOUR_MS
        return self.settled_ppm + (self.start_ppm - self.settled_ppm) * exp(-self.changes_per_h * hours)


def people_in(seed: int, room: Room, day: int, phase: Phase) -> int:
    """How many are in a room during a phase of a day: a few pupils are always ill at home."""
    present = 0.92 + 0.08 * chance(seed, room.place, "present", day)
    return round(room.people * _SHARE[phase] * present)


@lru_cache(maxsize=256)
def _stretches(seed: int, room: Room, day: int) -> tuple[_Stretch, ...]:
    """A day of a room, begun from outdoor air the morning before so that evenings run on."""
    found: list[_Stretch] = []
    for one in (day - 1, day):
        for period in periods(one):
            start_ms = start_of(one) + period.start_min * MS_PER_MINUTE
            start_ppm = found[-1].ppm(start_ms) if found else CO2_OUTDOORS_PPM
            draught = 0.8 + 0.6 * chance(seed, room.place, "draught", one, period.start_min)
            changes_per_h = _AIR_CHANGES_PER_H[period.phase] * draught
            emission = people_in(seed, room, one, period.phase) * EMISSION_M3_PER_H
            settled = CO2_OUTDOORS_PPM + 1e6 * emission / room.volume_m3 / changes_per_h
            found.append(_Stretch(start_ms, start_ppm, settled, changes_per_h))
    return tuple(one for one in found if one.start_ms >= start_of(day))


def co2_ppm(seed: int, room: Room, school_ms: int) -> float:
    stretches = _stretches(seed, room, day_of(school_ms))
    return next(one for one in reversed(stretches) if one.start_ms <= school_ms).ppm(school_ms)


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


def indoor_temperature_c(seed: int, room: Room, school_ms: int) -> float:
    """Half sheltered from the weather, and warmed by those who breathe in it."""
    warmth = 0.0013 * (co2_ppm(seed, room, school_ms) - CO2_OUTDOORS_PPM)
    return 22 + 0.45 * (outdoor_temperature_c(seed, school_ms) - 22) + warmth


def indoor_humidity(seed: int, room: Room, school_ms: int) -> float:
    """Per cent: the vapour from outdoors and from breath, at the temperature of the room."""
    outside = outdoor_humidity(seed, school_ms) / 100
    outside *= saturation_hpa(outdoor_temperature_c(seed, school_ms))
    breath = 0.0016 * (co2_ppm(seed, room, school_ms) - CO2_OUTDOORS_PPM)
    share = (outside + breath) / saturation_hpa(indoor_temperature_c(seed, room, school_ms))
    return min(98.0, max(8.0, 100 * share))
