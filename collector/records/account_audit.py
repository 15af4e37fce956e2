"""Rows of the accounts' audit: added, read, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from collector.records.account_tables import account_audit

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class StoredAuditRow:
    """One row. link: its MAC, over the one before and itself."""

    id: int
    at_ms: int
    actor: str
    action: str
    subject: str
    detail: str
    link: bytes


def last(connection: Connection) -> StoredAuditRow | None:
    found = find(connection, None, 1)
    return found[0] if found else None


def add(connection: Connection, row: StoredAuditRow) -> None:
    connection.execute(insert(account_audit).values(**vars(row)))


def find(connection: Connection, before_id: int | None, limit: int) -> list[StoredAuditRow]:
    """Newest first."""
    query = select(account_audit).order_by(account_audit.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(account_audit.c.id < before_id)
    return [StoredAuditRow(**row) for row in connection.execute(query).mappings()]


def walk(connection: Connection) -> Iterator[StoredAuditRow]:
    """From the first on, streamed."""
    query = select(account_audit).order_by(account_audit.c.id)
    with connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query) as result:
        for row in result.mappings():
            yield StoredAuditRow(**row)
