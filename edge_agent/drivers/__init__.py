"""One module a transport, each behind the `Driver` contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import DeviceReport, Driver, Sink
from edge_agent.drivers.mqtt import MqttDriver
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from edge_agent.config import GatewayConfig

__all__ = ["DeviceReport", "Driver", "Sink", "make_drivers"]

Factory = Callable[["GatewayConfig", Catalogue, SeriesTable, Clock, Counters], Sequence[Driver]]


def _mqtt(
    config: GatewayConfig,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
) -> Sequence[Driver]:
    return [
        MqttDriver(
            source,
            catalogue=catalogue,
            table=table,
            zone=config.zone,
            clock=clock,
            counters=counters,
            client_id=f"campus-devices-{config.gateway.school}-{config.gateway.id}-{source.name}",
        )
        for source in config.mqtt
    ]


def _modbus(
    config: GatewayConfig,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
) -> Sequence[Driver]:
    if not config.modbus:
        return []
    # pymodbus is loaded only where there is a bus to read: a gateway has little memory.
    from edge_agent.drivers.modbus.driver import ModbusDriver  # noqa: PLC0415  # said above

    return [
        ModbusDriver(source, catalogue=catalogue, table=table, clock=clock, counters=counters)
        for source in config.modbus
    ]


def _http(
    config: GatewayConfig,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
) -> Sequence[Driver]:
    if not config.http:
        return []
    # As above: h11 and ssl only where somebody posts.
    from edge_agent.drivers.http_push.driver import HttpDriver  # noqa: PLC0415  # said above

    return [
        HttpDriver(source, catalogue=catalogue, table=table, zone=config.zone, clock=clock, counters=counters)
        for source in config.http
    ]


def _serial(
    config: GatewayConfig,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
) -> Sequence[Driver]:
    if not config.serial:
        return []
    # As above: serialx only where there is a port to read.
    from edge_agent.drivers.serial.driver import SerialDriver  # noqa: PLC0415  # said above

    return [
        SerialDriver(source, catalogue=catalogue, table=table, clock=clock, counters=counters)
        for source in config.serial
    ]


def _ble(
    config: GatewayConfig,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
) -> Sequence[Driver]:
    if not config.ble:
        return []
    # As above: bleak and dbus-fast only where there is an adapter.
    from edge_agent.drivers.ble.driver import BleDriver  # noqa: PLC0415  # said above

    return [
        BleDriver(source, catalogue=catalogue, table=table, clock=clock, counters=counters)
        for source in config.ble
    ]


def _osdp(
    config: GatewayConfig,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
) -> Sequence[Driver]:
    del catalogue, table  # a reader gives cards, no readings
    if not config.osdp:
        return []
    # As above: libosdp is an extra of its own.
    from edge_agent.drivers.osdp.driver import OsdpDriver  # noqa: PLC0415  # said above

    return [OsdpDriver(source, clock=clock, counters=counters) for source in config.osdp]


_FACTORIES: Final[dict[str, Factory]] = {
    "mqtt": _mqtt,
    "modbus": _modbus,
    "http": _http,
    "serial": _serial,
    "osdp": _osdp,
    "ble": _ble,
}
"""Transport → how its drivers are made from the configuration."""


def make_drivers(
    config: GatewayConfig,
    *,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
) -> list[Driver]:
    """The drivers a configuration asks for. Raises ProfileNotFoundError for a device's profile."""
    return [
        driver
        for factory in _FACTORIES.values()
        for driver in factory(config, catalogue, table, clock, counters)
    ]
