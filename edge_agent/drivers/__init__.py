"""One module a transport, each behind the `Driver` contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import DeviceReport, Driver, Sink
from edge_agent.drivers.mqtt import MqttDriver
from edge_agent.identity.overheard import Overheard
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from edge_agent.config import GatewayConfig

__all__ = ["DeviceReport", "Driver", "Sink", "make_drivers"]


class _Common(TypedDict):
    catalogue: Catalogue
    table: SeriesTable
    clock: Clock
    counters: Counters


class _Parts(NamedTuple):
    """What drivers are made of: the configuration, and what all of them need."""

    config: GatewayConfig
    common: _Common
    overheard: Overheard | None


def _mqtt(parts: _Parts) -> Iterator[Driver]:
    gateway = parts.config.gateway
    for source in parts.config.mqtt:
        client_id = f"campus-devices-{gateway.school}-{gateway.id}-{source.name}"
        yield MqttDriver(source, zone=parts.config.zone, client_id=client_id, **parts.common)


# The others are loaded only where there is something to read: their libraries take memory, of which a
# gateway has little, and libosdp is an extra of its own.


def _modbus(parts: _Parts) -> Iterator[Driver]:
    from edge_agent.drivers.modbus.driver import ModbusDriver  # noqa: PLC0415  # said above

    return (ModbusDriver(source, **parts.common) for source in parts.config.modbus)


def _ble(parts: _Parts) -> Iterator[Driver]:
    from edge_agent.drivers.ble.driver import BleDriver  # noqa: PLC0415  # said above

    return (BleDriver(source, overheard=parts.overheard, **parts.common) for source in parts.config.ble)


def _serial(parts: _Parts) -> Iterator[Driver]:
    from edge_agent.drivers.serial.driver import SerialDriver  # noqa: PLC0415  # said above

    return (SerialDriver(source, **parts.common) for source in parts.config.serial)


def _osdp(parts: _Parts) -> Iterator[Driver]:
    from edge_agent.drivers.osdp.driver import OsdpDriver  # noqa: PLC0415  # said above

    clock, counters = parts.common["clock"], parts.common["counters"]
    return (OsdpDriver(source, clock=clock, counters=counters) for source in parts.config.osdp)


def _http(parts: _Parts) -> Iterator[Driver]:
    from edge_agent.drivers.http_push.driver import HttpDriver  # noqa: PLC0415  # said above

    return (HttpDriver(source, zone=parts.config.zone, **parts.common) for source in parts.config.http)


_FACTORIES: Final[dict[str, Callable[[_Parts], Iterator[Driver]]]] = {
    "mqtt": _mqtt,
    "modbus": _modbus,
    "ble": _ble,
    "serial": _serial,
    "osdp": _osdp,
    "http": _http,
}
"""Transport, as its table in the configuration is called → how its drivers are made."""


def make_drivers(
    config: GatewayConfig,
    *,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
    overheard: Overheard | None = None,
) -> list[Driver]:
    """The drivers a configuration asks for. overheard: who names bands that are not configured; without
    it, they are not read. Raises ProfileNotFoundError for a device's profile.
    """
    common = _Common(catalogue=catalogue, table=table, clock=clock, counters=counters)
    parts = _Parts(config, common, overheard)
    return [
        driver
        for transport, factory in _FACTORIES.items()
        if getattr(config, transport)
        for driver in factory(parts)
    ]
