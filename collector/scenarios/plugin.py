"""What a plug-in offers that finds something of its own.

The entry point of the group ``campus_pulse.scenarios`` names a `ScenarioPlugin`. docs/plugins.md has an
example.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Any, Final

import msgspec

from collector.scenarios.contract import EventRule, Finding, ReadingRule, Rules
from collector.scenarios.kinds import AlertKind
from foundation.plugins import Offer, PluginError, cause_of
from foundation.tomlfile import StrictModel
from telemetry.batch import Body
from telemetry.limits import Limits
from telemetry.records import RECORD_TYPES

FINDINGS_MAX: Final = 100
"""Of one rule in one batch; what is beyond is left out."""
TIME_MS_MAX: Final = 2**53
KIND_CHARS_MAX: Final = 32
_CHARS_MAX: Final = {
    "cause": 48, "device": 256, "place": 256, "pseudonym": 64, "class_id": 64, "site": 16,
}  # fmt: skip
"""As the columns of the records database; the cause stands there behind the batch's own name."""
_READING_CAUSE_CHARS_MAX: Final = 120
_KIND: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


class NoSettings(StrictModel):
    """Of a plug-in that has none."""


@dataclass(frozen=True)
class ScenarioPlugin:
    """Rules with settings from the table ``[plugin.NAME]`` of collector.toml.

    kinds: what its alerts are called; each begins with the plug-in's name and a dot. make: its rules, from
    the settings and the limits that come with the program. settings: the model of its table; with defaults
    for all, the table may be left out.
    """

    api: int
    kinds: tuple[AlertKind, ...]
    make: Callable[[Any, Limits], Rules]
    settings: type[StrictModel] = NoSettings


@dataclass(frozen=True)
class ScenarioTable:
    """A plug-in's scenario with its settings, as the configuration holds it once it is loaded."""

    plugin: ScenarioPlugin
    offer: Offer
    settings: StrictModel

    def rules(self, limits: Limits) -> Rules:
        """Guarded: see `GuardedRule`. Raises PluginError."""
        try:
            events, readings = self.plugin.make(self.settings, limits)
            rules: Sequence[EventRule | ReadingRule] = (*events, *readings)
        except Exception as error:
            raise PluginError(f"{self.offer.shown} makes no rules: {cause_of(error)}") from error
        if not all(callable(getattr(rule, "findings", None)) for rule in rules):
            raise PluginError(f"{self.offer.shown} makes a rule without findings; its author must mend it")
        name, kinds = self.offer.name, self.plugin.kinds
        return Rules(
            [GuardedRule(rule, name, kinds, _CHARS_MAX["cause"]) for rule in events],
            [GuardedRule(rule, name, kinds, _READING_CAUSE_CHARS_MAX) for rule in readings],
        )


def check_kinds(plugin: ScenarioPlugin, offer: Offer) -> None:
    """Raises PluginError for kinds that are none, or that are not the plug-in's to give."""
    for kind in plugin.kinds:
        name = kind.name if isinstance(kind, AlertKind) else ""
        if not (_KIND.fullmatch(name) and name.startswith(f"{offer.name}.") and len(name) <= KIND_CHARS_MAX):
            raise PluginError(
                f"{offer.shown} has the alert kind {name[:40]!r}; expected {offer.name}. and a word, "
                f"{KIND_CHARS_MAX} signs at most"
            )
        try:
            msgspec.convert(tuple(kind), AlertKind)
        except (msgspec.ValidationError, TypeError) as error:
            raise PluginError(f"{offer.shown}: alert kind {name} is not as it must be: {error}") from error
        if not all((*kind.words, kind.unit, *(kind.advice or ()))) or len(kind.unit) > _CHARS_MAX["site"]:
            raise PluginError(f"{offer.shown}: alert kind {name} lacks words in both languages, or a unit")


class FindingError(ValueError):
    """A rule of a plug-in found what cannot be an alert; the message has nothing of the batch."""


class GuardedRule:
    """A rule of a plug-in. What it finds is checked, so that it can cost no batch its place in the database;
    what it raises, the batch line catches.
    """

    def __init__(
        self, rule: EventRule | ReadingRule, plugin: str, kinds: Sequence[AlertKind], cause_chars_max: int
    ) -> None:
        self.name = plugin
        """Under which its failures are counted."""
        self._rule = rule
        self._kinds = {kind.name: kind for kind in kinds}
        self._chars_max = {**_CHARS_MAX, "cause": cause_chars_max}

    def findings(self, body: Body) -> Iterator[Finding]:
        for finding in islice(self._rule.findings(body), FINDINGS_MAX):
            yield self._checked(finding)

    def _checked(self, given: Finding) -> Finding:
        try:
            finding = msgspec.convert(tuple(given), Finding)
        except (msgspec.ValidationError, TypeError):
            raise FindingError("a finding has a field of a wrong type") from None
        kind = self._kinds.get(finding.kind)
        if kind is None:
            raise FindingError("a finding is of a kind that the plug-in has not declared")
        if finding.unit != kind.unit:
            raise FindingError("a finding has another unit than its kind")
        if not (isfinite(finding.value) and isfinite(finding.limit or 0.0)):
            raise FindingError("a finding has a value or limit that is no number")
        if abs(finding.at_ms) > TIME_MS_MAX:
            raise FindingError("a finding has a time that is none")
        texts = finding._asdict()
        if any(len(texts[name] or "") > most for name, most in self._chars_max.items()):
            raise FindingError("a finding has a text that is too long")
        if not all((texts[name] or "").isprintable() for name in self._chars_max):
            raise FindingError("a finding has a text with signs that no database takes")
        about_somebody = any((finding.pseudonym, finding.class_id, finding.site, finding.record_type))
        if kind.subject == "room" and about_somebody:
            raise FindingError("a finding about a room is about somebody, and who sees rooms would see it")
        if (about_somebody or kind.subject == "health") and finding.record_type not in RECORD_TYPES:
            raise FindingError("a finding about somebody has no type of record, and would be kept for ever")
        return finding
