"""Orders: what collector and gateways have to do about a pupil's records, until all have done it.

An erasure goes to the collector (in its directory) and to every gateway (`MapUpdate.erased`); an export
to the collector alone. The pseudonyms, which lead to the records, rest sealed in the order and are
forgotten when it is closed.

Told over again, a report changes nothing: a collector that lost its answer reports once more.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select, update

from identity_vault import roster
from identity_vault.audit import record
from identity_vault.database import tables
from identity_vault.fields import FieldError
from identity_vault.rights import receipts
from identity_vault.vault import Vault
from telemetry.exchange import Order, OrderReport
from telemetry.purposes import PURPOSE_NAMES, Purpose

OPEN_ORDERS_MAX: Final = 40_000
"""A large school whose every family withdraws every consent; their pseudonyms fit one answer."""
ORDERS_PER_ANSWER: Final = 1_000
"""The oldest first; the collector has the next ones when these are done."""
EXPORTS_KEPT_MS: Final = 7 * 86_400_000
"""How long what the collector handed over for an export may be fetched."""
EXPORT_UNANSWERED_MS: Final = 30 * 86_400_000
RECORDS_BYTES_MAX: Final = 4 * 1024 * 1024
_TOO_LARGE: Final = b"\xc1"
"""No msgpack begins so: what stands here is told to be unreadable, not empty."""
TABLES_MAX: Final = 32
COUNT_MAX: Final = 2**53 - 1
_TABLE_NAME: Final = re.compile(r"[a-z][a-z_]{0,39}")


class OrdersFullError(Exception):
    """So many orders are open that another could not be told to every gateway."""


class Answer(msgspec.Struct, frozen=True):
    """Where an export stands. `records`: msgpack of the records by type, None while nothing has come."""

    done_ms: int | None
    records: bytes | None


def make_erasure(vault: Vault, connection: Connection, pupil_id: str, receipt: str) -> str:
    """Deletion of everything about a pupil; to be made before the pupil goes. Returns the order's id.

    Raises OrdersFullError.
    """
    _forget_exports(connection, pupil_id, vault.now_ms())
    pseudonyms = _pseudonyms(vault, connection, pupil_id, PURPOSE_NAMES)
    version = roster.bump(connection)
    return _make(vault, connection, Order(secrets.token_hex(8), "erase", pseudonyms), receipt, version)


def make_purpose_erasure(
    vault: Vault, connection: Connection, pupil_id: str, purpose: Purpose, receipt: str
) -> str:
    """Deletion of the records of one purpose, whose consent was withdrawn. Raises OrdersFullError."""
    _forget_exports(connection, pupil_id, vault.now_ms())
    pseudonyms = _pseudonyms(vault, connection, pupil_id, (purpose,))
    order = Order(secrets.token_hex(8), "erase", pseudonyms, [purpose])
    return _make(vault, connection, order, receipt, roster.bump(connection))


def make_export(vault: Vault, connection: Connection, pupil_id: str, receipt: str) -> str:
    """The collector's records of a pupil, for those who may have a copy. Raises OrdersFullError."""
    pseudonyms = _pseudonyms(vault, connection, pupil_id, PURPOSE_NAMES)
    return _make(vault, connection, Order(secrets.token_hex(8), "export", pseudonyms), receipt, 0)


def open_orders(vault: Vault, connection: Connection) -> list[Order]:
    """What the collector has still to do, the oldest first, `ORDERS_PER_ANSWER` at most."""
    table = tables.orders
    query = select(table).where(table.c.closed_ms.is_(None), table.c.collector_done_ms.is_(None))
    rows = connection.execute(query.order_by(table.c.made_ms, table.c.id).limit(ORDERS_PER_ANSWER))
    return [_open(vault, row.id, row.sealed) for row in rows]


def erased_pseudonyms(vault: Vault, connection: Connection) -> list[str]:
    """What gateways may keep nothing of: the pseudonyms of all erasures that are not closed.

    Left out is a purpose that was agreed to again meanwhile: its pseudonyms are in use, and a gateway
    would take out what it has just been allowed to collect. The collector deletes what was before.
    """
    table = tables.orders
    query = select(table.c.id, table.c.sealed, tables.receipts.c.pupil).outerjoin(
        tables.receipts, tables.receipts.c.code == table.c.receipt
    )
    rows = connection.execute(query.where(table.c.kind == "erase", table.c.closed_ms.is_(None))).all()
    permits = _permits(vault, connection, {row.pupil for row in rows if row.pupil is not None})
    found: set[str] = set()
    for row in rows:
        order = _open(vault, row.id, row.sealed)
        if not any(purpose in permits.get(row.pupil, ()) for purpose in order.purposes):
            found.update(order.pseudonyms)
    return sorted(found)


def finish(vault: Vault, connection: Connection, report: OrderReport) -> None:
    """Takes down what the collector has done. A report on no open order, or the same again: nothing."""
    table = tables.orders
    query = select(table).where(table.c.id == report.order, table.c.collector_done_ms.is_(None))
    row = connection.execute(query.where(table.c.closed_ms.is_(None))).one_or_none()
    if row is None:
        return
    now_ms, deleted = vault.now_ms(), _bounded(report.deleted)
    fits = len(report.records) <= RECORDS_BYTES_MAX
    records = (report.records if fits else _TOO_LARGE) if row.kind == "export" else b""
    kept = OrderReport(report.order, deleted, records)
    sealed = vault.fields.seal(kept, _about_report(report.order))
    _set(connection, report.order, collector_done_ms=now_ms, sealed_report=sealed)
    receipt = receipts.find(connection, row.receipt)
    if receipt is not None:
        detail = msgspec.structs.replace(receipt.detail, collector=deleted, collector_ms=now_ms)
        receipts.amend(connection, row.receipt, detail)
    record(
        vault,
        connection,
        actor="collector",
        action=f"order_{row.kind}",
        pupil=None if receipt is None else receipt.pupil,
        order=report.order,
        rows=sum(deleted.values()),
        complete=int(fits),
    )
    close_finished(vault, connection)


def close_finished(vault: Vault, connection: Connection) -> None:
    """Closes erasures that collector and every active gateway have confirmed, and exports that were
    kept long enough. Call it whenever a gateway has confirmed a version.
    """
    table, now_ms = tables.orders, vault.now_ms()
    active = connection.execute(
        select(tables.gateways.c.id, tables.gateways.c.confirmed_version, tables.gateways.c.confirmed_ms)
        .where(tables.gateways.c.state == "active")
        .order_by(tables.gateways.c.id)
    ).all()
    lowest = min((gateway.confirmed_version for gateway in active), default=None)
    erasures = select(table.c.id, table.c.receipt).where(
        table.c.kind == "erase", table.c.closed_ms.is_(None), table.c.collector_done_ms.is_not(None)
    )
    if lowest is not None:
        erasures = erasures.where(table.c.map_version <= lowest)
    for row in connection.execute(erasures).all():
        _close(connection, row.id, now_ms)
        receipt = receipts.find(connection, row.receipt)
        if receipt is not None:
            told = {one.id: one.confirmed_ms or now_ms for one in active}
            detail = msgspec.structs.replace(receipt.detail, gateways=told, completed_ms=now_ms)
            receipts.amend(connection, row.receipt, detail)
    old_exports = (
        select(table.c.id)
        .where(table.c.kind == "export", table.c.closed_ms.is_(None))
        .where(
            (table.c.collector_done_ms <= now_ms - EXPORTS_KEPT_MS)
            | (table.c.made_ms <= now_ms - EXPORT_UNANSWERED_MS)
        )
    )
    for row in connection.execute(old_exports).all():
        _close(connection, row.id, now_ms)


def answer(vault: Vault, connection: Connection, order_id: str) -> Answer:
    """What the collector has handed over for an export."""
    table = tables.orders
    query = select(table.c.collector_done_ms, table.c.sealed_report).where(table.c.id == order_id)
    row = connection.execute(query).one_or_none()
    if row is None or row.sealed_report is None:
        return Answer(None if row is None else row.collector_done_ms, None)
    report = vault.fields.open(row.sealed_report, _about_report(order_id), OrderReport)
    return Answer(row.collector_done_ms, report.records)


def export_of(connection: Connection, pupil_id: str) -> tuple[str, str, int] | None:
    """The newest export of a pupil that is not closed: order, receipt, when it was made (ms UTC)."""
    table = tables.orders
    row = connection.execute(
        select(table.c.id, table.c.receipt, table.c.made_ms)
        .join(tables.receipts, tables.receipts.c.code == table.c.receipt)
        .where(tables.receipts.c.pupil == pupil_id, table.c.kind == "export", table.c.closed_ms.is_(None))
        .order_by(table.c.made_ms.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.id, row.receipt, row.made_ms)


def _make(vault: Vault, connection: Connection, order: Order, receipt: str, version: int) -> str:
    table = tables.orders
    count = connection.scalar(select(func.count()).select_from(table).where(table.c.closed_ms.is_(None)))
    if count is not None and count >= OPEN_ORDERS_MAX:
        raise OrdersFullError(
            f"{count} orders are not confirmed yet; revoke gateways that will never answer again, and see"
            " whether the collector reaches the vault"
        )
    values = {
        "id": order.id, "kind": order.kind, "receipt": receipt, "made_ms": vault.now_ms(),
        "map_version": version, "sealed": vault.fields.seal(order, _about(order.id)),
    }  # fmt: skip
    connection.execute(table.insert().values(values))
    return order.id


def _pseudonyms(
    vault: Vault, connection: Connection, pupil_id: str, purposes: tuple[Purpose, ...]
) -> list[str]:
    """Of every epoch whose pseudonyms may still stand somewhere, those of kept cases included."""
    found = {
        vault.pseudonyms.make(purpose, epoch, pupil_id)
        for epoch in roster.open_epochs(connection)
        for purpose in purposes
    }
    kept = tables.kept_cases
    query = select(kept.c.pseudonym).where(kept.c.pupil == pupil_id, kept.c.purpose.in_(purposes))
    return sorted(found.union(connection.scalars(query)))


def _permits(
    vault: Vault, connection: Connection, pupil_ids: set[str]
) -> dict[str, dict[Purpose, int | None]]:
    if not pupil_ids:
        return {}
    pupils: list[roster.Pupil] = []
    for one in sorted(pupil_ids):
        # A damaged pupil is on no map, and permits nothing.
        with contextlib.suppress(FieldError):
            found = roster.get_pupil(vault, connection, one)
            pupils += [] if found is None else [found]
    consents = roster.consents_of(connection, sorted(pupil_ids))
    return roster.effective(pupils, consents, vault.now_ms(), vault.config.zone)


def _forget_exports(connection: Connection, pupil_id: str, now_ms: int) -> None:
    """No copy of what is to be deleted lies ready; it can be asked for anew."""
    while (found := export_of(connection, pupil_id)) is not None:
        _close(connection, found[0], now_ms)


def _open(vault: Vault, order_id: str, sealed: bytes) -> Order:
    found: Order = vault.fields.open(sealed, _about(order_id), Order)
    return found


def _close(connection: Connection, order_id: str, now_ms: int) -> None:
    _set(connection, order_id, closed_ms=now_ms, sealed=b"", sealed_report=None)


def _set(connection: Connection, order_id: str, **values: object) -> None:
    connection.execute(update(tables.orders).where(tables.orders.c.id == order_id).values(**values))


def _bounded(deleted: dict[str, int]) -> dict[str, int]:
    sound = (
        (name, count)
        for name, count in deleted.items()
        if _TABLE_NAME.fullmatch(name) and 0 <= count <= COUNT_MAX
    )
    return dict(sorted(sound)[:TABLES_MAX])


def _about(order_id: str) -> str:
    return f"orders.sealed/{order_id}"


def _about_report(order_id: str) -> str:
    return f"orders.sealed_report/{order_id}"
