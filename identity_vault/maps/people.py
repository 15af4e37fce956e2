"""Everybody at the school as maps need them: read from the database in a few queries, no names kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from firmware_bridges import cards
from identity_vault.calendar.windows import lessons_between, school_days_between
from identity_vault.database import tables
from identity_vault.fields import FieldError
from identity_vault.roster import (
    Credential,
    Pupil,
    age_on,
    all_pupils,
    class_names,
    consents_of,
    credentials_of,
    current_epoch,
    effective,
    map_version,
)
from identity_vault.vault import Vault
from telemetry.credential_map import Lesson, Permit, Person
from telemetry.purposes import Purpose

DAYS_AHEAD: Final = 9
"""Of lessons in a map: the seven days for which a map is good, and a weekend. The day before is there
too, for what a gateway learns late.
"""
DAMAGED_MAX: Final = 20
"""Rows that do not open and are left out; more are no accident of one place of a disk."""
_MS_PER_DAY: Final = 86_400_000


class Snapshot(NamedTuple):
    """Everybody at one moment; shared between threads and never changed.

    day: ISO 8601, by the school's calendar; ages are of this day. people: by pupil's slot, with every
    permitted purpose; who has left is not there. credentials: slot by notation, in clear. ambiguous:
    notations that lead to two pupils and so to nobody, by their length in bytes (0: no card's).
    unreachable: pupils who have credentials, none of which leads
    to them alone as it is registered. names: Chinese and
    English, of every class. damaged: what is wrong with rows that do not open; who is in them is unknown
    to gateways, and everybody else is not.
    """

    version: int
    epoch: str
    day: str
    people: Mapping[int, Person]
    credentials: Mapping[str, int]
    ambiguous: Mapping[int, int]
    unreachable: int
    names: Mapping[str, tuple[str, str]]
    lessons: Mapping[str, Sequence[Lesson]]
    school_days: Sequence[tuple[int, int]]
    damaged: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Snapshot(version {self.version}, {len(self.people)} people)"


class PseudonymCache:
    """The pseudonyms of one epoch, by pupil: made once, and forgotten with the epoch."""

    def __init__(self, vault: Vault) -> None:
        self._pseudonyms = vault.pseudonyms
        self._epoch = ""
        self._made: dict[tuple[str, Purpose], str] = {}

    def keep(self, epoch: str, pupil_ids: Iterable[str]) -> None:
        """Forgets those of another epoch, and of pupils who are gone."""
        here = set(pupil_ids) if epoch == self._epoch else set()
        self._epoch = epoch
        self._made = {key: one for key, one in self._made.items() if key[0] in here}

    def make(self, purpose: Purpose, pupil_id: str) -> str:
        found = self._made.get((pupil_id, purpose))
        if found is None:
            found = self._made[pupil_id, purpose] = self._pseudonyms.make(purpose, self._epoch, pupil_id)
        return found


def today(now_ms: int, zone: ZoneInfo) -> str:
    """The day by the school's calendar, ISO 8601."""
    return datetime.fromtimestamp(now_ms / 1_000, UTC).astimezone(zone).date().isoformat()


def load_snapshot(vault: Vault, connection: Connection, cache: PseudonymCache) -> Snapshot:
    """Everybody now. Raises FieldError where no pupil's row opens, or more than `DAMAGED_MAX` rows do not."""
    now_ms, zone = vault.now_ms(), vault.config.zone
    # Before the rows: a change that comes in between is told once more with its own version.
    version = map_version(connection)
    epoch = current_epoch(connection)
    damaged: list[FieldError] = []
    known = all_pupils(vault, connection, damaged)
    pupils = [one for one in known if one.state == "active"]
    cache.keep(epoch, (one.id for one in pupils))
    permits = effective(pupils, consents_of(connection), now_ms, zone)
    # Of damaged rows, too: their cards lead to nobody, and not to another whose number begins alike.
    active = select(tables.pupils.c.id, tables.pupils.c.slot).where(tables.pupils.c.state == "active")
    slots = {str(row.id): int(row.slot) for row in connection.execute(active)}
    held = [
        one
        for one in credentials_of(vault, connection, damaged=damaged)
        if one.pupil in slots and one.since_ms <= now_ms and (one.until_ms is None or now_ms < one.until_ms)
    ]
    if damaged and (not known or len(damaged) > DAMAGED_MAX):
        raise damaged[0]
    credentials, ambiguous, unreachable = lead_to(held, slots)
    people = {one.slot: _person(one, permits[one.id], cache, now_ms, zone) for one in pupils}
    window = (now_ms - _MS_PER_DAY, now_ms + DAYS_AHEAD * _MS_PER_DAY)
    return Snapshot(
        version=version,
        epoch=epoch,
        day=today(now_ms, zone),
        people=people,
        credentials={notation: slot for notation, slot in credentials.items() if slot in people},
        ambiguous=ambiguous,
        unreachable=unreachable,
        names=class_names(connection),
        lessons=lessons_between(connection, *window, zone),
        school_days=school_days_between(connection, *window, zone),
        damaged=tuple(map(str, damaged)),
    )


def _person(
    pupil: Pupil, permits: Mapping[Purpose, int | None], cache: PseudonymCache, now_ms: int, zone: ZoneInfo
) -> Person:
    age = age_on(pupil.details.birth_date, now_ms, zone)
    found = {purpose: Permit(cache.make(purpose, pupil.id), until) for purpose, until in permits.items()}
    return Person(pupil.slot, pupil.class_id, found, heart_rate_max(age))


def heart_rate_max(age: int) -> float:
    """Greatest heart rate, per minute, of an age in whole years; by days of age it would tell birthdays.

    208 − 0.7 · age: Mahon 2010, measured on children of 7 to 17 years (201 ± 10).
    """
    return round(208 - 0.7 * age, 1)


def lead_to(
    held: Iterable[Credential], slots: Mapping[str, int]
) -> tuple[dict[str, int], dict[int, int], int]:
    """Slot by notation; how many notations lead to two pupils, by length in bytes; how many pupils none
    of whose credentials, as it is registered, leads to them alone.
    """
    found: dict[str, int] = {}
    twice: set[str] = set()
    registered: dict[int, list[str]] = {}
    for credential in held:
        slot = slots[credential.pupil]
        registered.setdefault(slot, []).append(credential.value)
        for notation in notations_of(credential):
            if found.setdefault(notation, slot) != slot:
                twice.add(notation)
    for notation in twice:
        del found[notation]
    by_length: dict[int, int] = {}
    for notation in twice:
        length = 0 if ":" in notation else len(notation) // 2
        by_length[length] = by_length.get(length, 0) + 1
    unreachable = sum(twice.issuperset(values) for values in registered.values())
    return found, by_length, unreachable


def notations_of(credential: Credential) -> frozenset[str]:
    """Every text under which a driver may tell this credential."""
    if credential.kind != "card":
        return frozenset((credential.value,))
    try:
        return cards.notations(cards.parse_hex(credential.value))
    except ValueError:
        # A number of a length that no tag has: found only as it was written down.
        return frozenset((credential.value,))
