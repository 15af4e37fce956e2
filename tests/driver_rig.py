"""What the tests of all drivers share: a sink that keeps everything, and a patient look.

``from tests.driver_rig import Kept, until``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.counters import Counters, DeviceCounters
from telemetry.readings import Chunk, Reading, SeriesTable

WAIT_S_MAX = 20.0


async def until(look: Callable[[], object], what: str, wait_s: float = WAIT_S_MAX) -> None:
    """Returns as soon as `look` finds something true. Fails the test after `wait_s`."""
    try:
        async with asyncio.timeout(wait_s):
            while not look():  # noqa: ASYNC110  # what is looked at knows no event
                await asyncio.sleep(0.002)
    except TimeoutError:
        pytest.fail(f"did not happen within {wait_s:g} s: {what}", pytrace=False)


class Kept:
    """A sink: what a driver gave, and what it counted."""

    def __init__(self) -> None:
        self.table = SeriesTable()
        self.counters = Counters()
        self.chunks: list[Chunk] = []
        self.checks: list[CheckObservation] = []
        self.taps: list[TapObservation] = []
        self.reasons: Counter[tuple[str, str]] = Counter()

    def readings(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    def check(self, observation: CheckObservation) -> None:
        self.checks.append(observation)

    def tap(self, observation: TapObservation) -> None:
        self.taps.append(observation)

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self.reasons[device, reason] += 1

    def of(self, device: str) -> DeviceCounters:
        return self.counters.devices[device]

    @property
    def given(self) -> list[Reading]:
        return [reading for chunk in self.chunks for reading in chunk.readings(self.table)]

    def values(self, device: str, quantity: str) -> list[float]:
        return [
            one.value for one in self.given if one.series.device == device and one.series.quantity == quantity
        ]
