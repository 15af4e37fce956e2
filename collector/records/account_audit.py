"""Rows of the accounts' audit: added, read, never changed, and after years removed from the beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

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


def last_of(connection: Connection, action: str) -> StoredAuditRow | None:
    query = select(account_audit).where(account_audit.c.action == action).order_by(account_audit.c.id.desc())
    row = connection.execute(query.limit(1)).mappings().one_or_none()
    return StoredAuditRow(**row) if row else None


def first_since(connection: Connection, at_ms: int) -> int | None:
    """The id of the first row that is not older; None: all are."""
    found: int | None = connection.scalar(
        select(func.min(account_audit.c.id)).where(account_audit.c.at_ms >= at_ms)
    )
    return found


def remove(connection: Connection, last_id: int) -> None:
    """The rows up to this one."""
    connection.execute(delete(account_audit).where(account_audit.c.id <= last_id))


def add(connection: Connection, row: StoredAuditRow) -> None:
    connection.execute(insert(account_audit).values(**vars(row)))


def find(connection: Connection, before_id: int | None, limit: int) -> list[StoredAuditRow]:
    """Newest first."""
    query = select(account_audit).order_by(account_audit.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(account_audit.c.id < before_id)
    return [StoredAuditRow(**row) for row in connection.execute(query).mappings()]


def walk(connection: Connection, last_id: int | None = None) -> Iterator[StoredAuditRow]:
    """From the first on, streamed; to the end unless `last_id` is given."""
    query = select(account_audit).order_by(account_audit.c.id)
    if last_id is not None:
        query = query.where(account_audit.c.id <= last_id)
    # Of this query only: the connection goes on in a transaction that also writes.
    with connection.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE}) as result:
        for row in result.mappings():
            yield StoredAuditRow(**row)
