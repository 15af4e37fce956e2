"""What cannot work in a gateway's configuration although each setting by itself is good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from device_profiles.registry import Catalogue, ProfileNotFoundError
from edge_agent.drivers.ble.config import find_problems as find_ble_problems
from edge_agent.drivers.http_push.config import find_problems as find_http_problems
from edge_agent.drivers.modbus.config import find_problems as find_modbus_problems
from edge_agent.drivers.mqtt_config import bind_device
from edge_agent.drivers.osdp.config import OsdpSource
from edge_agent.drivers.osdp.config import find_problems as find_osdp_problems
from edge_agent.drivers.serial.config import SerialSource
from edge_agent.drivers.serial.config import find_problems as find_serial_problems
from edge_agent.drivers.settings import Source
from edge_agent.reporting.rules import find_problems as find_report_problems
from foundation.tomllines import Location
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from edge_agent.config import GatewayConfig

Found = tuple[Location, str]


def find_problems(config: GatewayConfig) -> Iterator[Found]:
    """Where in the file, and why. Every device must have a profile, an address and topics that fit it,
    and an id of its own.
    """
    catalogue = Catalogue(config.profile_dirs)
    yield from _repeated(config)
    yield from _meal_problems(config)
    yield from _band_problems(config)
    yield from _mqtt_problems(config, catalogue)
    yield from find_modbus_problems(config.modbus, catalogue)
    yield from find_http_problems(config.http, catalogue, config.zone)
    yield from find_serial_problems(config.serial, catalogue)
    yield from find_osdp_problems(config.osdp)
    yield from _shared_ports(config)
    yield from find_ble_problems(config.ble, catalogue)
    if config.plugin:
        from edge_agent.plugins import find_problems as find_plugin_problems  # noqa: PLC0415  # as in config

        yield from find_plugin_problems(config.plugin, catalogue)
    yield from find_report_problems(config.report, config.silence, {one.id for one in config.devices})


def _meal_problems(config: GatewayConfig) -> Iterator[Found]:
    known = {device.id for device in config.devices}
    for at, name in enumerate(config.personal.meals if config.personal else ()):
        if name not in known:
            yield ("personal", "meals", at), f"no device has the id {name!r}"


def _band_problems(config: GatewayConfig) -> Iterator[Found]:
    for at, source in enumerate(config.ble):
        if source.bands and config.personal is None:
            text = f"{source.name}: whose bands these are only the vault knows; give [personal]"
            yield ("ble", at, "bands"), text


def _repeated(config: GatewayConfig) -> Iterator[Found]:
    """Names of sources and ids of devices stand for one thing each, over all transports."""
    names: set[str] = set()
    ids: dict[str, str] = {}
    tables: list[tuple[tuple[str, ...], Sequence[Source]]] = [
        ((kind,), getattr(config, kind)) for kind in ("mqtt", "modbus", "http", "serial", "osdp", "ble")
    ]
    tables += [(("plugin", name), sources) for name, sources in config.plugin.items()]
    for where, sources in tables:
        for at, source in enumerate(sources):
            if source.name in names:
                yield (*where, at, "name"), f"two sources of devices are called {source.name!r}"
            names.add(source.name)
            key = "readers" if where == ("osdp",) else "devices"
            for number, device in enumerate(source.devices):
                if device.id in ids:
                    message = f"two devices have the id {device.id!r}; the other is of {ids[device.id]}"
                    yield (*where, at, key, number, "id"), message
                ids.setdefault(device.id, source.name)


def _mqtt_problems(config: GatewayConfig, catalogue: Catalogue) -> Iterator[Found]:
    for at, source in enumerate(config.mqtt):
        seen: dict[tuple[str, str, tuple[str, ...]], str] = {}
        for number, device in enumerate(source.devices):
            location = ("mqtt", at, "devices", number, "profile")
            try:
                bind_device(device, catalogue, SeriesTable(), config.zone)
            except (ProfileNotFoundError, ValueError) as error:
                yield location, f"device {device.id}: {error}"
            same = seen.setdefault((device.profile, device.address or device.id, device.topics), device.id)
            if same != device.id:
                yield location, f"device {device.id}: has the same profile, address and topics as {same}"


def _shared_ports(config: GatewayConfig) -> Iterator[Found]:
    """A serial port has one reader: tables of different kinds cannot share it."""
    taken = {source.serial.port: source.name for source in config.modbus if source.serial is not None}
    kinds: tuple[tuple[str, Sequence[SerialSource | OsdpSource]], ...] = (
        ("serial", config.serial),
        ("osdp", config.osdp),
    )
    for kind, sources in kinds:
        for at, source in enumerate(sources):
            if source.port in taken:
                yield (kind, at, "port"), f"{source.name}: {taken[source.port]} uses {source.port} already"
        taken |= {source.port: source.name for source in sources}
