"""Measurements of pupils for an export, page by page: those with a pseudonym, whose consent stands."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, and_, false, or_, select

from collector.records.tables import RECORD_TABLES, class_pseudonyms, lessons
from telemetry.purposes import Purpose
from telemetry.records import RECORD_TYPES

Measured = Literal["morning_check", "heart_rate_window"]
AROUND_LESSON_MS: Final = 5 * 60_000
"""What belongs to a lesson before and after it, as at the gate (rule 8 of our privacy rules)."""


class Period(NamedTuple):
    """start ≤ time < end, ms UTC."""

    start_ms: int
    end_ms: int


class Lesson(NamedTuple):
    """A class has it now; the period includes the minutes around it."""

    class_id: str
    period: Period


class Scope(NamedTuple):
    """Whose rows: of this school. classes: their codes; None: all. lessons: in one of these only."""

    school: str
    classes: Collection[str] | None = None
    lessons: Collection[Lesson] | None = None


def find(
    connection: Connection, kind: Measured, when: Period, scope: Scope, after_id: int, limit: int
) -> list[dict[str, Any]]:
    """Rows in order of id. Of health only pupils on the vault's class lists, which have who agreed; for other
    purposes there are no lists: who withdrew was erased by the vault's order.
    """
    table = RECORD_TABLES[kind]
    query = (
        select(table)
        .where(
            table.c.id > after_id,
            table.c.school == scope.school,
            table.c.pseudonym.is_not(None),
            table.c.time_ms >= when.start_ms,
            table.c.time_ms < when.end_ms,
        )
        .order_by(table.c.id)
        .limit(limit)
    )
    if purpose_of(kind) == "health":
        query = query.where(table.c.pseudonym.in_(select(class_pseudonyms.c.pseudonym)))
    if scope.classes is not None:
        query = query.where(table.c.class_id.in_(sorted(scope.classes)))
    if scope.lessons is not None:
        in_one = (
            and_(
                table.c.class_id == one.class_id,
                table.c.time_ms >= one.period.start_ms,
                table.c.time_ms < one.period.end_ms,
            )
            for one in scope.lessons
        )
        query = query.where(or_(false(), *in_one))
    return [dict(row) for row in connection.execute(query).mappings()]


def purpose_of(kind: Measured) -> Purpose:
    return RECORD_TYPES[kind].purpose


def lessons_now(connection: Connection, classes: Collection[str] | None, now_ms: int) -> list[Lesson]:
    """The PE lessons of these classes of the vault's school that go on now."""
    query = select(lessons.c.class_id, lessons.c.start_ms, lessons.c.end_ms).where(
        lessons.c.subject == "pe",
        lessons.c.start_ms - AROUND_LESSON_MS <= now_ms,
        lessons.c.end_ms + AROUND_LESSON_MS > now_ms,
    )
    if classes is not None:
        query = query.where(lessons.c.class_id.in_(sorted(classes)))
    return [
        Lesson(row.class_id, Period(row.start_ms - AROUND_LESSON_MS, row.end_ms + AROUND_LESSON_MS))
        for row in connection.execute(query)
    ]
