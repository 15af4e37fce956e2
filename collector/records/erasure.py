"""What the vault orders about a pupil's records: delete them everywhere, or hand them over."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select, update

from collector.records import tombstones
from collector.records.chunks import chunks
from collector.records.errors import SealingError
from collector.records.letter_content import pseudonyms_in
from collector.records.retention import STRIPPED
from collector.records.tables import RECORD_TABLES, alerts, class_pseudonyms, dead_letters
from telemetry.exchange import Order, OrderReport, record_types_of

_NOT_EXPORTED = frozenset({"id", "gateway", "stream", "generation", "sequence", "position"})


def execute(connection: Connection, order: Order, now_ms: int) -> OrderReport:
    """Does what the order says, in the caller's transaction; doing it again does no harm."""
    if order.kind == "export":
        return OrderReport(order.id, records=msgspec.msgpack.encode(_export(connection, order)))
    return OrderReport(order.id, deleted=_erase(connection, order, now_ms))


def _erase(connection: Connection, order: Order, now_ms: int) -> dict[str, int]:
    wanted = frozenset(order.pseudonyms)
    deleted = {}
    # Every table, whatever the purposes: a pseudonym belongs to one purpose anyway.
    for table in RECORD_TABLES.values():
        count = 0
        for some in chunks(wanted):
            count += connection.execute(delete(table).where(table.c.pseudonym.in_(some))).rowcount
        deleted[table.name] = count
    stripped = 0
    for some in chunks(wanted):
        stripped += connection.execute(
            update(alerts).where(alerts.c.pseudonym.in_(some)).values(**STRIPPED)
        ).rowcount
        connection.execute(delete(class_pseudonyms).where(class_pseudonyms.c.pseudonym.in_(some)))
    deleted["alerts"] = stripped
    deleted["dead_letters"] = _delete_letters(connection, wanted)
    tombstones.add(connection, wanted, now_ms, for_ever=not order.purposes)
    return deleted


def _delete_letters(connection: Connection, pseudonyms: frozenset[str]) -> int:
    """Deletes the dead letters that hold one of these, or that nobody can read."""
    ids = list(connection.scalars(select(dead_letters.c.id)))
    found = []
    for id_ in ids:  # one by one: together they may be as large as the memory
        try:
            envelope = connection.scalar(select(dead_letters.c.envelope).where(dead_letters.c.id == id_))
        except SealingError:
            envelope = b""
        about = frozenset() if envelope is None else pseudonyms_in(envelope)
        if about is None or about & pseudonyms:
            found.append(id_)
    for some in chunks(found):
        connection.execute(delete(dead_letters).where(dead_letters.c.id.in_(some)))
    return len(found)


def _export(connection: Connection, order: Order) -> dict[str, list[dict[str, Any]]]:
    """The kept records by type, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in record_types_of(order.purposes):
        table = RECORD_TABLES[name]
        columns = [column for column in table.c if column.name not in _NOT_EXPORTED]
        rows = [
            dict(row)
            for some in chunks(order.pseudonyms)
            for row in connection.execute(select(*columns).where(table.c.pseudonym.in_(some))).mappings()
        ]
        found[name] = sorted(rows, key=lambda row: row["time_ms"])
    return found
