"""Looks a credential up in the gateway's blinded map."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final

from foundation.keyfiles import KeyFileError, load_secret
from telemetry.credential_map import (
    CredentialMap,
    CredentialMapError,
    Entry,
    blind,
    decode_map,
)

_MS_PER_DAY: Final = 86_400_000


class Lookup(Enum):
    """Why a credential has no entry."""

    UNKNOWN = "unknown_card"
    MAP_UNUSABLE = "map_unusable"
    """No map, a damaged one, another gateway's, or one too old to be believed."""


class MapUnusableError(Exception):
    """The credential map or its key cannot be used; the message names the file and says why."""


class Credentials:
    """The map in memory. Fails closed: without a usable map every credential is anonymous."""

    def __init__(self, found: CredentialMap | None, key: bytes, age_days_max: float) -> None:
        self._map = found
        self._key = key
        self._age_days_max = age_days_max

    @classmethod
    def none(cls) -> Credentials:
        return cls(None, b"", 0)

    @classmethod
    def load(
        cls, map_file: Path, key_file: Path, school: str, gateway: str, age_days_max: float
    ) -> Credentials:
        """Reads the files. Raises MapUnusableError."""
        try:
            key = load_secret(key_file)
            found = decode_map(map_file.read_bytes())
        except KeyFileError as error:
            raise MapUnusableError(str(error)) from error
        except CredentialMapError as error:
            raise MapUnusableError(f"{map_file}: {error}") from error
        except OSError as error:
            raise MapUnusableError(f"{map_file} cannot be read: {error.strerror}") from error
        if (found.school, found.gateway) != (school, gateway):
            raise MapUnusableError(f"{map_file} is the map of {found.school}/{found.gateway}")
        return cls(found, key, age_days_max)

    @property
    def entries(self) -> int:
        return len(self._map.entries) if self._map else 0

    def describe(self, now_ms: int) -> str:
        """In a line, for people. Raises MapUnusableError when the map is not to be believed now."""
        if self._map is None:
            raise MapUnusableError("there is no credential map")
        age_days = self._map.age_ms(now_ms) / _MS_PER_DAY
        if not self._is_current(now_ms):
            raise MapUnusableError(
                f"the credential map is {age_days:.1f} days old, {self._age_days_max:g} are believed"
            )
        return f"credential map with {self.entries} entries, {age_days:.1f} days old"

    def _is_current(self, now_ms: int) -> bool:
        return self._map is not None and self._map.is_current(now_ms, self._age_days_max)

    def find(self, credential: str | None, now_ms: int) -> Entry | Lookup:
        if self._map is None or not self._is_current(now_ms):
            return Lookup.MAP_UNUSABLE
        if credential is None:
            return Lookup.UNKNOWN
        return self._map.entries.get(blind(self._key, credential), Lookup.UNKNOWN)
