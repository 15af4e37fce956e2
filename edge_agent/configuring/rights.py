"""What a collector may not do to a gateway, whoever has its key.

It may say which devices are read, and how. It may not read the gateway's files, write to other parts of the
machine than ports and radios, or be told who wears what:

- A file is named without a folder and lies in ``device-secrets`` beside gateway.toml, where nothing else
  lies. Otherwise ``password_file = "gateway.key"`` and a broker of somebody's own would be enough to get
  the gateway's key.
- A port is a serial port by its name, or one that gateway.toml names. Opening another device file can
  restart the machine or write over its disk.
- The room that gateway.toml keeps free on the disk stays free: else a collector that takes nothing could
  have the gateway fill its disk.
- What people wear is listed in gateway.toml or known to the vault. A source of the file in which it is
  listed is not replaced, and no section lists any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from device_profiles.registry import Catalogue, ProfileNotFoundError
from edge_agent.config import GatewayConfig
from edge_agent.drivers import sources_of
from edge_agent.drivers.settings import Device
from edge_agent.reporting.devices import is_worn_device, worn_devices
from foundation.tomlfile import StrictModel, dotted
from foundation.tomllines import Location
from telemetry.configuration import SOURCE_TABLES

SECRETS: Final = "device-secrets"
_PORT: Final = re.compile(r"/dev/(?:serial/by-(?:id|path)/[^/\0]+|tty[A-Za-z]{1,8}\d{1,3})")


def find_trespasses(local: GatewayConfig, parsed: Mapping[str, Any], catalogue: Catalogue) -> Iterator[str]:
    """What of these sections the collector may not say, each with its remedy. parsed: their models."""
    ports = {port for source in local.sources for _, port in _ports(source)}
    worn = set(worn_devices(local, catalogue))
    own = sources_of(local)
    kept_free = local.buffer.disk_free_bytes_min
    for section, found in parsed.items():
        if section == "buffer" and found.disk_free_bytes_min < kept_free:
            yield (
                f"buffer: disk_free_bytes_min must be {kept_free:,} or more, as much as gateway.toml keeps "
                "free on the gateway's disk"
            )
        if section.partition("/")[0] not in SOURCE_TABLES:
            continue
        if section in own and any(device.id in worn for device in own[section].devices):
            yield (
                f"{section}: gateway.toml lists there what people wear, so it is changed on the gateway; "
                "give the other devices a source of another name"
            )
        for place, path in _files(found):
            yield from _file_problems(f"{section}: {dotted(place)}", path, local.folder / SECRETS)
        for place, port in _ports(found):
            if port not in ports and not _PORT.fullmatch(port):
                yield (
                    f"{section}: {dotted(place)} must be a serial port, such as /dev/ttyUSB0 or "
                    "/dev/serial/by-id/…, or one that gateway.toml names"
                )


def find_worn(parsed: Mapping[str, Any], catalogue: Catalogue) -> Iterator[str]:
    """Devices of these sections that people wear. It comes before everything is checked as a whole: that two
    devices have one address would tell the collector whose band of the file it is.
    """
    for section, found in parsed.items():
        for device in getattr(found, "devices", ()):
            if _is_known_to_be_worn(device, catalogue):
                yield (
                    f"{section}: device {device.id}: is of a model that people wear; who wears what comes from "
                    "the vault: use bands, or list it in gateway.toml"
                )


def _is_known_to_be_worn(device: Device, catalogue: Catalogue) -> bool:
    try:
        return is_worn_device(device, catalogue)
    except ProfileNotFoundError:  # is told when all is checked
        return False


def _file_problems(what: str, path: Path, folder: Path) -> Iterator[str]:
    name = str(path)
    if name != path.name or name in {"", ".", ".."} or "\0" in name:
        yield f"{what} must be the name of a file in {SECRETS} on the gateway, without a folder"
    elif not (folder / path).is_file():
        yield f"{what}: there is no {name} in {folder} on the gateway; put it there first"


def _files(model: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[Location, Path]]:
    """Every file that a source names, and where."""
    if isinstance(model, Path):
        yield at, model
    elif isinstance(model, StrictModel):
        for name in type(model).model_fields:
            yield from _files(getattr(model, name), (*at, name))
    elif isinstance(model, tuple):
        for number, one in enumerate(model):
            yield from _files(one, (*at, number))


def _ports(source: Any) -> Iterator[tuple[Location, str]]:
    """Every serial port of a source, and where."""
    if isinstance(port := getattr(source, "port", None), str):
        yield ("port",), port
    if serial := getattr(source, "serial", None):
        yield ("serial", "port"), serial.port
