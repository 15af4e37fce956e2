"""Finds rows of the audit for people."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from identity_vault.database.tables import audit

ROWS_MAX: Final = 10_000


class AuditRow(NamedTuple):
    """A row as it stands. pupil: an internal id. detail: JSON."""

    seq: int
    at_ms: int
    actor: str
    action: str
    purpose: str | None
    pupil: str | None
    detail: str


def find(
    connection: Connection,
    *,
    action: str | None = None,
    actor: str | None = None,
    pupil: str | None = None,
    since_ms: int = 0,
    limit: int = 100,
) -> list[AuditRow]:
    """The newest rows that fit everything given, oldest of them first."""
    query = select(*(audit.c[name] for name in AuditRow._fields))
    query = query.where(audit.c.at_ms >= since_ms)
    for column, wanted in ((audit.c.action, action), (audit.c.actor, actor), (audit.c.pupil, pupil)):
        if wanted is not None:
            query = query.where(column == wanted)
    rows = connection.execute(query.order_by(audit.c.seq.desc()).limit(min(limit, ROWS_MAX)))
    return [AuditRow(*row) for row in rows][::-1]
