"""Batches of known gateways that were refused for good, kept for repair; the newest stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from collector.records import tombstones
from collector.records.letter_content import pseudonyms_in
from collector.records.tables import DEAD_LETTERS_BYTES_MAX, DEAD_LETTERS_MAX, dead_letters


@dataclass(frozen=True)
class DeadLetter:
    """One refused batch: when and from whom it came, why it was refused, and its signed envelope."""

    at_ms: int
    school: str
    gateway: str
    reason: str
    detail: str
    envelope: bytes


def add(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Adds letters and drops the oldest beyond DEAD_LETTERS_MAX or DEAD_LETTERS_BYTES_MAX. What is about
    somebody of whom nothing may be kept is not added.
    """
    if tombstones.are_there(connection):
        letters = [one for one in letters if not _is_about_erased(connection, one)]
    if not letters:
        return
    connection.execute(
        insert(dead_letters), [{**one.__dict__, "size_bytes": len(one.envelope)} for one in letters]
    )
    table = dead_letters.c
    newest_first = table.id.desc()
    kept = select(
        table.id,
        func.row_number().over(order_by=newest_first).label("number"),
        func.sum(table.size_bytes).over(order_by=newest_first).label("bytes"),
    ).subquery()
    beyond = select(func.max(kept.c.id)).where(
        (kept.c.number > DEAD_LETTERS_MAX) | (kept.c.bytes > DEAD_LETTERS_BYTES_MAX)
    )
    oldest = connection.scalar(beyond)
    if oldest is not None:
        connection.execute(delete(dead_letters).where(table.id <= oldest))


def _is_about_erased(connection: Connection, letter: DeadLetter) -> bool:
    about = pseudonyms_in(letter.envelope) or frozenset()
    return any(tombstones.find(connection, about).covers(one, letter.at_ms) for one in about)


def find(connection: Connection, limit: int) -> list[DeadLetter]:
    """Newest first."""
    columns = [dead_letters.c[name] for name in DeadLetter.__dataclass_fields__]
    query = select(*columns).order_by(dead_letters.c.id.desc()).limit(limit)
    return [DeadLetter(**row) for row in connection.execute(query).mappings()]
