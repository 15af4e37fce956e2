"""Receipts: what was done at somebody's wish, when, and who has confirmed it. Never a name.

A receipt outlives the pupil it is about: then it has counts and times only.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, Row, select, update

from identity_vault.database import tables
from identity_vault.rights import codes
from telemetry.purposes import Purpose

Kind = Literal["export", "correction", "withdrawal", "consent", "erasure"]
SHOWN_MAX: Final = 50
"""Of one pupil, the newest first."""


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a receipt tells. counts: rows of the vault that went, by table. field: of a correction.

    collector, collector_ms: rows that went there, by table, and when it said so. gateways: when each
    confirmed, ms UTC. completed_ms: when nothing was left to do.
    """

    purpose: Purpose | None = None
    field: str | None = None
    state: str | None = None
    counts: dict[str, int] = {}
    collector: dict[str, int] = {}
    collector_ms: int | None = None
    gateways: dict[str, int] = {}
    completed_ms: int | None = None


class Receipt(msgspec.Struct, frozen=True):
    code: str
    kind: Kind
    made_ms: int
    pupil: str | None
    detail: Detail


def add(connection: Connection, kind: Kind, pupil_id: str | None, now_ms: int, detail: Detail) -> str:
    """A new receipt; returns its code."""
    code = codes.new_code()
    values = {"code": code, "kind": kind, "made_ms": now_ms, "pupil": pupil_id, "detail": _text(detail)}
    connection.execute(tables.receipts.insert().values(values))
    return code


def find(connection: Connection, code: str) -> Receipt | None:
    """The receipt with a code as `codes.read_code` returns it."""
    row = connection.execute(select(tables.receipts).where(tables.receipts.c.code == code)).one_or_none()
    return None if row is None else _receipt(row)


def of_pupil(connection: Connection, pupil_id: str) -> list[Receipt]:
    query = select(tables.receipts).where(tables.receipts.c.pupil == pupil_id)
    rows = connection.execute(query.order_by(tables.receipts.c.made_ms.desc()).limit(SHOWN_MAX))
    return [_receipt(row) for row in rows]


def amend(connection: Connection, code: str, detail: Detail) -> None:
    """Writes down what has become of it since."""
    where = tables.receipts.c.code == code
    connection.execute(update(tables.receipts).where(where).values(detail=_text(detail)))


def forget_pupil(connection: Connection, pupil_id: str) -> None:
    """The receipts stay, and no longer say whose they were."""
    where = tables.receipts.c.pupil == pupil_id
    connection.execute(update(tables.receipts).where(where).values(pupil=None))


def _text(detail: Detail) -> str:
    return msgspec.json.encode(detail).decode()


def _receipt(row: Row[tuple[object, ...]]) -> Receipt:
    detail = msgspec.json.decode(row.detail, type=Detail)
    return Receipt(row.code, row.kind, row.made_ms, row.pupil, detail)
