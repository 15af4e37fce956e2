"""Plug-ins of a collector: scenarios, notifiers and the words of profiles; and the tables `[[notifier]]`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector.notifiers.contract import Notifier
from collector.notifiers.plugin import NotifierPlugin
from collector.notifiers.settings import BUNDLED, COMMON, NotifierSection, NotifierTable
from collector.scenarios import Rules, event_rules
from collector.scenarios.kinds import AlertKinds
from collector.scenarios.plugin import ScenarioPlugin, ScenarioTable, check_kinds
from device_profiles.plugin import ProfilePlugin, profile_folders
from device_profiles.registry import Catalogue, load_profile
from foundation.plugins import Enabled, PluginError, cause_of, load
from foundation.tomlfile import FileProblems, Problem, StrictModel, parse_part
from foundation.tomllines import find_line
from telemetry.limits import default_limits

WANTED: Final[dict[str, type]] = {
    "scenarios": ScenarioPlugin,
    "notifiers": NotifierPlugin,
    "profiles": ProfilePlugin,
}


class Written(NamedTuple):
    """What of a configuration plug-ins have to do with. scenarios: the names of the tables `[plugin.NAME]`;
    notifiers: how many tables `[[notifier]]` there are.
    """

    enabled: Sequence[str]
    scenarios: Collection[str]
    notifiers: int
    profile_dirs: tuple[Path, ...]


class Tables(NamedTuple):
    """The same as the plug-ins' own models say, with the folders of their profiles."""

    scenarios: dict[str, ScenarioTable]
    notifiers: tuple[NotifierTable, ...]
    profile_dirs: tuple[Path, ...]


def read_tables(path: Path, written: Written) -> Tables:
    """From the file of a configuration. Raises FileProblems."""
    reading = _Reading(path, written)
    plugins = load(written.enabled, WANTED, lambda at: reading.place("plugins", "enabled", at))
    scenarios = reading.scenarios(plugins)
    notifiers = reading.notifiers(plugins, kinds_of(scenarios.values()))
    folders = (*written.profile_dirs, *reading.profiles(plugins))
    if reading.problems:
        raise FileProblems(reading.problems)
    _check_profiles(folders)
    return Tables(scenarios, notifiers, folders)


def kinds_of(tables: Iterable[ScenarioTable]) -> AlertKinds:
    """Every kind of alert of a collector with these plug-ins."""
    return AlertKinds(kind for table in tables for kind in table.plugin.kinds)


def _check_profiles(folders: Iterable[Path]) -> None:
    """Now, and not when the first device of a model is shown. Raises FileProblems."""
    problems: list[Problem] = []
    Catalogue(tuple(folders))
    for folder in folders:
        for file in sorted(folder.glob("*/*.toml")):
            try:
                load_profile(file)
            except FileProblems as error:
                problems += error.problems
    if problems:
        raise FileProblems(problems)


class _Reading:
    """One file, and what was found wrong with it."""

    def __init__(self, path: Path, written: Written) -> None:
        self._path = path
        self._written = written
        self._base = path.resolve().parent
        self._text = path.read_text("utf-8-sig")
        self.problems: list[Problem] = []

    def place(self, *location: str | int) -> str:
        return f"{self._path}:{find_line(self._text, location)}"

    def _wrong(self, message: str, *location: str | int) -> None:
        self.problems.append(Problem(self.place(*location), message))

    def scenarios(self, plugins: Enabled) -> dict[str, ScenarioTable]:
        found: dict[str, ScenarioTable] = {}
        offered = plugins.of("scenarios", ScenarioPlugin)
        for name in self._written.scenarios:
            if name not in offered:
                known = name in self._written.enabled
                why = "has no settings here" if known else "is not in plugins.enabled"
                self._wrong(f"plugin.{name}: plug-in {name} {why}", "plugin", name)
        for name, plugin in offered.items():
            offer = plugins.offer("scenarios", name)
            try:
                check_kinds(plugin, offer)
                settings = self._settings(
                    plugin.settings, ("plugin", name), given=name in self._written.scenarios
                )
                found[name] = ScenarioTable(plugin, offer, settings)
            except FileProblems as error:
                self.problems += error.problems
            except PluginError as error:
                self._wrong(str(error), "plugins", "enabled", self._written.enabled.index(name))
        return found

    def notifiers(self, plugins: Enabled, kinds: AlertKinds) -> tuple[NotifierTable, ...]:
        offered = plugins.of("notifiers", NotifierPlugin)
        for name in offered.keys() & BUNDLED.keys():
            self._wrong(f"plug-in {name} has the name of a bundled notifier", "plugins", "enabled")
        known = {**offered, **BUNDLED}
        found: list[NotifierTable] = []
        names: set[str] = set()
        for at in range(self._written.notifiers):
            try:
                section = parse_part(self._text, ("notifier", at), NotifierSection, str(self._path))
            except FileProblems as error:
                self.problems += error.problems
                continue
            plugin = known.get(section.kind)
            if plugin is None:
                there = ", ".join(sorted(known))
                self._wrong(
                    f"notifier[{at + 1}].kind: there is no notifier {section.kind[:40]!r}; there are {there} "
                    "(one of a plug-in must be in plugins.enabled)",
                    "notifier",
                    at,
                    "kind",
                )
                continue
            if section.name in names:
                self._wrong(f"two notifiers are called {section.name!r}", "notifier", at, "name")
            names.add(section.name)
            if problem := section.problem(kinds):
                self._wrong(f"notifier[{at + 1}].kinds: {problem}", "notifier", at, "kinds")
            try:
                settings = self._settings(plugin.settings, ("notifier", at), given=True, without=COMMON)
                found.append(NotifierTable(section, plugin, settings))
            except FileProblems as error:
                self.problems += error.problems
        return tuple(found)

    def profiles(self, plugins: Enabled) -> Iterable[Path]:
        try:
            return profile_folders(plugins).values()
        except PluginError as error:
            self._wrong(str(error), "plugins", "enabled")
            return ()

    def _settings(
        self,
        model: type[StrictModel],
        location: tuple[str | int, ...],
        *,
        given: bool,
        without: frozenset[str] = frozenset(),
    ) -> Any:
        """Raises FileProblems."""
        settings = (
            parse_part(self._text, location, model, str(self._path), without=without)
            if given
            else _defaults(model, self.place("plugins", "enabled"), location)
        )
        relative_to: Callable[[Path], Any] | None = getattr(settings, "relative_to", None)
        try:
            return relative_to(self._base) if relative_to else settings
        except Exception as error:
            problem = Problem(self.place(*location), f"its settings cannot be used: {cause_of(error)}")
            raise FileProblems([problem]) from error


def _defaults(model: type[StrictModel], place: str, location: tuple[str | int, ...]) -> StrictModel:
    try:
        return model()
    except Exception as error:
        table = ".".join(map(str, location))
        raise FileProblems(
            [Problem(place, f"[{table}] is missing, and it has settings without defaults")]
        ) from error


class Made(NamedTuple):
    """What a collector is made of beside its own parts."""

    kinds: AlertKinds
    rules: Rules
    notifiers: list[tuple[NotifierSection, Notifier]]


def make(scenarios: Iterable[ScenarioTable], notifiers: Iterable[NotifierTable]) -> Made:
    """The rules and notifiers of tables that were read. Raises PluginError."""
    tables = list(scenarios)
    limits = default_limits()
    added = [table.rules(limits) for table in tables]
    rules = Rules(
        [*event_rules(limits), *(rule for one in added for rule in one.events)],
        [rule for one in added for rule in one.readings],
    )
    return Made(kinds_of(tables), rules, [(table.section, table.make()) for table in notifiers])
