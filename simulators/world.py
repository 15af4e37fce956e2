"""What every sense of the simulated school may look at: the seed, the plan, the clock, the people."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from simulators.occupancy import Occupancy
from simulators.plan import OUTDOORS, DevicePlan, Plan, Transport
from simulators.signals import wander
from simulators.timetable import MS_PER_MINUTE, Timetable


class Room(NamedTuple):
    """A place indoors."""

    place: str
    kind: str
    volume_m3: float


class Device(NamedTuple):
    """One simulated device.

    profile: id of its model in the catalogue. address: how its topic, payload or advertisement names
    it. room: the room it is in, or None outdoors. plan: its row of the school's file.
    """

    id: str
    profile: str
    place: str
    address: str
    gateway: str
    room: Room | None
    plan: DevicePlan

    @property
    def transport(self) -> Transport:
        return self.plan.transport


class World:
    """A seed and a plan. Two worlds of the same seed and plan are alike in every moment."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.seed = seed
        self.plan = plan
        times = plan.timetable
        self.timetable = Timetable(times.day, frozenset(times.days), times.check_window)
        self.occupancy = Occupancy(seed, plan, self.timetable)
        self.rooms = {
            room.place: Room(room.place, room.kind, room.volume_m3)
            for room in plan.rooms
            if room.volume_m3 is not None
        }
        self.outdoors = {room.place: room.kind for room in plan.rooms if room.kind in OUTDOORS}

    def device(self, row: DevicePlan) -> Device:
        return Device(
            row.id, row.profile, row.place, row.address, row.gateway, self.rooms.get(row.place), row
        )


Sense = Callable[[World, Device, int], float]
"""From a school, a device of it and school time in ms to a value in the unit of the quantity."""


def spot(world: World, device: Device, what: str, ms: int, size: float) -> float:
    """What this corner of the room differs by."""
    return size * wander(world.seed, f"{device.id} {what}", ms, 25 * MS_PER_MINUTE)
