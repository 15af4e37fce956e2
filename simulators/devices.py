"""When each MQTT device of the school speaks and what it says: a pure function of seed and time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from simulators.events import SLOT_MS
from simulators.models import MODELS
from simulators.payloads import FORMATS, Probe
from simulators.pupils import Check
from simulators.school import School
from simulators.signals import chance
from simulators.station import STATION, STATION_TOPIC, render_check
from simulators.timetable import Timeline
from simulators.world import Device

GAP_MS_MIN: Final = 100
"""No device speaks more often than this on the wall clock, however fast the school runs."""
HELLO_MS: Final = 2_000
"""Within this wall time of the start every device has spoken once, as after a power cut."""


class Message(NamedTuple):
    """What a device publishes, and what must come of it.

    due_ms: when it is sent. time_ms: the moment its values are true of, which a device whose clock
    is coarse has rounded down. Both ms UTC on the wall clock. readings: every quantity that the
    payload states, in the quantity's unit. within: how far each may lie from the truth, for the
    payload's rounding alone. check: the truth behind a morning check.
    """

    device: Device
    due_ms: int
    time_ms: int
    topic: str
    payload: bytes
    readings: dict[str, float]
    within: dict[str, float]
    check: Check | None = None

    def __repr__(self) -> str:
        return f"Message(device={self.device.id!r}, due_ms={self.due_ms}, …)"


class Simulation:
    """The MQTT devices of a school on a timeline. Every time it takes or gives is ms UTC on the wall clock.

    check_every_s: seconds of wall time between two pupils at the station. checks_all_day: they
    keep coming outside the morning window, so that a demo shows them at any hour.
    """

    def __init__(
        self, school: School, timeline: Timeline, *, check_every_s: float = 4.0, checks_all_day: bool = True
    ) -> None:
        self.school = school
        self.devices = school.on("mqtt")
        self.timeline = timeline
        self.checks_all_day = checks_all_day
        self._check_interval_ms = max(1, int(check_every_s * 1_000 * timeline.speed))

    def truth(self, device_id: str, quantity: str, time_ms: int) -> float:
        """The true value of one series at a moment. Raises UnknownSeriesError."""
        return self.school.truth(device_id, quantity, self.timeline.school_ms(time_ms))

    def topic(self, device: Device) -> str:
        """The topic that a device publishes on."""
        if device.plan.mqtt is not None and device.plan.mqtt.topic is not None:
            return device.plan.mqtt.topic
        pattern = STATION_TOPIC if device.profile == STATION else FORMATS[device.profile].topic
        return pattern.replace("{address}", device.address)

    def message(self, device: Device, due_ms: int) -> Message:
        """What a device says at a moment."""
        topic = self.topic(device)
        if device.profile == STATION:
            school_ms = self.timeline.school_ms(due_ms)
            check = self.school.check(school_ms // self._check_interval_ms)
            ambient_c = self.school.truth(device.id, "temperature", school_ms)
            body = render_check(device, check, ambient_c, due_ms)
            return Message(device, due_ms, due_ms, topic, msgspec.json.encode(body), {}, {}, check)
        vendor = FORMATS[device.profile]
        time_ms = due_ms - due_ms % vendor.clock_ms
        probe = Probe(self.school.world, device, self.timeline.school_ms(time_ms), time_ms)
        payload = msgspec.json.encode(vendor.render(probe))
        return Message(device, due_ms, time_ms, topic, payload, probe.said, probe.within)

    def dues(self, device: Device, from_ms: int) -> Iterator[int]:
        """When a device speaks, from a moment on, for ever and in order."""
        return self._check_dues(from_ms) if device.profile == STATION else self._dues(device, from_ms)

    def agenda(self, from_ms: int) -> Iterator[tuple[int, Device]]:
        """When every MQTT device speaks, from a moment on, for ever and in order."""

        def of(device: Device) -> Iterator[tuple[int, str, Device]]:
            return ((due_ms, device.id, device) for due_ms in self.dues(device, from_ms))

        ordered = heapq.merge(*map(of, self.devices), key=lambda one: one[:2])
        return ((due_ms, device) for due_ms, _, device in ordered)

    def messages(self, from_ms: int, to_ms: int) -> Iterator[Message]:
        """All that is said from a moment until just before another."""
        for due_ms, device in self.agenda(from_ms):
            if due_ms >= to_ms:
                return
            yield self.message(device, due_ms)

    def _check_dues(self, from_ms: int) -> Iterator[int]:
        number = -(-self.timeline.school_ms(from_ms) // self._check_interval_ms)
        while True:
            school_ms = number * self._check_interval_ms
            if self.checks_all_day or self.school.world.timetable.in_check_window(school_ms):
                yield self.timeline.wall_ms(school_ms)
            number += 1

    def _dues(self, device: Device, from_ms: int) -> Iterator[int]:
        cadence = MODELS[device.profile].cadence
        assert cadence is not None, "the station has dues of its own"
        seed = self.school.seed
        phase_ms = int(cadence.interval_ms * chance(seed, device.id, "phase"))
        due_ms = from_ms + int(HELLO_MS * chance(seed, device.id, "hello"))
        while True:
            yield due_ms
            school_ms = self.timeline.school_ms(due_ms)
            ticks = (school_ms - phase_ms) // cadence.interval_ms + 1
            next_ms = phase_ms + ticks * cadence.interval_ms
            if cadence.at_change_of:
                next_ms = self._next_change(device, cadence.at_change_of, school_ms, next_ms)
            due_ms = max(self.timeline.wall_ms(next_ms), due_ms + GAP_MS_MIN)

    def _next_change(self, device: Device, quantity: str, school_ms: int, until_ms: int) -> int:
        """The start of the first slot with another state, or `until_ms` when none comes before."""
        truth = self.school.truth
        state = truth(device.id, quantity, school_ms)
        first_ms = school_ms - school_ms % SLOT_MS + SLOT_MS
        for slot_ms in range(first_ms, until_ms, SLOT_MS):
            if truth(device.id, quantity, slot_ms) != state:
                return slot_ms
        return until_ms
