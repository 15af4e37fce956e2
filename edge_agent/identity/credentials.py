"""Whose card or band it is: the gateway's credential map, and whether it may be believed now."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from telemetry.credential_map import CredentialMap, Person

_MS_PER_DAY: Final = 86_400_000


class Lookup(Enum):
    """Why a credential leads to nobody; the value is the reason under which a drop is counted."""

    UNKNOWN = "unknown_card"
    MAP_UNUSABLE = "map_unusable"
    """No map yet, one too old to be believed, one made in the future, or a clock that is not known."""


class MapUnusableError(Exception):
    """There is no credential map that may be believed; the message says why."""


class Credentials:
    """One for the life of the gateway; `map` is put in the place of the one before.

    Fails closed: without a map that may be believed every credential is anonymous. clock_known: False
    while the gateway does not know the time, and with it neither how old the map is nor whether a
    lesson is on.
    """

    def __init__(
        self,
        found: CredentialMap | None = None,
        *,
        age_days_max: float = 7.0,
        clock_known: Callable[[], bool] = lambda: True,
    ) -> None:
        self.map = found
        self._age_days_max = age_days_max
        self._clock_known = clock_known

    def current(self, now_ms: int) -> CredentialMap | None:
        """The map, if it may be believed now."""
        found = self.map
        if found is None or not self._clock_known() or not found.is_current(now_ms, self._age_days_max):
            return None
        return found

    def find(self, credential: str | None, now_ms: int) -> Person | Lookup:
        """Whose (normalised) credential it is. None, where a station could not read one, is unknown."""
        found = self.current(now_ms)
        if found is None:
            return Lookup.MAP_UNUSABLE
        if credential is None:
            return Lookup.UNKNOWN
        return found.find(credential) or Lookup.UNKNOWN

    def describe(self, now_ms: int) -> str:
        """In a line, for people. Raises MapUnusableError when no map may be believed now."""
        found = self.map
        if found is None:
            raise MapUnusableError("there is no credential map yet")
        if not self._clock_known():
            raise MapUnusableError("the gateway does not know the time, and so not how old its map is")
        age_days = found.age_ms(now_ms) / _MS_PER_DAY
        if self.current(now_ms) is None:
            if age_days < 0:
                raise MapUnusableError(
                    f"the credential map was made {-age_days:.1f} days in the future; is the clock right?"
                )
            raise MapUnusableError(
                f"the credential map is {age_days:.1f} days old, {self._age_days_max:g} are believed"
            )
        return (
            f"credential map version {found.version} with {len(found.people):,} people and "
            f"{found.credential_count:,} credentials, {age_days:.1f} days old"
        )
