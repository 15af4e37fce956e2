"""Reads the devices of one Modbus bus, each through its profile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import structlog

from device_profiles.modbus_schema import Command
from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers.contract import DeviceReport, Sink
from edge_agent.drivers.modbus import requests
from edge_agent.drivers.modbus.bus import Bus
from edge_agent.drivers.modbus.config import ModbusSource, bind_device, serial_settings
from edge_agent.drivers.modbus.device import PolledDevice
from edge_agent.drivers.modbus.link import BusAwayError, Link
from edge_agent.drivers.modbus.requests import Request
from edge_agent.drivers.modbus.tcp import TcpLink
from edge_agent.drivers.settings import Parity
from telemetry.readings import Chunk, SeriesTable

log = structlog.get_logger()

PARITY_LETTERS: Final[dict[Parity, str]] = {"none": "N", "even": "E", "odd": "O"}


class ModbusDriver:
    """One serial port or TCP host and the devices behind it."""

    def __init__(
        self,
        source: ModbusSource,
        *,
        catalogue: Catalogue,
        table: SeriesTable,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.name = source.name
        self._source = source
        self._catalogue = catalogue
        self._table = table
        self._clock = clock
        self._counters = counters
        self._bus = self._make_bus(counters)
        self._devices = {device.id: device for device in self._bus.devices}

    async def run(self, sink: Sink) -> None:
        log.info("polling devices", driver=self.name, bus=self._source.where, devices=len(self._devices))
        await self._bus.run(sink)

    async def command(self, device_id: str, name: str, value: int | str) -> None:
        """Writes what a device's profile declares, before the next read of the bus.

        Raises LookupError for a device or command that is not there, ValueError for a value that
        the profile does not allow, BusBusyError when too many wait, and LinkError when it was not
        carried out or, on a bus that went silent, perhaps not.
        """
        device = self._devices.get(device_id)
        if device is None:
            raise LookupError(f"no device {device_id!r} on {self.name}")
        command = device.decoder.spec.command(name)
        await self._bus.command(device, _write(command, command.encode(value)))
        log.info("command carried out", driver=self.name, device=device_id, command=name)

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        # Apart from the running bus, so that nothing of it is counted there.
        bus = self._make_bus(Counters())
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        try:
            for device in bus.devices:
                yield await self._check(bus, device, deadline_s)
        finally:
            await bus.close()

    async def _check(self, bus: Bus, device: PolledDevice, deadline_s: float) -> DeviceReport:
        heard = _Heard()
        try:
            async with asyncio.timeout_at(deadline_s):
                await bus.poll_once(device, heard)
        except BusAwayError as error:
            return DeviceReport(device.id, ok=False, text=f"{self._source.where}: {error}")
        except TimeoutError:
            return DeviceReport(device.id, ok=False, text="no time left to ask it")
        readings = heard.chunk.readings(self._table)
        told = [f"{one.series.quantity} {one.value:g}" for one in readings]
        told += [f"refused: {reason}" for reason in sorted(heard.reasons)]
        if not told:
            garbled = bool(device.counters.garbled)
            told = ["answers, but not understandably" if garbled else f"unit {device.unit} does not answer"]
        return DeviceReport(device.id, ok=bool(readings), text=", ".join(told))

    def _make_bus(self, counters: Counters) -> Bus:
        source = self._source
        devices = []
        for device in source.devices:
            decoder = bind_device(device, self._catalogue, self._table)
            polled = PolledDevice(
                decoder,
                unit=device.unit,
                interval_s=device.interval_s or decoder.spec.poll_interval_s,
                offset_s=device.offset_s,
                counters=counters.devices.setdefault(device.id, DeviceCounters()),
                driver=source.name,
            )
            devices.append(polled)
        return Bus(
            source.name,
            self._make_link(),
            devices,
            timeout_s=source.timeout_s,
            clock=self._clock,
            counters=counters,
        )

    def _make_link(self) -> Link:
        source = self._source
        if source.serial is None:
            assert source.tcp is not None
            return TcpLink(source.tcp.host, source.tcp.port)
        baud, parity, stop_bits = serial_settings(source, self._catalogue)
        # Loaded only where there is a serial bus: pymodbus takes a megabyte of a gateway's little memory.
        from edge_agent.drivers.modbus.rtu import RtuLink, SerialLine  # noqa: PLC0415  # said above

        letter = PARITY_LETTERS[parity]
        return RtuLink(SerialLine(source.serial.port, baud, letter, stop_bits, source.serial.echo))


def _write(command: Command, raw: tuple[int, ...]) -> Request:
    if command.fc == requests.WRITE_COIL:
        return requests.write_coil(command.address, bool(raw[0]))
    if command.fc == requests.WRITE_REGISTER:
        return requests.write_register(command.address, raw[0])
    if command.fc == requests.MASK_WRITE_REGISTER:
        assert command.mask is not None
        return requests.mask_write(command.address, ~command.mask & 0xFFFF, raw[0])
    if command.fc == requests.READ_WRITE_REGISTERS:
        return requests.read_write(command.address, len(raw), command.address, raw)
    if command.fc == requests.WRITE_COILS:
        return requests.write_coils(command.address, [bool(bit) for bit in raw])
    return requests.write_registers(command.address, raw)


class _Heard:
    """A sink that keeps one poll, to be shown."""

    def __init__(self) -> None:
        self.chunk = Chunk()
        self.reasons: set[str] = set()

    def readings(self, chunk: Chunk) -> None:
        self.chunk.extend(chunk)

    def check(self, observation: object) -> None: ...

    def tap(self, observation: object) -> None: ...

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        del device, size_bytes
        self.reasons.add(reason)
