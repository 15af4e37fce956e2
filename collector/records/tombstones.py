"""Pseudonyms of which nothing may be kept any more: what still arrives under them is not taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from collector.records.chunks import chunks
from collector.records.tables import erased_pseudonyms

_DAY_MS: Final = 86_400_000
KEPT_MS: Final = 60 * _DAY_MS
"""Longer than a gateway keeps batches that nobody takes, a summer's holidays included."""
UNHEARD_MS: Final = 7 * _DAY_MS
"""How long a gateway that nobody can reach goes on under a consent that was withdrawn: as old as its
map may be (`age_days_max` of gateway.toml). What is made later was agreed to anew.
"""


class Erased:
    """Some tombstones in memory: by pseudonym, up to when its records are not taken; None, no end."""

    def __init__(self, until_ms: Mapping[str, int | None]) -> None:
        self._until_ms = until_ms

    def covers(self, pseudonym: str | None, time_ms: int) -> bool:
        """Whether a record of this time is not to be taken."""
        if pseudonym is None or pseudonym not in self._until_ms:
            return False
        until_ms = self._until_ms[pseudonym]
        return until_ms is None or time_ms <= until_ms


def find(connection: Connection, pseudonyms: Iterable[str | None]) -> Erased:
    """The tombstones there are of these."""
    table = erased_pseudonyms.c
    found: dict[str, int | None] = {}
    for some in chunks({one for one in pseudonyms if one is not None}):
        query = select(table.pseudonym, table.until_ms).where(table.pseudonym.in_(some))
        found.update((row.pseudonym, row.until_ms) for row in connection.execute(query))
    return Erased(found)


def are_there(connection: Connection) -> bool:
    """Whether there is any."""
    return connection.scalar(select(erased_pseudonyms.c.pseudonym).limit(1)) is not None


def add(connection: Connection, pseudonyms: Iterable[str], now_ms: int, *, for_ever: bool) -> None:
    """for_ever: the pupil is gone; otherwise a consent ended, and another may be given."""
    wanted = set(pseudonyms)
    for some in chunks(wanted):
        connection.execute(delete(erased_pseudonyms).where(erased_pseudonyms.c.pseudonym.in_(some)))
    until_ms = None if for_ever else now_ms + UNHEARD_MS
    rows = [{"pseudonym": one, "at_ms": now_ms, "until_ms": until_ms} for one in sorted(wanted)]
    if rows:
        connection.execute(insert(erased_pseudonyms), rows)


def forget_old(connection: Connection, now_ms: int) -> int:
    """Takes away those that have stood long enough; how many."""
    return connection.execute(
        delete(erased_pseudonyms).where(erased_pseudonyms.c.at_ms < now_ms - KEPT_MS)
    ).rowcount
