"""A simulated school: its plan, its pupils, and the truth of every device at every moment.

Everything follows from the seed and the plan, and every question about the school has one answer for
every moment. Times are the school's own, ms UTC; `simulators.timetable.Timeline` ties them to the
wall clock. Without a plan it is 示例小学 / Example Primary School of ``school.toml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final

from device_profiles.registry import Catalogue
from simulators.arrivals import Tap, taps_from
from simulators.models import MODELS
from simulators.plan import Plan, Transport, default_plan
from simulators.pupils import Check, Pupil, check_at, enrol
from simulators.senses import sense
from simulators.station import STATION
from simulators.world import Device, World

DEFAULT_SEED: Final = 20_260_907


class UnknownSeriesError(KeyError):
    """No device of the school senses that."""


class School:
    """The simulated school. `devices` and `pupils` keep their order from run to run."""

    def __init__(self, seed: int = DEFAULT_SEED, plan: Plan | None = None) -> None:
        self.seed = seed
        self.plan = plan or default_plan()
        self.world = World(seed, self.plan)
        self.id = self.plan.school.id
        self.class_ids = tuple(one.id for one in self.plan.classes)
        self.pupils: tuple[Pupil, ...] = enrol(seed, {one.id: one.pupils for one in self.plan.classes})
        self.devices: tuple[Device, ...] = tuple(map(self.world.device, self.plan.devices))
        self._by_id = {device.id: device for device in self.devices}

    def __repr__(self) -> str:
        return f"School(id={self.id!r}, seed={self.seed})"

    @property
    def name(self) -> tuple[str, str]:
        return self.plan.school.name.both

    @property
    def stations(self) -> tuple[Device, ...]:
        """The morning-check stations that publish over MQTT."""
        return tuple(device for device in self.devices if device.profile == STATION)

    @property
    def station(self) -> Device:
        """The first morning-check station. Raises UnknownSeriesError."""
        if not self.stations:
            raise UnknownSeriesError(STATION)
        return self.stations[0]

    def on(self, transport: Transport, gateway: str | None = None) -> tuple[Device, ...]:
        """The devices of one transport, of all gateways or one."""
        return tuple(
            device
            for device in self.devices
            if device.transport == transport and gateway in {None, device.gateway}
        )

    def device(self, device_id: str) -> Device:
        """Raises UnknownSeriesError."""
        try:
            return self._by_id[device_id]
        except KeyError:
            raise UnknownSeriesError(device_id) from None

    def place_label(self, place: str) -> tuple[str, str]:
        """A place for people, Chinese first: ``("教学楼 301", "Teaching building 301")``."""
        return self.plan.label(place)

    def quantities(self, device_id: str) -> tuple[str, ...]:
        """What a device senses. Raises UnknownSeriesError."""
        device = self.device(device_id)
        if device.profile in MODELS:
            return MODELS[device.profile].senses
        return self._read_by(device.profile) if device.plan.only is None else device.plan.only

    def truth(self, device_id: str, quantity: str, school_ms: int) -> float:
        """The true value at a moment, in the quantity's unit. Raises UnknownSeriesError."""
        device = self.device(device_id)
        if device.profile in MODELS and quantity not in MODELS[device.profile].senses:
            raise UnknownSeriesError(device_id, quantity)
        try:
            return sense(self.world, device, quantity, school_ms)
        except KeyError:
            raise UnknownSeriesError(device_id, quantity) from None

    def check(self, number: int) -> Check:
        """The morning check with a number: who came, with which card and temperature."""
        return check_at(self.seed, self.pupils, number)

    def taps(self, school_ms: int) -> Iterator[Tap]:
        """Cards at the gate from a moment on, for ever and in order."""
        return taps_from(self.world, self.pupils, school_ms)

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue()

    def _read_by(self, profile: str) -> tuple[str, ...]:
        fields = getattr(self._catalogue.get(profile).spec, "fields", ())
        return tuple(dict.fromkeys(row.quantity for row in fields))
