"""Consent: who agreed to which purpose, when, on what evidence, and whether it holds now.

Whoever is under 14 needs a guardian's consent (Personal Information Protection Law, article 31); from
14 on their own counts too. "safety" needs none (article 13 (4)).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, insert, select, update

from identity_vault.database import tables
from identity_vault.roster.people import Pupil
from identity_vault.vault import Vault
from telemetry.purposes import PURPOSES, Purpose

OWN_CONSENT_AGE: Final = 14

GivenBy = Literal["guardian", "pupil"]


class Consent(msgspec.Struct, frozen=True):
    """One consent as the database has it. until_ms: when it ends by itself."""

    id: int
    pupil: str
    purpose: Purpose
    given_by: GivenBy
    guardian: str | None
    given_ms: int
    until_ms: int | None
    withdrawn_ms: int | None
    recorded_ms: int

    def holds(self, now_ms: int) -> bool:
        """Whether it has been given, and has neither ended nor been withdrawn."""
        return (
            self.given_ms <= now_ms
            and (self.until_ms is None or now_ms < self.until_ms)
            and (self.withdrawn_ms is None or now_ms < self.withdrawn_ms)
        )


def age_on(birth_date: str, now_ms: int, zone: ZoneInfo) -> int:
    """Whole years, by the calendar of the school. Raises ValueError for a date that is none."""
    born = date.fromisoformat(birth_date)
    today = datetime.fromtimestamp(now_ms / 1_000, UTC).astimezone(zone).date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def give_consent(
    vault: Vault,
    connection: Connection,
    pupil_id: str,
    purpose: Purpose,
    *,
    given_by: GivenBy,
    evidence: str,
    given_ms: int,
    guardian: str | None = None,
    until_ms: int | None = None,
) -> int:
    """Records a consent; its row. evidence: where the signed form is, not what it says."""
    result = connection.execute(
        insert(tables.consents).values(
            pupil=pupil_id,
            purpose=purpose,
            given_by=given_by,
            guardian=guardian,
            given_ms=given_ms,
            until_ms=until_ms,
            recorded_ms=vault.now_ms(),
            sealed=vault.fields.seal(evidence, f"consents.sealed/{pupil_id}"),
        )
    )
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def withdraw_consent(connection: Connection, pupil_id: str, purpose: Purpose, at_ms: int) -> int:
    """Ends every consent of a pupil to a purpose; how many there were."""
    table = tables.consents
    return connection.execute(
        update(table)
        .where(table.c.pupil == pupil_id, table.c.purpose == purpose, table.c.withdrawn_ms.is_(None))
        .values(withdrawn_ms=at_ms)
    ).rowcount


def consents_of(connection: Connection, pupil_ids: Sequence[str] | None = None) -> list[Consent]:
    """Consents of these pupils, of all for None, oldest first; the ended ones too."""
    table = tables.consents
    query = select(
        table.c.id,
        table.c.pupil,
        table.c.purpose,
        table.c.given_by,
        table.c.guardian,
        table.c.given_ms,
        table.c.until_ms,
        table.c.withdrawn_ms,
        table.c.recorded_ms,
    ).order_by(table.c.id)
    if pupil_ids is not None:
        query = query.where(table.c.pupil.in_(pupil_ids))
    return [Consent(*row) for row in connection.execute(query)]


def evidence_of(vault: Vault, connection: Connection, consent_id: int) -> str:
    """Raises FieldError."""
    table = tables.consents
    row = connection.execute(select(table.c.pupil, table.c.sealed).where(table.c.id == consent_id)).one()
    return vault.fields.open(row.sealed, f"consents.sealed/{row.pupil}", str)


def effective(
    pupils: Iterable[Pupil], consents: Iterable[Consent], now_ms: int, zone: ZoneInfo
) -> dict[str, dict[Purpose, int | None]]:
    """By pupil, the purposes that may be collected for now, and when that ends (None: no end yet).

    Of several consents the one that lasts longest counts.
    """
    by_pupil: dict[str, list[Consent]] = {}
    for consent in consents:
        if consent.holds(now_ms):
            by_pupil.setdefault(consent.pupil, []).append(consent)
    found: dict[str, dict[Purpose, int | None]] = {}
    for pupil in pupils:
        if pupil.state != "active":
            continue
        may_alone = age_on(pupil.details.birth_date, now_ms, zone) >= OWN_CONSENT_AGE
        permits = found[pupil.id] = {
            purpose: None for purpose, info in PURPOSES.items() if not info.needs_consent
        }
        for consent in by_pupil.get(pupil.id, ()):
            if consent.given_by == "guardian" or may_alone:
                permits[consent.purpose] = _later(permits.get(consent.purpose, 0), consent.until_ms)
    return found


def _later(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
