"""Words for status codes, for whoever shows readings to people, and what a profile gives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from device_profiles.registry import Catalogue, ProfileNotFoundError


class ModelTexts:
    """The words of the bundled profiles, and of those in the given folders. A folder's files are read
    when they are asked for.
    """

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        self._directories = tuple(directories)
        self.state = lru_cache(maxsize=4_096)(self._state)

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue(self._directories)

    def _state(self, model: str, quantity: str, value: float) -> tuple[str, str] | None:
        """Chinese and English text of a status code, or None where there is none.

        model: the profile id that a series carries; any text may be asked for.
        """
        try:
            rows = self.catalogue.get(model).spec.fields
        except ProfileNotFoundError:
            return None
        for row in rows:
            if row.quantity == quantity and float(value).is_integer():
                text = row.states.get(str(int(value)))
                return None if text is None else (text.zh, text.en)
        return None


_BUNDLED: Final = ModelTexts()
state_text: Final = _BUNDLED.state


@lru_cache(maxsize=1_024)
def quantities_of(model: str) -> frozenset[str] | None:
    """What a bundled profile gives, None where there is no such profile."""
    try:
        return frozenset(row.quantity for row in _BUNDLED.catalogue.get(model).spec.fields)
    except ProfileNotFoundError:
        return None
