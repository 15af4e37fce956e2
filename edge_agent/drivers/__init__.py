"""One module a transport, each behind the `Driver` contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict
from zoneinfo import ZoneInfo

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import DeviceReport, Driver, Sink
from edge_agent.drivers.mqtt import MqttDriver
from edge_agent.drivers.settings import Source
from edge_agent.identity.overheard import Overheard
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from edge_agent.config import GatewayConfig

__all__ = ["DeviceReport", "Driver", "DriverMaker", "Sink", "make_drivers", "sources_of"]


class _Common(TypedDict):
    catalogue: Catalogue
    table: SeriesTable
    clock: Clock
    counters: Counters


class _Parts(NamedTuple):
    """What all drivers need, and what some do."""

    common: _Common
    client_id: str
    zone: ZoneInfo
    overheard: Overheard | None


def _mqtt(source: Any, parts: _Parts) -> Driver:
    client_id = f"{parts.client_id}-{source.name}"
    return MqttDriver(source, zone=parts.zone, client_id=client_id, **parts.common)


# The others are loaded only where there is something to read: their libraries take memory, of which a
# gateway has little, and libosdp is an extra of its own.


def _modbus(source: Any, parts: _Parts) -> Driver:
    from edge_agent.drivers.modbus.driver import ModbusDriver  # noqa: PLC0415  # said above

    return ModbusDriver(source, **parts.common)


def _ble(source: Any, parts: _Parts) -> Driver:
    from edge_agent.drivers.ble.driver import BleDriver  # noqa: PLC0415  # said above

    return BleDriver(source, overheard=parts.overheard, **parts.common)


def _serial(source: Any, parts: _Parts) -> Driver:
    from edge_agent.drivers.serial.driver import SerialDriver  # noqa: PLC0415  # said above

    return SerialDriver(source, **parts.common)


def _osdp(source: Any, parts: _Parts) -> Driver:
    from edge_agent.drivers.osdp.driver import OsdpDriver  # noqa: PLC0415  # said above

    return OsdpDriver(source, clock=parts.common["clock"], counters=parts.common["counters"])


def _http(source: Any, parts: _Parts) -> Driver:
    from edge_agent.drivers.http_push.driver import HttpDriver  # noqa: PLC0415  # said above

    return HttpDriver(source, zone=parts.zone, **parts.common)


def _plugin(source: Any, parts: _Parts) -> Driver:
    from edge_agent.drivers.plugged import make_plugged  # noqa: PLC0415  # said above
    from edge_agent.drivers.plugin import DriverParts  # noqa: PLC0415  # said above

    return make_plugged(source, DriverParts(**parts.common, zone=parts.zone))


_FACTORIES: Final[dict[str, Callable[[Any, _Parts], Driver]]] = {
    "mqtt": _mqtt,
    "modbus": _modbus,
    "ble": _ble,
    "serial": _serial,
    "osdp": _osdp,
    "http": _http,
    "plugged": _plugin,
}
"""Transport, as its table in the configuration is called → how its drivers are made. plugged: the tables
of all plug-ins.
"""


class DriverMaker:
    """Makes a source's driver, now or while the gateway runs. overheard: who names bands that are not
    configured; without it, they are not read.
    """

    def __init__(
        self,
        config: GatewayConfig,
        *,
        catalogue: Catalogue,
        table: SeriesTable,
        clock: Clock,
        counters: Counters,
        overheard: Overheard | None = None,
    ) -> None:
        common = _Common(catalogue=catalogue, table=table, clock=clock, counters=counters)
        client_id = f"campus-devices-{config.gateway.school}-{config.gateway.id}"
        self._parts = _Parts(common, client_id, config.zone, overheard)

    def make(self, section: str, source: Source) -> Driver:
        """section: as `sources_of` names it. Raises ProfileNotFoundError for a device's profile, PluginError
        for a plug-in that makes no driver.
        """
        return _FACTORIES[section.partition("/")[0]](source, self._parts)


def sources_of(config: GatewayConfig) -> dict[str, Source]:
    """Every source by its section's name, such as ``modbus/hall``."""
    return {
        f"{transport}/{source.name}": source
        for transport in _FACTORIES
        for source in getattr(config, transport)
    }


def make_drivers(
    config: GatewayConfig,
    *,
    catalogue: Catalogue,
    table: SeriesTable,
    clock: Clock,
    counters: Counters,
    overheard: Overheard | None = None,
) -> list[Driver]:
    """The drivers a configuration asks for. Raises as `DriverMaker.make`."""
    maker = DriverMaker(
        config, catalogue=catalogue, table=table, clock=clock, counters=counters, overheard=overheard
    )
    return [maker.make(section, source) for section, source in sources_of(config).items()]
