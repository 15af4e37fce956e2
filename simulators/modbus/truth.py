"""What a simulated Modbus device that is in no school's file measures: it stands in a classroom."""

from __future__ import annotations

from typing import Final, Literal

from simulators.modbus.unit import Truth
from simulators.plan import DevicePlan
from simulators.school import School
from simulators.senses import sense
from simulators.timetable import Timeline

PLACE: Final = "main/301"


def school_truth(
    seed: int,
    device_id: str,
    profile_id: str,
    timeline: Timeline,
    now_ms: Truth,
    *,
    phases: Literal[1, 3] = 1,
) -> Truth:
    """The truth of one device in a classroom of the default school.

    now_ms: wall time in ms, whatever it is asked for. phases: how many lines a meter measures.
    """
    world = School(seed).world
    row = DevicePlan(id="device", profile=profile_id, place=PLACE, gateway="gateway", phases=phases)
    device = world.device(row)._replace(id=device_id)

    def truth(quantity: str) -> float:
        return sense(world, device, quantity, timeline.school_ms(int(now_ms(quantity))))

    return truth
