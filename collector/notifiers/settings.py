"""The tables `[[notifier]]` of collector.toml: who is told of which alerts, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, model_validator

from collector.notifiers.contract import Notifier
from collector.notifiers.plugin import NotifierPlugin
from collector.notifiers.webhook import WEBHOOK
from collector.scenarios.kinds import AlertKinds
from foundation.plugins import PluginError, cause_of
from foundation.settings import Identifier
from foundation.tomlfile import StrictModel

BUNDLED: Final = {"webhook": WEBHOOK}
"""Kinds of notifiers that come with the program."""


class NotifierSection(StrictModel):
    """What all kinds have in common; the other settings are the kind's own.

    kinds: of alerts; left out, those of danger, and with `health` those of health too. schools: left out,
    all. health: alerts that say how somebody is may be told as well, without whom.
    """

    model_config = ConfigDict(extra="allow")

    name: Identifier
    kind: str
    kinds: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    schools: Annotated[tuple[str, ...], Field(max_length=1_000)] = ()
    health: bool = False

    @model_validator(mode="before")
    @classmethod
    def _told(cls, given: object) -> object:
        if isinstance(given, dict) and given.get("kinds") == []:
            raise ValueError("kinds is empty, so nobody is told; leave it out for all alerts of danger")
        return given

    def problem(self, kinds: AlertKinds) -> str | None:
        """What is wrong with the chosen kinds of alerts."""
        for name in self.kinds:
            kind = kinds.find(name)
            if kind is None:
                return f"there is no alert kind {name!r}; there are {', '.join(sorted(one.name for one in kinds))}"
            if kind.subject == "health" and not self.health:
                return (
                    f"{name} says how somebody is: write health = true if this may be told, which says where and "
                    "when, never who"
                )
        return None

    def wants(self, kind: str, school: str, kinds: AlertKinds) -> bool:
        if self.schools and school not in self.schools:
            return False
        found = kinds.find(kind)
        if found is None or (found.subject == "health" and not self.health):
            return False
        return kind in self.kinds if self.kinds else found.subject in {"safety", "health"}


COMMON: Final = frozenset(NotifierSection.model_fields)


@dataclass(frozen=True)
class NotifierTable:
    """One table with the settings of its kind, as the configuration holds it once it is loaded."""

    section: NotifierSection
    plugin: NotifierPlugin
    settings: Any

    def make(self) -> Notifier:
        """Raises PluginError, also for a file that cannot be read."""
        name = f"[[notifier]] {self.section.name} (kind {self.section.kind})"
        try:
            made = self.plugin.make(self.settings)
        except Exception as error:
            raise PluginError(f"{name} cannot be made: {cause_of(error)}") from error
        if not callable(getattr(made, "notify", None)):
            raise PluginError(f"{name}: a {type(made).__name__} is no notifier; its author must mend it")
        return made
