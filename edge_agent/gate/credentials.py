"""Looks a credential up in the gateway's blinded map."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import structlog

from foundation.keyfiles import KeyFileError, load_secret
from telemetry.credential_map import (
    CredentialMap,
    CredentialMapError,
    Entry,
    blind,
    decode_map,
)

log = structlog.get_logger()


class Lookup(Enum):
    """Why a credential has no entry."""

    UNKNOWN = "unknown_card"
    MAP_UNUSABLE = "map_unusable"
    """No map, a damaged one, another gateway's, or one too old to be believed."""


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
        """Reads the files; what is wrong with them is logged, and every card is then unknown."""
        try:
            key = load_secret(key_file)
            found = decode_map(map_file.read_bytes())
        except (KeyFileError, CredentialMapError, OSError) as error:
            log.error("credential map unusable", file=str(map_file), error=str(error))
            return cls.none()
        if (found.school, found.gateway) != (school, gateway):
            log.error("credential map is another gateway's", file=str(map_file))
            return cls.none()
        log.info("credential map loaded", entries=len(found.entries))
        return cls(found, key, age_days_max)

    def find(self, credential: str | None, now_ms: int) -> Entry | Lookup:
        if self._map is None or not self._map.is_current(now_ms, self._age_days_max):
            return Lookup.MAP_UNUSABLE
        if credential is None:
            return Lookup.UNKNOWN
        return self._map.entries.get(blind(self._key, credential), Lookup.UNKNOWN)
