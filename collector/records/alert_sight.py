"""Which alerts somebody sees, as a condition of a query."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, false, or_, true

from collector.classes import SchoolClass
from collector.records.class_scope import of_classes
from collector.records.tables import alerts


@dataclass(frozen=True)
class AlertSight:
    """schools: of these; None: of all. others: kinds that say how nobody is; a kind that is not among them is
    taken for one that does. sees_others: those. sees_health: the rest. classes: of the rest also those of
    these classes.
    """

    others: tuple[str, ...]
    sees_others: bool
    sees_health: bool
    classes: tuple[SchoolClass, ...] = ()
    schools: frozenset[str] | None = None

    def where(self) -> ColumnElement[bool]:
        is_other = alerts.c.kind.in_(self.others)
        seen = or_(
            is_other if self.sees_others else false(),
            and_(~is_other, true() if self.sees_health else of_classes(alerts, self.classes)),
        )
        return seen if self.schools is None else and_(seen, alerts.c.school.in_(sorted(self.schools)))
