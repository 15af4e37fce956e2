"""The Bluetooth devices of a school, on a private D-Bus of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, Self

from device_profiles.registry import Catalogue, ble_spec
from simulators.ble.bus import NoDbusError
from simulators.ble.content import advert_of, services_of
from simulators.ble.peripheral import Peripheral
from simulators.ble.world import BleWorld
from simulators.drive import Drive
from simulators.hosts import HostError, Served, Table, row
from simulators.signals import chance
from simulators.world import Device

BUS_VARIABLE: Final = "DBUS_SYSTEM_BUS_ADDRESS"


class BleHost:
    """Every BLE device of the school, heard by the adapters of its gateway.

    peripherals: the simulated devices by id, with their faults. A gateway's process needs the variable
    of `environment` to meet them.
    """

    def __init__(self, drive: Drive, catalogue: Catalogue | None = None) -> None:
        self.environment: dict[str, str] = {}
        self.peripherals: dict[str, Peripheral] = {}
        self._drive = drive
        self._catalogue = catalogue or Catalogue()
        self._served: list[Served] = []
        self._stack = AsyncExitStack()

    @property
    def served(self) -> Sequence[Served]:
        return self._served

    async def __aenter__(self) -> Self:
        plan = self._drive.school.plan
        adapters = list(dict.fromkeys(name for one in plan.gateways for name in one.adapters)) or ["hci0"]
        self.peripherals |= {one.id: self._peripheral(one) for one in self._drive.school.on("ble")}
        try:
            world = BleWorld(self.peripherals.values(), adapters=adapters)
            self._stack.push_async_exit(world)  # it has a folder to take away even where it does not start
            await world.__aenter__()
        except NoDbusError as error:
            await self.__aexit__()
            raise HostError(str(error)) from error
        self.environment[BUS_VARIABLE] = world.address
        for one in plan.gateways:
            devices = self._drive.school.on("ble", one.id)
            for adapter in one.adapters if devices else ():
                heard = [device for device in devices if _adapter(device, one.adapters) == adapter]
                table: Table = {
                    "name": f"ble-{adapter}",
                    "adapter": adapter,
                    "devices": list(map(_row, heard)),
                }
                ids = tuple(device.id for device in heard)
                self._served.append(Served(one.id, "ble", f"{adapter} on {world.address}", ids, table))
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._stack.aclose()
        self._served.clear()

    def _peripheral(self, device: Device) -> Peripheral:
        spec = ble_spec(self._catalogue.get(device.profile))
        truth = self._drive.truth(device)
        try:
            says, services = (
                advert_of(spec, device.address, truth, device.plan.only),
                services_of(spec, truth),
            )
        except ValueError as error:
            raise HostError(f"device {device.id}: {device.profile} cannot be simulated: {error}") from error
        adapters = next(one.adapters for one in self._drive.school.plan.gateways if one.id == device.gateway)
        return Peripheral(
            device.address,
            says,
            f"{spec.name_start[0]}{device.address[-2:]}" if spec.name_start else None,
            rssi=_strength(self._drive.school.seed, device.id),
            services=services,
            adapters=frozenset({_adapter(device, adapters)}),
        )


def _adapter(device: Device, adapters: Sequence[str]) -> str:
    """The adapter that is told to listen for it: its own, or the first."""
    assert device.plan.ble is not None
    return device.plan.ble.adapter or adapters[0]


def _row(device: Device) -> Table:
    return row(device.id, device.profile, device.place, address=device.address, only=device.plan.only)


def _strength(seed: int, device_id: str) -> Callable[[], int]:
    """Each device at its distance, every report a little different."""
    middle = -45 - round(40 * chance(seed, device_id, "distance"))

    def rssi() -> int:
        return middle + round(4 * chance(seed, device_id, time.time_ns() // 100_000_000)) - 2

    return rssi
