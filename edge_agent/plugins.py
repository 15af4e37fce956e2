"""Plug-ins of a gateway: drivers of other transports, and profiles. Loaded only where one is enabled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from device_profiles.plugin import ProfilePlugin, profile_folders
from device_profiles.registry import Catalogue, ProfileNotFoundError
from edge_agent.drivers.plugin import DriverPlugin, PluginSource
from edge_agent.drivers.settings import DeviceId, Place
from foundation.plugins import Offer, PluginError, PluginsSection, cause_of, load
from foundation.tomlfile import FileProblems, Problem, parse_part
from foundation.tomllines import Location, find_line

_IDS: Final = TypeAdapter(list[DeviceId])
_PLACES: Final = TypeAdapter(list[Place])
WANTED: Final[dict[str, type]] = {"drivers": DriverPlugin, "profiles": ProfilePlugin}


class Loaded(NamedTuple):
    """The tables of the plug-ins, each as its own model says, and the folders of their profiles."""

    sources: dict[str, tuple[PluginSource, ...]]
    profile_dirs: tuple[Path, ...]


def load_plugins(section: PluginsSection, tables: Mapping[str, Sequence[Any]], path: Path) -> Loaded:
    """tables: those of ``[[plugin.NAME]]`` by name, as they stand in the file. Raises FileProblems."""
    text = path.read_text("utf-8-sig")

    def place(*location: str | int) -> str:
        return f"{path}:{find_line(text, location)}"

    plugins = load(section.enabled, WANTED, lambda at: place("plugins", "enabled", at))
    drivers = plugins.of("drivers", DriverPlugin)
    problems: list[Problem] = []
    sources: dict[str, tuple[PluginSource, ...]] = {}
    for name, given in tables.items():
        if name not in drivers:
            why = "offers no driver" if name in section.enabled else "is not in plugins.enabled"
            problems.append(Problem(place("plugin", name), f"plugin.{name}: plug-in {name} {why}"))
            continue
        plugin, offer = drivers[name], plugins.offer("drivers", name)
        found = []
        for at in range(len(given)):
            try:
                settings = parse_part(text, ("plugin", name, at), plugin.source, str(path))
                found.append(_source(plugin, offer, settings, path.resolve().parent))
            except FileProblems as error:
                problems += error.problems
            except PluginError as error:
                problems.append(Problem(place("plugin", name, at), str(error)))
        sources[name] = tuple(found)
    try:
        folders = profile_folders(plugins).values()
    except PluginError as error:
        problems.append(Problem(place("plugins", "enabled"), str(error)))
    if problems:
        raise FileProblems(problems)
    return Loaded(sources, tuple(folders))


def _source(plugin: DriverPlugin, offer: Offer, settings: Any, base: Path) -> PluginSource:
    """Looks for what the gateway asks of every source. Raises PluginError."""
    relative_to = getattr(settings, "relative_to", None)
    try:
        found = PluginSource(plugin, offer, relative_to(base) if relative_to else settings)
        _IDS.validate_python([found.name, *(one.id for one in found.devices)])
        _PLACES.validate_python([one.place for one in found.devices])
    except ValidationError as error:
        said = str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
        raise PluginError(f"{offer.shown}: a name, id or place of its source {said}") from error
    except Exception as error:
        raise PluginError(f"{offer.shown}: its settings are no source: {cause_of(error)}") from error
    return found


def find_problems(
    tables: Mapping[str, Sequence[PluginSource]], catalogue: Catalogue
) -> Iterator[tuple[Location, str]]:
    """What the plug-ins find, and profiles that do not exist."""
    for name, sources in tables.items():
        if not sources:
            continue
        for at, source in enumerate(sources):
            yield from _missing_profiles(("plugin", name, at, "devices"), source.devices, catalogue)
        try:
            found = list(sources[0].plugin.find_problems([one.settings for one in sources], catalogue))
            yield from ((("plugin", name, *location), str(text)) for location, text in found)
        except Exception as error:  # noqa: BLE001  # a plug-in may raise anything
            yield ("plugin", name), f"plug-in {name} cannot check its tables: {cause_of(error)}"


def _missing_profiles(
    location: tuple[str | int, ...], devices: Sequence[Any], catalogue: Catalogue
) -> Iterator[tuple[Location, str]]:
    for number, device in enumerate(devices):
        try:
            if profile := getattr(device, "profile", ""):
                catalogue.get(profile)
        except ProfileNotFoundError as error:
            yield (*location, number, "profile"), f"device {device.id}: {error}"
