"""Reads the chain from its first row to its head and says where it was tampered with."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from identity_vault.audit.chain import START, Audited, Link, audit_key, mac_of, raw_bytes, raw_columns
from identity_vault.audit.head import HeadLostError, read_head
from identity_vault.audit.trail import HEAD_LOST, PRUNE
from identity_vault.database.tables import audit

PROBLEMS_MAX: Final = 1_000
"""A table that fits nowhere needs no million lines."""
_ROWS_AT_ONCE: Final = 2_000
_NOTE: Final = re.compile(r"([0-9]{1,18})-[0-9a-f]{8}")
_NOTE_BYTES: Final = 4
"""Short enough for paper; nobody without the key can try them through."""

Kind = Literal["changed", "missing", "unanchored", "cut", "head"]
_WORDS: Final[dict[Kind, str]] = {
    "changed": "does not fit the chain: it was changed, moved or put in, or the row before it was",
    "missing": "removed",
    "unanchored": "cannot be checked, for the row before it is gone",
    "cut": "cut off the end",
    "head": "written when the head file was gone; rows cut off before it would not be missed",
}


class _Pruned(msgspec.Struct, frozen=True):
    through: int
    mac: str


class Problem(NamedTuple):
    """What is wrong with the rows `first` to `last`. Row 0 stands for the head file itself."""

    kind: Kind
    first: int
    last: int

    def __str__(self) -> str:
        if self.kind == "head" and not self.first:
            return "audit.head is missing or damaged: rows cut off the end would not be missed"
        if self.first == self.last:
            return f"row {self.first}: {_WORDS[self.kind]}"
        return f"rows {self.first} to {self.last}: {_WORDS[self.kind]}"


def verify(vault: Audited, connection: Connection) -> list[Problem]:
    """Everything that is wrong with the audit, by row, `PROBLEMS_MAX` at most; empty when it is whole.

    Rows are streamed. Rows after the head that fit are a crash's, not a forger's (`audit.head`). In a
    `read`, the first thing: what it sees must not be older than the head.
    """
    key = audit_key(vault.keys)
    problems: list[Problem] = []
    head: Link | None = None
    try:
        # Before the table: what is written meanwhile may be after it.
        head = read_head(vault.data_dir, key)
    except HeadLostError:
        problems.append(Problem("head", 0, 0))
    last: Link | None = None
    query = select(audit.c.seq, *raw_columns(connection)).order_by(audit.c.seq)
    with connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)) as result:
        for seq, *values in result:
            *columns, found = map(raw_bytes, values)
            if seq < 1:
                problems.append(Problem("changed", seq, seq))
                continue
            last = last or _anchor(connection, seq - 1)
            if last.seq != seq - 1:
                problems += [Problem("missing", last.seq + 1, seq - 1), Problem("unanchored", seq, seq)]
            elif found != mac_of(key, last.mac, seq, columns) or (
                head is not None and seq == head.seq and found != head.mac
            ):
                problems.append(Problem("changed", seq, seq))
            elif columns[2] == HEAD_LOST.encode():
                problems.append(Problem("head", seq, seq))
            last = Link(seq, found or b"")
            if len(problems) >= PROBLEMS_MAX:
                return problems
    end = last.seq if last is not None else 0
    if head is not None and end < head.seq:
        problems.append(Problem("cut", end + 1, head.seq))
    return problems


def note_of(connection: Connection) -> str:
    """The last row and the beginning of its MAC, to be written down outside this machine: who puts back
    an older state of database and head file together cannot put back what stands on paper.
    """
    mac = raw_columns(connection)[-1]
    last = connection.execute(select(audit.c.seq, mac).order_by(audit.c.seq.desc()).limit(1)).first()
    return "" if last is None else _note(Link(last[0], raw_bytes(last[1]) or b""))


def has_noted(connection: Connection, note: str) -> bool:
    """Whether the row that somebody noted stands there as it was, or was pruned since.

    Raises ValueError for what is no note.
    """
    found = _NOTE.fullmatch(note.strip().lower())
    if found is None:
        raise ValueError("a note is a row's number and 8 digits, such as 612-3f2a91bc")
    seq = int(found[1])
    first = connection.scalar(select(func.min(audit.c.seq))) or 0
    if seq < first:
        return _anchor(connection, first - 1).seq == first - 1
    mac = connection.execute(select(raw_columns(connection)[-1]).where(audit.c.seq == seq)).first()
    return mac is not None and found[0] == _note(Link(seq, raw_bytes(mac[0]) or b""))


def _note(link: Link) -> str:
    return f"{link.seq}-{link.mac[:_NOTE_BYTES].hex()}"


def _anchor(connection: Connection, seq: int) -> Link:
    """What the first row there is follows: the last pruned row, or the chain's start.

    The row of a pruning has number and MAC of the last row removed; it is in the chain itself.
    """
    rows = connection.execute(
        select(raw_columns(connection)[5]).where(audit.c.action == PRUNE).order_by(audit.c.seq.desc())
    )
    for (detail,) in rows:
        try:
            pruned = msgspec.json.decode(raw_bytes(detail) or b"", type=_Pruned)
            if pruned.through <= seq:
                return Link(pruned.through, bytes.fromhex(pruned.mac))
        except (ValueError, RecursionError):
            continue  # changed, which the chain tells
    return START
