"""The collector's sections laid over gateway.toml, and checked as a whole as the file itself is.

A section takes the place of the file's table of the same name (of its source, for a source); where there is
none it is added. What no section names stays as the file has it. So the file is good by itself, and what
the collector takes away again is as the file says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn

import structlog
from pydantic import TypeAdapter, ValidationError

from device_profiles.registry import Catalogue
from edge_agent.config import BatchSection, BufferSection, GatewayConfig, UplinkSection
from edge_agent.config_checks import find_problems
from edge_agent.configuring.refusal import RefusedError
from edge_agent.configuring.rights import SECRETS, find_trespasses, find_worn
from edge_agent.drivers.ble.config import BleSource
from edge_agent.drivers.http_push.config import HttpSource
from edge_agent.drivers.modbus.config import ModbusSource
from edge_agent.drivers.mqtt_config import MqttSource
from edge_agent.drivers.osdp.config import OsdpSource
from edge_agent.drivers.serial.config import SerialSource
from edge_agent.drivers.settings import Source
from edge_agent.reporting.rules import ReportRule, SilenceSection
from foundation.faults import kind_of, where_of
from foundation.tomlfile import FileProblems, dotted, problems_in
from foundation.tomllines import Location
from telemetry.configuration import SOURCE_TABLES, Sections

TABLES: Final[dict[str, Any]] = {
    "batch": BatchSection,
    "buffer": BufferSection,
    "uplink": UplinkSection,
    "report": tuple[ReportRule, ...],
    "silence": SilenceSection,
    "mqtt": MqttSource,
    "modbus": ModbusSource,
    "http": HttpSource,
    "serial": SerialSource,
    "osdp": OsdpSource,
    "ble": BleSource,
}
"""What a collector may set (telemetry.configuration.REMOTE_TABLES), by table: of sources, one each."""

log = structlog.get_logger()


def overlay(local: GatewayConfig, sections: Sections) -> GatewayConfig:
    """The configuration that is in force with these sections; without any, the file's. No network.

    Raises RefusedError with everything that is wrong.
    """
    if not sections:
        return local
    try:
        return _overlay(local, sections)
    except RefusedError:
        raise
    except FileProblems as error:  # a profile on the gateway
        raise RefusedError(list(map(str, error.problems))) from error
    except Exception as error:
        # Whatever was sent, and whatever is wrong with this program: the gateway goes on.
        kind = kind_of(error)
        log.error("fault while a configuration was looked at", error=kind, where=where_of(error))
        raise RefusedError([f"the gateway's program failed on it ({kind}); its log has the place"]) from error


def _overlay(local: GatewayConfig, sections: Sections) -> GatewayConfig:
    catalogue = Catalogue(local.profile_dirs)
    parsed: dict[str, Any] = {}
    problems: list[str] = []
    for section, text in sections.items():
        try:
            parsed[section] = _parse(section, text)
        except RefusedError as error:
            problems += error.problems
    problems += find_trespasses(local, parsed, catalogue)
    problems += find_worn(parsed, catalogue)
    if problems:
        raise RefusedError(problems)
    config = _combined(local, parsed)
    problems = [_words(config, location, message) for location, message in find_problems(config)]
    if problems:
        raise RefusedError(problems)
    return config


def _parse(section: str, text: str) -> Any:
    """A section as its own model has it. Raises RefusedError."""
    table, slash, name = section.partition("/")
    if table not in TABLES or bool(slash) != (table in SOURCE_TABLES):
        raise RefusedError([f"{section}: no section that the collector may set"])
    try:
        content = json.loads(text, parse_constant=_no_number)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # of UnicodeEncodeError, too: half a character is none
        raise RefusedError([f"{section}: is no JSON that can be read"]) from None
    try:
        found = TypeAdapter(TABLES[table]).validate_python(content)
    except ValidationError as error:
        raise RefusedError([f"{section}: {one}" for one in problems_in(content, error)]) from None
    except RecursionError:
        raise RefusedError([f"{section}: is nested too deeply"]) from None
    if slash and found.name != name:
        raise RefusedError([f"{section}: name must be {name!r}, as the section is called"])
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _combined(local: GatewayConfig, parsed: Mapping[str, Any]) -> GatewayConfig:
    update: dict[str, Any] = {}
    for table in TABLES:
        if table not in SOURCE_TABLES:
            if table in parsed:
                update[table] = parsed[table]
            continue
        own = {f"{table}/{one.name}": one for one in getattr(local, table)}
        given = {name: one for name, one in parsed.items() if name.startswith(f"{table}/")}
        if given:
            found = own | {name: _placed(local, source) for name, source in sorted(given.items())}
            update[table] = tuple(found.values())
    return local.model_copy(update=update)


def _placed(local: GatewayConfig, source: Source) -> Source:
    """The files it names lie in the folder for those."""
    relative_to: Callable[..., Source] | None = getattr(source, "relative_to", None)
    return relative_to(local.folder / SECRETS) if relative_to else source


def _words(config: GatewayConfig, location: Location, message: str) -> str:
    """A problem with the section it is in, as the collector names that."""
    parts: Iterator[str | int] = iter(location)
    section = str(next(parts))
    if section in SOURCE_TABLES and len(location) > 1:
        section = f"{section}/{getattr(config, section)[next(parts)].name}"
    place = dotted(list(parts))
    return f"{section}: {place}: {message}" if place else f"{section}: {message}"
