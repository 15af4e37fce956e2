"""Names of places and classes for people, beside the codes that devices and cards carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from collector.text import Text
from device_profiles.labels import state_text

SEPARATOR: Final = " · "


@dataclass(frozen=True)
class Labels:
    """The school's own names by code; a place is `building` or `building/room`."""

    places: Mapping[str, Text] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of the configuration, by code, or by school/code where schools name theirs differently."""
    vault_classes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of the vault, by code; they come and change meanwhile."""
    vault_school: str = ""
    state: Callable[[str, str, float], tuple[str, str] | None] = state_text
    """Words for a status code, by profile, quantity and value; with those of plug-ins' profiles."""

    def place(self, code: str) -> Text | None:
        """The whole place: building and room. None where neither has a name."""
        building, _, room = code.partition("/")
        if not room:
            return self.places.get(code)
        if code not in self.places and building not in self.places:
            return None
        first, second = self.part(building), self.places.get(code, Text(room, room))
        return Text(*(SEPARATOR.join(words) for words in zip(first, second, strict=True)))

    def part(self, code: str) -> Text:
        """The building or the room alone: its name, else the last part of its code."""
        last = code.rpartition("/")[2]
        return self.places.get(code, Text(last, last))

    def order(self, place: str) -> tuple[int, str]:
        """Sorts places: buildings as the names tell them, the others after them; rooms by code."""
        building = place.partition("/")[0]
        return self._buildings.get(building, len(self._buildings)), place

    @cached_property
    def _buildings(self) -> dict[str, int]:
        return {code: at for at, code in enumerate(code for code in self.places if "/" not in code)}

    def class_(self, school: str, code: str | None) -> Text | None:
        """The configuration's name before the vault's. None where the class has none."""
        if code is None:
            return None
        found = self.classes.get(f"{school}/{code}") or self.classes.get(code)
        if found is None and school == self.vault_school:
            found = self.vault_classes.get(code)
        return None if found is None else Text(*found)
