"""What a simulated Modbus device measures: the school's truth where it has one, else a steady wander."""

from __future__ import annotations

from math import inf
from typing import Final

from simulators.modbus.unit import Truth
from simulators.school import ROOMS
from simulators.senses import SENSES, Device, Sense
from simulators.signals import wander
from simulators.timetable import MS_PER_MINUTE, Timeline
from telemetry.quantities import QUANTITIES

PLACE: Final = "main/301"
_SENSES: Final[dict[str, Sense]] = {
    quantity: sense for senses in SENSES.values() for quantity, sense in senses.items()
}
_SAME: Final = {
    "power": "power_l1",
    "voltage": "voltage_l1",
    "current": "current_l1",
    "frequency": "frequency_l1",
}
"""A meter with one phase measures what one with three measures on the first."""

_OF_POWER: Final = {"power_factor": 0.92, "apparent_power": 1 / 0.92, "reactive_power": 0.426}
"""What a load with a power factor of 0.92 draws beside its active power; the factor itself is first."""


def school_truth(seed: int, device_id: str, profile_id: str, timeline: Timeline, now_ms: Truth) -> Truth:
    """The truth of one device in a classroom of the simulated school.

    now_ms: wall time in ms, whatever it is asked for.
    """
    room = next(room for room in ROOMS if room.place == PLACE)
    device = Device(device_id, profile_id, PLACE, device_id, "", room)

    def truth(quantity: str) -> float:
        school_ms = timeline.school_ms(int(now_ms(quantity)))
        sense = _SENSES.get(_SAME.get(quantity, quantity))
        if sense is not None:
            return sense(seed, device, school_ms)
        if quantity in _OF_POWER:
            factor = _OF_POWER[quantity]
            return factor if quantity == "power_factor" else factor * truth("power")
        return steady(seed, device_id, quantity, school_ms)

    return truth


def steady(seed: int, device_id: str, quantity: str, time_ms: int) -> float:
    """A plausible value for a quantity nobody has modelled: it wanders in the lower part of its
    range; a state stays 0.
    """
    known = QUANTITIES[quantity]
    if known.is_bool:
        return 0.0
    low, high = max(known.low, 0.0), 1_000.0 if known.high == inf else known.high
    share = 0.25 + 0.05 * wander(seed, f"{device_id} {quantity}", time_ms, 25 * MS_PER_MINUTE)
    return low + share * (high - low)
