"""Alerts: found by an event rule, committed before the batch is answered as received."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, func, insert, select, update

from collector.records.tables import alerts

AlertState = Literal["open", "acknowledged"]
_CAUSES_AT_ONCE: Final = 500
"""Databases bound the parameters of a statement."""


@dataclass(frozen=True)
class Alert:
    """One alert. `value`, `limit` in `unit`; `pseudonym` and `class_id` are None for an unknown card.

    `doubtful` asks for a second measurement before anyone believes it.
    """

    id: int
    cause: str
    kind: str
    state: AlertState
    school: str
    gateway: str
    device: str
    place: str
    at_ms: int
    opened_ms: int
    pseudonym: str | None
    class_id: str | None
    site: str | None
    value: float
    unit: str
    limit: float | None
    doubtful: bool
    acknowledged_ms: int | None = None
    acknowledged_by: str | None = None


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Inserts alerts whose cause is new; returns how many were."""
    by_cause = {row["cause"]: row for row in rows}
    known: set[str] = set()
    causes = list(by_cause)
    for at in range(0, len(causes), _CAUSES_AT_ONCE):
        some = causes[at : at + _CAUSES_AT_ONCE]
        known.update(connection.scalars(select(alerts.c.cause).where(alerts.c.cause.in_(some))))
    fresh = [row for cause, row in by_cause.items() if cause not in known]
    if fresh:
        connection.execute(insert(alerts), fresh)
    return len(fresh)


def find(connection: Connection, state: AlertState | None, before_id: int | None, limit: int) -> list[Alert]:
    """Newest first."""
    query = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
    if state:
        query = query.where(alerts.c.state == state)
    if before_id is not None:
        query = query.where(alerts.c.id < before_id)
    return [Alert(**row) for row in connection.execute(query).mappings()]


def acknowledge(connection: Connection, alert_id: int, by: str, at_ms: int) -> Alert | None:
    """The alert afterwards, None for an unknown id. The first acknowledgement counts."""
    connection.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.state == "open")
        .values(state="acknowledged", acknowledged_by=by, acknowledged_ms=at_ms)
    )
    row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).mappings().one_or_none()
    return Alert(**row) if row else None


def count_open(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(alerts.c.state == "open")) or 0
