"""Rows of certain classes, as a condition of a query."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Table, and_, false, or_

from collector.classes import SchoolClass, by_school


def of_classes(table: Table, classes: Iterable[SchoolClass]) -> ColumnElement[bool]:
    """For a table with the columns `school` and `class_id`; no class: no row."""
    return or_(
        false(),
        *(
            and_(table.c.school == school, table.c.class_id.in_(codes))
            for school, codes in by_school(classes).items()
        ),
    )
