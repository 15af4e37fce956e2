"""A driver beside simulated adapters, in one event loop, over a real D-Bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.drivers.ble.config import BleSource
from edge_agent.drivers.ble.driver import BleDriver
from simulators.ble import Advert, BleWorld, Characteristic, Peripheral, Service, adverts
from tests.driver_rig import Kept, until

PROFILES = Path(__file__).parent / "profiles"
CATALOGUE = Catalogue([PROFILES])
WAIT_S_MAX = 20.0
TEMPERATURE_C, HUMIDITY_PERCENT, RATE = 21.5, 48.0, 96


def address(kind: int, number: int) -> str:
    return f"C{kind}:00:00:00:00:{number:02X}"


class Packets:
    """Counts up with every advertisement, as sensors do."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count


def climate(number: int, **options: Any) -> Peripheral:
    """Temperature, humidity, and its own address, in service data."""
    own, packet = address(4, number), Packets()
    options = {"interval_s": 0.05, **options}
    return Peripheral(
        own,
        lambda: adverts.pvvx(own, TEMPERATURE_C, HUMIDITY_PERCENT, packet=packet()),
        "ATC",
        **options,
    )


def band(number: int, **options: Any) -> Peripheral:
    """A heart rate in its advertisements, as large as its number, so that one can tell them apart."""
    own = address(1, number)
    options = {"interval_s": 0.05, **options}
    return Peripheral(own, lambda: adverts.heart_rate_band(own, RATE + number), "Band", **options)


def strap(number: int, **options: Any) -> Peripheral:
    """A heart rate that is notified."""
    value = Characteristic(
        adverts.HEART_RATE, lambda: adverts.heart_rate_value(RATE + number), ("notify",), 0.05
    )
    options = {"interval_s": 0.05, "name": "Strap", **options}
    return Peripheral(
        address(2, number),
        lambda: Advert(uuids=(adverts.HEART_RATE_SERVICE,)),
        services=[Service(adverts.HEART_RATE_SERVICE, [value])],
        **options,
    )


def thermometer(number: int, **options: Any) -> Peripheral:
    """A temperature that is read."""
    value = Characteristic(adverts.TEMPERATURE, lambda: adverts.hundredths(TEMPERATURE_C), ("read",))
    options = {"interval_s": 0.05, "name": "Thermometer", **options}
    return Peripheral(
        address(3, number),
        lambda: Advert(uuids=(adverts.ENVIRONMENT_SERVICE,)),
        services=[Service(adverts.ENVIRONMENT_SERVICE, [value])],
        **options,
    )


def device(kind: str, peripheral: Peripheral, **settings: Any) -> dict[str, Any]:
    """Its table in the configuration; the id is its kind and the last two digits of its address."""
    return {
        "id": f"{kind}-{int(peripheral.address[-2:], 16)}",
        "profile": f"test/{kind}",
        "place": "main/301",
        "address": peripheral.address,
        **settings,
    }


class Rig(Kept):
    """A running driver: what it gave, and what it counted."""

    def __init__(self, **source: Any) -> None:
        super().__init__()
        settings = BleSource(**{"name": "radio", **source})
        self.driver = BleDriver(
            settings, catalogue=CATALOGUE, table=self.table, clock=Clock("system"), counters=self.counters
        )

    async def goes_on(self, names: Sequence[str], quantity: str, wait_s: float = WAIT_S_MAX) -> None:
        """Each of them gives new readings."""
        had = {name: len(self.values(name, quantity)) for name in names}
        await until(
            lambda: all(len(self.values(name, quantity)) > had[name] + 1 for name in names),
            f"new readings of {', '.join(names)}",
            wait_s,
        )


@asynccontextmanager
async def running(**source: Any) -> AsyncIterator[Rig]:
    """The driver works while the context lasts; that it ends without an error is part of the test."""
    rig = Rig(**source)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(rig.driver.run(rig), name="driver")
        yield rig
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=WAIT_S_MAX)
        assert done, "the driver does not stop"


@asynccontextmanager
async def air(
    monkeypatch: pytest.MonkeyPatch, peripherals: Sequence[Peripheral], **options: Any
) -> AsyncIterator[BleWorld]:
    """Simulated devices in the air of this process."""
    async with BleWorld(peripherals, **options) as world:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", world.address)
        yield world
