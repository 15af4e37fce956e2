"""The snapshots that maps are made of, one after the other, and what changed between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import structlog

from identity_vault.maps.people import PseudonymCache, Snapshot, load_snapshot, today
from identity_vault.roster import bump, map_version
from identity_vault.vault import Vault

CHANGES_MAX: Final = 256
TOUCHED_MAX: Final = 50_000
"""Entries in all changes together. A gateway that is further behind takes the whole map."""

_log = structlog.get_logger(__name__)
_Key = TypeVar("_Key", bound=Hashable)


class Touched(NamedTuple):
    """Whose entries a map of an older version has to take over: changed, new or gone."""

    slots: frozenset[int]
    credentials: frozenset[str]

    def __repr__(self) -> str:
        return f"Touched({len(self.slots)} people, {len(self.credentials)} credentials)"

    def __or__(self, other: Touched) -> Touched:
        return Touched(self.slots | other.slots, self.credentials | other.credentials)

    @property
    def size(self) -> int:
        return len(self.slots) + len(self.credentials)


NOTHING: Final = Touched(frozenset(), frozenset())


class _Change(NamedTuple):
    base: int
    touched: Touched


def difference(old: Snapshot, new: Snapshot) -> Touched:
    """What is not the same in both."""
    return Touched(_unlike(old.people, new.people), _unlike(old.credentials, new.credentials))


def _unlike(old: Mapping[_Key, Any], new: Mapping[_Key, Any]) -> frozenset[_Key]:
    return frozenset(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


class Snapshots:
    """The newest snapshot and a bounded history, in memory only: after a restart everybody takes the
    whole map. May be used from several threads.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._cache = PseudonymCache(vault)
        self._changes: deque[_Change] = deque()
        self._lock = threading.Lock()
        self._newest: Snapshot | None = None

    def newest(self, have: int = 0) -> tuple[Snapshot, Touched | None]:
        """Everybody as the database has them, and what changed since a version that this history has.

        Raises VaultUnavailableError or FieldError.
        """
        with self._lock:
            found = self._refreshed()
            return found, self._since(have, found)

    def _refreshed(self) -> Snapshot:
        day = today(self._vault.now_ms(), self._vault.config.zone)
        old = self._newest
        with self._vault.read() as connection:
            if old is not None and (old.version, old.day) == (map_version(connection), day):
                return old
            fresh = load_snapshot(self._vault, connection, self._cache)
        # What changes by itself is a version too: a birthday, a consent that begins. And a version that
        # was told before a restart may have been of another day.
        if old is None or (old.version == fresh.version and difference(old, fresh).size):
            with self._vault.begin() as connection:
                bump(connection)
            with self._vault.read() as connection:
                fresh = load_snapshot(self._vault, connection, self._cache)
        self._take(old, fresh)
        return fresh

    def _take(self, old: Snapshot | None, fresh: Snapshot) -> None:
        if old is None or old.epoch != fresh.epoch or fresh.version < old.version:
            # Changes between two epochs would say who was who.
            self._changes.clear()
        elif fresh.version > old.version:
            self._changes.append(_Change(old.version, difference(old, fresh)))
            while (
                len(self._changes) > CHANGES_MAX
                or sum(one.touched.size for one in self._changes) > TOUCHED_MAX
            ):
                self._changes.popleft()
        if fresh.ambiguous and (old is None or old.ambiguous != fresh.ambiguous):
            # Cards of one batch begin alike: as long as everybody has a number of their own, that is usual.
            (_log.warning if fresh.unreachable else _log.info)(
                "cards.ambiguous",
                notations=sum(fresh.ambiguous.values()),
                pupils_without_a_card=fresh.unreachable,
                remedy="campus vault gateway check",
            )
        if fresh.damaged and (old is None or old.damaged != fresh.damaged):
            _log.error("rows.damaged", rows=fresh.damaged, remedy="restore the vault from its backup")
        self._newest = fresh

    def _since(self, have: int, newest: Snapshot) -> Touched | None:
        """None where the history does not reach back to exactly this version."""
        if have == newest.version:
            return NOTHING
        later = [one for one in self._changes if one.base >= have]
        if not later or later[0].base != have:
            return None
        found = NOTHING
        for one in later:
            found |= one.touched
        return found
