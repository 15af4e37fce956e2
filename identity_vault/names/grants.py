"""Break-glass: who was given what purpose, why, until when, and what a reviewer thought of it."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from identity_vault.audit import record
from identity_vault.database.tables import audit, break_glass
from identity_vault.fields import FieldError
from identity_vault.roster import new_id
from identity_vault.vault import Vault
from telemetry.purposes import Purpose
from telemetry.resolve_token import Claims

MS_PER_MINUTE: Final = 60_000
GRANTS_AN_HOUR_MAX: Final = 10
"""For one session: an emergency needs a few, and somebody has to review each."""
UNREVIEWED_MAX: Final = 500
REVIEWER_CHARS_MAX: Final = 64


class Grant(msgspec.Struct, frozen=True):
    """A grant with its reason, None where it was damaged. names: how many names it was used for, repeated ones included."""

    id: str
    session: str
    role: str
    purpose: Purpose
    granted_ms: int
    expires_ms: int
    reason: str | None
    names: int

    def __repr__(self) -> str:
        return f"Grant(id={self.id!r}, role={self.role!r}, purpose={self.purpose!r}, …)"


def give(
    vault: Vault, connection: Connection, claims: Claims, purpose: Purpose, reason: str, minutes: int
) -> tuple[str, int]:
    """The new grant's id and when it ends, ms UTC."""
    id_, now_ms = new_id(), vault.now_ms()
    expires_ms = now_ms + minutes * MS_PER_MINUTE
    connection.execute(
        insert(break_glass).values(
            id=id_,
            session=claims.session,
            role=claims.role,
            purpose=purpose,
            granted_ms=now_ms,
            expires_ms=expires_ms,
            sealed=vault.fields.seal(reason, f"break_glass.sealed/{id_}"),
        )
    )
    record(
        vault, connection, actor=f"session:{claims.session}", action="break_glass", purpose=purpose,
        role=claims.role, grant=id_, minutes=minutes,
    )  # fmt: skip
    return id_, expires_ms


def is_overdone(connection: Connection, session: str, now_ms: int) -> bool:
    """Whether this session, or everybody together, has had as many grants as anybody can review."""
    of_session = connection.scalar(
        select(func.count())
        .select_from(break_glass)
        .where(break_glass.c.session == session, break_glass.c.granted_ms > now_ms - 60 * MS_PER_MINUTE)
    )
    waiting = connection.scalar(
        select(func.count()).select_from(break_glass).where(break_glass.c.reviewed_ms.is_(None))
    )
    return (of_session or 0) >= GRANTS_AN_HOUR_MAX or (waiting or 0) >= UNREVIEWED_MAX


def active(connection: Connection, claims: Claims, purpose: Purpose, now_ms: int) -> str | None:
    """The grant that holds now for this session, role and purpose. One that a reviewer objected to is over."""
    found = connection.scalar(
        select(break_glass.c.id)
        .where(
            break_glass.c.session == claims.session,
            break_glass.c.role == claims.role,
            break_glass.c.purpose == purpose,
            break_glass.c.granted_ms <= now_ms,
            break_glass.c.expires_ms > now_ms,
            break_glass.c.accepted.is_not(False),
        )
        .order_by(break_glass.c.expires_ms.desc())
        .limit(1)
    )
    return None if found is None else str(found)


def unreviewed(vault: Vault, connection: Connection) -> list[Grant]:
    """Grants that nobody has decided on yet, the oldest first."""
    rows = connection.execute(
        select(break_glass).where(break_glass.c.reviewed_ms.is_(None)).order_by(break_glass.c.granted_ms)
    ).mappings()
    return [
        Grant(
            row["id"],
            row["session"],
            row["role"],
            row["purpose"],
            row["granted_ms"],
            row["expires_ms"],
            _reason(vault, row["sealed"], row["id"]),
            _count_names(connection, row["id"], row["granted_ms"]),
        )
        for row in rows
    ]


def review(
    vault: Vault, connection: Connection, grant: str, *, accepted: bool, reviewer: str, actor: str
) -> bool:
    """Notes a decision; False where there is no such grant that waits for one.

    An objection ends a grant that still holds. The decision stands in the audit, the reviewer's name in
    the grant only.
    """
    purpose = connection.scalar(
        select(break_glass.c.purpose).where(break_glass.c.id == grant, break_glass.c.reviewed_ms.is_(None))
    )
    if purpose is None:
        return False
    connection.execute(
        update(break_glass)
        .where(break_glass.c.id == grant)
        .values(reviewed_ms=vault.now_ms(), reviewed_by=reviewer[:REVIEWER_CHARS_MAX], accepted=accepted)
    )
    record(
        vault, connection, actor=actor, action="break_glass_review", purpose=purpose, grant=grant,
        decision="accepted" if accepted else "objected",
    )  # fmt: skip
    return True


def _reason(vault: Vault, sealed: bytes, grant: str) -> str | None:
    try:
        return vault.fields.open(sealed, f"break_glass.sealed/{grant}", str)
    except FieldError:
        return None


def _count_names(connection: Connection, grant: str, since_ms: int) -> int:
    found = connection.scalar(
        select(func.count())
        .select_from(audit)
        .where(
            audit.c.action == "resolve",
            audit.c.at_ms >= since_ms,
            audit.c.detail.contains(f'"grant":"{grant}"', autoescape=True),
        )
    )
    return found or 0
