"""A serial driver beside its simulated line, in one event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_profiles.observations import CheckObservation, TapObservation
from device_profiles.registry import Catalogue, Profile
from edge_agent.clock import Clock
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers.serial.config import SerialSource
from edge_agent.drivers.serial.driver import SerialDriver
from simulators.serial import SerialLine, SimulatedBoard
from telemetry.readings import Chunk, Reading, SeriesTable

PROFILES = Path(__file__).parent / "profiles"
CATALOGUE = Catalogue([PROFILES])
WAIT_S_MAX = 20.0
TRUTH = {"pm2_5": 35.0, "pm10": 50.0, "co2": 812.0, "voltage": 231.4, "energy": 317.76, "temperature": 21.5}


def profile(name: str) -> Profile:
    return CATALOGUE.get(f"test/{name}")


def board(name: str, **options: Any) -> SimulatedBoard:
    return SimulatedBoard(profile(name), TRUTH.__getitem__, **{"interval_s": 0.02, **options})


def line(folder: Path, *boards: Any, **options: Any) -> SerialLine:
    made = SerialLine(folder / "adapter", **{"paced": False, **options})
    for one in boards:
        one.attach(made)
    return made


def device(name: str, **settings: Any) -> dict[str, Any]:
    return {"id": name, "profile": f"test/{name}", "place": "main/301", **settings}


async def until(look: Callable[[], object], what: str, wait_s: float = WAIT_S_MAX) -> None:
    """Returns as soon as `look` finds something true. Fails the test after `wait_s`."""
    try:
        async with asyncio.timeout(wait_s):
            while not look():  # noqa: ASYNC110  # what is looked at knows no event
                await asyncio.sleep(0.002)
    except TimeoutError:
        pytest.fail(f"did not happen within {wait_s:g} s: {what}", pytrace=False)


class SerialRig:
    """A driver: what it gave, and what it counted."""

    def __init__(self, **source: Any) -> None:
        self.table = SeriesTable()
        self.counters = Counters()
        self.chunks: list[Chunk] = []
        self.checks: list[CheckObservation] = []
        self.taps: list[TapObservation] = []
        self.reasons: Counter[tuple[str, str]] = Counter()
        settings = SerialSource(**{"name": "port", **source})
        self.driver = SerialDriver(
            settings, catalogue=CATALOGUE, table=self.table, clock=Clock("system"), counters=self.counters
        )

    def readings(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    def check(self, observation: CheckObservation) -> None:
        self.checks.append(observation)

    def tap(self, observation: TapObservation) -> None:
        self.taps.append(observation)

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self.reasons[device, reason] += 1

    def of(self, name: str) -> DeviceCounters:
        return self.counters.devices[name]

    @property
    def given(self) -> list[Reading]:
        return [reading for chunk in self.chunks for reading in chunk.readings(self.table)]

    def values(self, name: str, quantity: str) -> list[float]:
        return [
            one.value for one in self.given if one.series.device == name and one.series.quantity == quantity
        ]

    async def goes_on(self, name: str, quantity: str) -> None:
        """Returns when new values have come."""
        had = len(self.values(name, quantity))
        await until(lambda: len(self.values(name, quantity)) > had + 2, f"{quantity} of {name}")


@asynccontextmanager
async def running(**source: Any) -> AsyncIterator[SerialRig]:
    """The driver works while the context lasts; that it ends without an error is part of the test."""
    rig = SerialRig(**source)
    task = asyncio.create_task(rig.driver.run(rig), name="driver")
    try:
        yield rig
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=WAIT_S_MAX)
        assert done, "the driver does not stop"
        if not task.cancelled():
            task.result()
