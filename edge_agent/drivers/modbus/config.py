"""Configuration of the Modbus driver; `modbus.sample.toml` beside this module shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field, model_validator

from device_profiles.modbus import ModbusDecoder, bind_modbus
from device_profiles.registry import Catalogue, ProfileNotFoundError, modbus_spec
from edge_agent.drivers.settings import Baud, DeviceId, Parity, Place
from foundation.tomlfile import FileProblems, StrictModel
from foundation.tomllines import Location
from telemetry.readings import SeriesTable


class SerialPort(StrictModel):
    """A serial port with a bus behind it. What is left out, the profiles of its devices say."""

    port: str = Field(pattern=r"^/")
    """Its path; a link of /dev/serial/by-id names the same adapter in any socket."""
    baud: Baud | None = None
    parity: Parity | None = None
    stop_bits: Literal[1, 2] | None = None
    echo: bool = False
    """The adapter gives back what is sent."""


class TcpHost(StrictModel):
    """A device with Modbus TCP, or a gateway with a serial bus behind it."""

    host: str = Field(min_length=1)
    port: int = Field(default=502, ge=1, le=65_535)


class ModbusDevice(StrictModel):
    """One device: which model it is, where it stands, its unit number, and when it is asked.

    `interval_s` left out: as the profile says. `offset_s` moves it against its neighbours.
    `registers_max`: fewer registers a request than the profile says, where a gateway between allows
    less. `only`: the quantities this device is fitted with, where its profile knows more.
    """

    id: DeviceId
    profile: str
    place: Place
    unit: int = Field(ge=0, le=255)
    interval_s: float | None = Field(default=None, ge=0.1, le=86_400)
    offset_s: float = Field(default=0.0, ge=0, le=86_400)
    registers_max: int | None = Field(default=None, ge=1, le=125)
    only: tuple[str, ...] | None = Field(default=None, min_length=1)


class ModbusSource(StrictModel):
    """One bus: a serial port, or a TCP host. `timeout_s` is how long a unit may take to answer, the
    time on the wire not counted.
    """

    name: DeviceId
    serial: SerialPort | None = None
    tcp: TcpHost | None = None
    timeout_s: float = Field(default=1.0, ge=0.02, le=30)
    devices: tuple[ModbusDevice, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_bus(self) -> ModbusSource:
        if (self.serial is None) == (self.tcp is None):
            raise ValueError("needs either serial = { port = … } or tcp = { host = … }")
        return self

    @property
    def where(self) -> str:
        """The bus for people: the port or host:port."""
        if self.serial is not None:
            return self.serial.port
        assert self.tcp is not None
        return f"{self.tcp.host}:{self.tcp.port}"


def bind_device(device: ModbusDevice, catalogue: Catalogue, table: SeriesTable) -> ModbusDecoder:
    """The decoder of a configured device. Raises ProfileNotFoundError, FileProblems for a profile
    that cannot be used, and ValueError for a profile of another transport or a quantity it lacks.
    """
    return bind_modbus(
        catalogue.get(device.profile),
        device=device.id,
        place=device.place,
        table=table,
        registers_max=device.registers_max,
        only=device.only,
    )


def find_problems(sources: Sequence[ModbusSource], catalogue: Catalogue) -> Iterator[tuple[Location, str]]:
    """What cannot work although each setting by itself is good: where, and why."""
    buses: dict[str, str] = {}
    for at, source in enumerate(sources):
        here = ("modbus", at)
        if source.where in buses:
            text = f"{source.name}: {buses[source.where]} uses {source.where} already; one scheduler a bus"
            yield (*here, "serial" if source.serial else "tcp"), text
        buses.setdefault(source.where, source.name)
        units: dict[int, str] = {}
        good = True
        for number, device in enumerate(source.devices):
            place = (*here, "devices", number)
            if device.unit in units:
                yield (
                    (*place, "unit"),
                    f"device {device.id}: {units[device.unit]} has unit {device.unit} already",
                )
            units.setdefault(device.unit, device.id)
            if source.serial is not None and not 1 <= device.unit <= 247:
                yield (*place, "unit"), f"device {device.id}: a unit on a serial bus is 1 to 247"
            try:
                bind_device(device, catalogue, SeriesTable())
            except (ProfileNotFoundError, ValueError, FileProblems) as error:
                good = False
                yield (*place, "profile"), f"device {device.id}: {error}"
        if good and source.serial is not None:
            for setting, told in _unsettled(source, source.serial, catalogue):
                yield (*here, "serial"), f"{source.name}: set {setting}; its devices' profiles say {told}"


def serial_settings(source: ModbusSource, catalogue: Catalogue) -> tuple[int, Parity, int]:
    """Baud, parity and stop bits of a serial bus: as configured, else as its profiles say."""
    assert source.serial is not None
    default = modbus_spec(catalogue.get(source.devices[0].profile)).serial
    port = source.serial
    return (
        port.baud or default.baud,
        port.parity or default.parity,
        port.stop_bits or default.stop_bits,
    )


def _unsettled(source: ModbusSource, port: SerialPort, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    lines = [modbus_spec(catalogue.get(device.profile)).serial for device in source.devices]
    for setting in ("baud", "parity", "stop_bits"):
        if getattr(port, setting) is None:
            told = sorted({str(getattr(line, setting)) for line in lines})
            if len(told) > 1:
                yield setting, " and ".join(told)
