"""A serial driver beside its simulated line, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from device_profiles.registry import Catalogue, Profile
from edge_agent.clock import Clock
from edge_agent.drivers.serial.config import SerialSource
from edge_agent.drivers.serial.driver import SerialDriver
from simulators.serial import SerialLine, SimulatedBoard
from tests.driver_rig import Kept, until

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


class SerialRig(Kept):
    """A driver: what it gave, and what it counted."""

    def __init__(self, **source: Any) -> None:
        super().__init__()
        settings = SerialSource(**{"name": "port", **source})
        self.driver = SerialDriver(
            settings, catalogue=CATALOGUE, table=self.table, clock=Clock("system"), counters=self.counters
        )

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
