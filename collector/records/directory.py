"""What the vault tells the collector: class lists, lessons, school days; and what it waits to hear."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select

from collector.records import erasure
from collector.records.tables import (
    class_lists,
    class_pseudonyms,
    lessons,
    order_reports,
    school_days,
    vault_directory,
)
from telemetry.exchange import Directory, OrderReport

REPORTS_MAX: Final = 200
REPORTS_BYTES_MAX: Final = 2 * 1024 * 1024
"""Of the reports in one question, unless a single one is larger; the others wait for the next."""

_decode_report = msgspec.msgpack.Decoder(OrderReport).decode


class Known(NamedTuple):
    """Which directory is here: its version (0: none), and when it came, ms UTC."""

    version: int = 0
    at_ms: int | None = None


class Kept(NamedTuple):
    """What was done about orders that were new."""

    erased_rows: int
    erasures: int
    exports: int


def known(connection: Connection) -> Known:
    row = connection.execute(select(vault_directory.c.version, vault_directory.c.at_ms)).first()
    return Known(row.version, row.at_ms) if row else Known()


def class_names(connection: Connection) -> dict[str, tuple[str, str]]:
    """What people call each class, in Chinese and English."""
    return {row.class_id: (row.zh, row.en) for row in connection.execute(select(class_lists))}


def waiting_reports(connection: Connection) -> list[OrderReport]:
    """Reports that the vault has not confirmed, as many as one question should carry."""
    found: list[OrderReport] = []
    size_bytes = 0
    ids = select(order_reports.c.order_id).order_by(order_reports.c.order_id).limit(REPORTS_MAX)
    for id_ in connection.scalars(ids).all():
        data = connection.scalar(select(order_reports.c.report).where(order_reports.c.order_id == id_)) or b""
        size_bytes += len(data)
        if found and size_bytes > REPORTS_BYTES_MAX:
            break
        found.append(_decode_report(data))
    return found


def keep(connection: Connection, directory: Directory, told: Sequence[OrderReport], now_ms: int) -> Kept:
    """Takes an answer over in one transaction. `told`: the reports that the question carried."""
    _replace(connection, vault_directory, [
        {"version": directory.version, "issued_ms": directory.issued_ms, "epoch": directory.epoch,
         "at_ms": now_ms},
    ])  # fmt: skip
    if directory.classes is not None:
        names = ("class_id", "zh", "en", "size")
        _replace(
            connection,
            class_lists,
            [{name: getattr(one, name) for name in names} for one in directory.classes],
        )
        members = {name: one.class_id for one in directory.classes for name in one.pseudonyms}
        _replace(
            connection,
            class_pseudonyms,
            [{"pseudonym": name, "class_id": class_id} for name, class_id in members.items()],
        )
    _replace(connection, lessons, [
        {"class_id": class_id, **msgspec.structs.asdict(lesson)}
        for class_id, some in directory.lessons.items()
        for lesson in some
    ])  # fmt: skip
    _replace(connection, school_days, [
        {"start_ms": start_ms, "end_ms": end_ms} for start_ms, end_ms in directory.school_days
    ])  # fmt: skip
    _confirm(connection, {report.order for report in told} - {order.id for order in directory.orders})
    return _execute_new(connection, directory, now_ms)


def _replace(connection: Connection, table: Table, rows: Sequence[dict[str, object]]) -> None:
    connection.execute(delete(table))
    if rows:
        connection.execute(insert(table), rows)


def _confirm(connection: Connection, orders: Collection[str]) -> None:
    for order in orders:
        connection.execute(delete(order_reports).where(order_reports.c.order_id == order))


def _execute_new(connection: Connection, directory: Directory, now_ms: int) -> Kept:
    done = set(connection.scalars(select(order_reports.c.order_id)))
    rows = erasures = exports = 0
    for order in directory.orders:
        if order.id in done:
            continue
        done.add(order.id)
        report = erasure.execute(connection, order, now_ms)
        connection.execute(
            insert(order_reports), [{"order_id": order.id, "report": msgspec.msgpack.encode(report)}]
        )
        rows += sum(report.deleted.values())
        erasures += order.kind == "erase"
        exports += order.kind == "export"
    return Kept(rows, erasures, exports)
