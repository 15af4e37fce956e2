"""The Modbus devices of a school: each bus behind a TCP port, or on a pty."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from device_profiles.registry import Catalogue, modbus_spec
from simulators.drive import Drive
from simulators.hosts import HostError, Served, row
from simulators.modbus.rtu import RtuBus
from simulators.modbus.tcp import TcpHost
from simulators.modbus.unit import SimulatedUnit
from simulators.plan import BusPlan
from simulators.world import Device


class ModbusHost:
    """Every bus of the school that has devices. `folder`: where links to ptys go.

    units: the simulated devices by id, with their faults.
    """

    def __init__(self, drive: Drive, folder: Path, catalogue: Catalogue | None = None) -> None:
        self.environment: dict[str, str] = {}
        self.units: dict[str, SimulatedUnit] = {}
        self._drive = drive
        self._folder = folder
        self._catalogue = catalogue or Catalogue()
        self._served: list[Served] = []
        self._stack = AsyncExitStack()

    @property
    def served(self) -> Sequence[Served]:
        return self._served

    async def __aenter__(self) -> Self:
        # pymodbus writes down every request for a unit that is not there; here that is no error.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        try:
            for bus in self._drive.school.plan.buses:
                await self._serve(bus)
        except (OSError, RuntimeError) as error:
            await self.__aexit__()
            raise HostError(f"cannot serve Modbus ({error}); is the port free?") from error
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._stack.aclose()
        self._served.clear()

    async def _serve(self, bus: BusPlan) -> None:
        devices = [
            device
            for device in self._drive.school.on("modbus")
            if device.plan.modbus is not None and device.plan.modbus.bus == bus.name
        ]
        if not devices:
            return
        units = [self._unit(device) for device in devices]
        if bus.kind == "tcp":
            host = await self._stack.enter_async_context(TcpHost(units, bus.port))
            where = f"{host.host}:{host.port}"
            way = {"tcp": {"host": host.host, "port": host.port}}
        else:
            path = self._folder / bus.name
            line = units[0].profile.serial
            bits = 9 + (line.parity != "none") + line.stop_bits
            await self._stack.enter_async_context(RtuBus(path, units, baud=bus.baud, bits_a_character=bits))
            where = f"{path} at {bus.baud} Bd"
            way = {"serial": {"port": str(path), "baud": bus.baud}}
        rows = [
            row(device.id, device.profile, device.place, unit=unit.unit, only=device.plan.only)
            for device, unit in zip(devices, units, strict=True)
        ]
        ids = tuple(device.id for device in devices)
        table = {"name": bus.name, **way, "devices": rows}
        self._served.append(Served(devices[0].gateway, "modbus", where, ids, table))

    def _unit(self, device: Device) -> SimulatedUnit:
        assert device.plan.modbus is not None
        spec = modbus_spec(self._catalogue.get(device.profile))
        unit = SimulatedUnit(device.plan.modbus.unit, spec, self._drive.truth(device))
        self.units[device.id] = unit
        return unit
