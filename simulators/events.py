"""What happens in a school without a timetable of its own: doors, leaks, smoke, alarms, presses.

Every state is constant within a slot of 20 s, so that a device can find the next change.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from simulators.signals import chance
from simulators.timetable import MS_PER_MINUTE, Phase, day_of, start_of
from simulators.world import World

SLOT_MS: Final = 20_000
_DOOR_OPEN: Final[dict[Phase, float]] = {
    "closed": 0.0,
    "arriving": 0.7,
    "lesson": 0.02,
    "break": 0.6,
    "outside": 0.1,
    "lunch": 0.3,
    "rest": 0.2,
    "leaving": 0.5,
    "cleaning": 0.8,
    "dinner": 0.0,
    "study": 0.02,
}


class Incident(NamedTuple):
    """How often something happens at one device, and how long it lasts."""

    chance_per_day: float
    duration_ms: int


LEAK: Final = Incident(0.3, 12 * MS_PER_MINUTE)
SMOKE: Final = Incident(0.02, 4 * MS_PER_MINUTE)
GAS: Final = Incident(0.1, 8 * MS_PER_MINUTE)
PRESS: Final = Incident(0.1, SLOT_MS)
"""A press of the button is an instant; it stands for one slot."""
_BETWEEN_MIN: Final = (480, 960)


def is_door_open(world: World, device: str, school_ms: int) -> bool:
    slot_ms = school_ms - school_ms % SLOT_MS
    likely = _DOOR_OPEN[world.timetable.phase_at(slot_ms)]
    return chance(world.seed, device, "open", slot_ms // SLOT_MS) < likely


def is_happening(seed: int, device: str, incident: Incident, school_ms: int) -> bool:
    return incident_share(seed, device, incident, school_ms) is not None


def incident_share(seed: int, device: str, incident: Incident, school_ms: int) -> float | None:
    """How much of an incident has passed, 0 to 1, or None while there is none.

    A device has at most one on a day, between 8 and 16 o'clock.
    """
    day = day_of(school_ms)
    if chance(seed, device, "incident", day) >= incident.chance_per_day:
        return None
    first, last = _BETWEEN_MIN
    minute = first + int((last - first) * chance(seed, device, "minute", day))
    passed_ms = school_ms - start_of(day) - minute * MS_PER_MINUTE
    return passed_ms / incident.duration_ms if 0 <= passed_ms < incident.duration_ms else None
