"""A driver beside its simulated bus, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from device_profiles.modbus_schema import ModbusProfile
from device_profiles.registry import Catalogue, modbus_spec
from edge_agent.clock import Clock
from edge_agent.drivers.modbus.config import ModbusSource
from edge_agent.drivers.modbus.driver import ModbusDriver
from simulators.modbus import SimulatedUnit
from tests.driver_rig import Kept

PROFILES = Path(__file__).parent / "profiles"
CATALOGUE = Catalogue([PROFILES])
WAIT_S_MAX = 20.0
TRUTH = {
    "temperature": 21.5,
    "relative_humidity": 40.0,
    "energy": 247.0,
    "voltage": 230.0,
    "current": 5.0,
    "open": 1.0,
    "water_leak": 1.0,
    "illuminance": 321.0,
}


def profile(name: str) -> ModbusProfile:
    return modbus_spec(CATALOGUE.get(f"test/{name}"))


def unit(number: int, name: str = "climate", **options: Any) -> SimulatedUnit:
    return SimulatedUnit(number, profile(name), TRUTH.__getitem__, **options)


def device(number: int, name: str = "climate", **settings: Any) -> dict[str, Any]:
    return {
        "id": f"{name}-{number}",
        "profile": f"test/{name}",
        "place": "main/301",
        "unit": number,
        **settings,
    }


class Rig(Kept):
    """A running driver: what it gave, and what it counted."""

    def __init__(self, **source: Any) -> None:
        super().__init__()
        settings = ModbusSource(**{"name": "bus", "timeout_s": 0.05, **source})
        self.driver = ModbusDriver(
            settings, catalogue=CATALOGUE, table=self.table, clock=Clock("system"), counters=self.counters
        )

    def polls(self, device: str) -> int:
        return self.of(device).polls


@asynccontextmanager
async def running(**source: Any) -> AsyncIterator[Rig]:
    """The driver works while the context lasts; that it ends without an error is part of the test."""
    rig = Rig(**source)
    task = asyncio.create_task(rig.driver.run(rig), name="driver")
    try:
        yield rig
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=WAIT_S_MAX)
        assert done, "the driver does not stop"
        if not task.cancelled():
            task.result()
