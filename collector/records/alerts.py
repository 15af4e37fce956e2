"""Alerts: found by an event rule, committed before the batch is answered as received."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, insert, select, true, update

from collector.records.alert_sight import AlertSight
from collector.records.chunks import chunks
from collector.records.tables import alerts

AlertState = Literal["open", "acknowledged"]


@dataclass(frozen=True)
class Alert:
    """One alert. `value`, `limit` in `unit`; `pseudonym` and `class_id` are None for an unknown card,
    `device` for something that is carried. They and `value` are None once the record of type
    `record_type`, from which the alert was raised, has been deleted.

    `doubtful` asks for a second measurement before anyone believes it.
    """

    id: int
    cause: str
    kind: str
    state: AlertState
    school: str
    gateway: str
    device: str | None
    place: str
    at_ms: int
    opened_ms: int
    pseudonym: str | None
    class_id: str | None
    site: str | None
    value: float | None
    unit: str
    limit: float | None
    doubtful: bool
    acknowledged_ms: int | None = None
    acknowledged_by: str | None = None
    record_type: str | None = None


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Inserts alerts whose cause is new; returns how many were."""
    return len(add_fresh(connection, rows))


def add_fresh(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same; gives back those that are new."""
    by_cause = {row["cause"]: row for row in rows}
    known: set[str] = set()
    for some in chunks(by_cause):
        known.update(connection.scalars(select(alerts.c.cause).where(alerts.c.cause.in_(some))))
    fresh = [row for cause, row in by_cause.items() if cause not in known]
    if fresh:
        connection.execute(insert(alerts), fresh)
    return fresh


def find(
    connection: Connection,
    state: AlertState | None,
    before_id: int | None,
    limit: int,
    sight: AlertSight | None = None,
) -> list[Alert]:
    """Newest first; sight: only what somebody sees, None: all."""
    query = select(alerts).order_by(alerts.c.id.desc()).limit(limit).where(_within(sight))
    if state:
        query = query.where(alerts.c.state == state)
    if before_id is not None:
        query = query.where(alerts.c.id < before_id)
    return [Alert(**row) for row in connection.execute(query).mappings()]


def acknowledge(
    connection: Connection, alert_id: int, by: str, at_ms: int, sight: AlertSight | None = None
) -> Alert | None:
    """The alert afterwards, None for an unknown id and for one out of sight. The first acknowledgement counts."""
    this = (alerts.c.id == alert_id, _within(sight))
    connection.execute(
        update(alerts)
        .where(*this, alerts.c.state == "open")
        .values(state="acknowledged", acknowledged_by=by, acknowledged_ms=at_ms)
    )
    row = connection.execute(select(alerts).where(*this)).mappings().one_or_none()
    return Alert(**row) if row else None


def count_open(connection: Connection, sight: AlertSight | None = None) -> int:
    return connection.scalar(select(func.count()).where(alerts.c.state == "open", _within(sight))) or 0


def open_mark(connection: Connection, sight: AlertSight) -> tuple[object, ...]:
    """Another one whenever those that are open and in sight are others, or say something else."""
    query = select(
        func.count(), func.max(alerts.c.id), func.sum(alerts.c.id),
        func.count(alerts.c.pseudonym), func.count(alerts.c.value),
    ).where(alerts.c.state == "open", _within(sight))  # fmt: skip
    return tuple(connection.execute(query).one())


def _within(sight: AlertSight | None) -> ColumnElement[bool]:
    return true() if sight is None else sight.where()
