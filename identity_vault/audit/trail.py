"""Writes rows of the audit."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import structlog
from sqlalchemy import Connection, insert, select

from identity_vault.audit.chain import (
    START,
    Audited,
    Link,
    audit_key,
    columns_of,
    mac_of,
    raw_bytes,
    raw_columns,
)
from identity_vault.audit.head import HeadLostError, move_head, read_head
from identity_vault.database.tables import audit
from telemetry.purposes import Purpose

Detail = int | str | list[str]

ACTOR_CHARS_MAX: Final = 80
ACTION_CHARS_MAX: Final = 32
HEAD_LOST: Final = "audit_head_lost"
"""Stands in the chain where the head file was gone: a cut before it could not be noticed."""
PRUNE: Final = "audit_prune"
"""Stands in the chain for the rows that were removed because they were old enough."""

_ends: Final[WeakKeyDictionary[Connection, Link]] = WeakKeyDictionary()
"""The last row of each transaction that is under way. No savepoint may be rolled back after a row."""
_log = structlog.get_logger(__name__)
_encode_detail = msgspec.json.Encoder(order="deterministic").encode


class Entry(NamedTuple):
    """One row to be written.

    actor: "session:…", "gateway:…", "guardian:…", "collector" or `operator()`. action: one
    word. pupil: an internal id. detail: counts, roles, ids of grants; never what names a person.
    """

    actor: str
    action: str
    purpose: Purpose | None = None
    pupil: str | None = None
    detail: Mapping[str, Detail] = {}


def record(
    vault: Audited,
    connection: Connection,
    *,
    actor: str,
    action: str,
    purpose: Purpose | None = None,
    pupil: str | None = None,
    **detail: Detail,
) -> None:
    """One row, in the caller's transaction (`vault.begin`)."""
    record_many(vault, connection, (Entry(actor, action, purpose, pupil, detail),))


def record_many(vault: Audited, connection: Connection, entries: Iterable[Entry]) -> None:
    """Rows in this order with one statement, in the caller's transaction (`vault.begin`).

    Where rows were cut off the end, the chain goes on from its head and leaves the gap to be found.
    """
    key, wanted = audit_key(vault.keys), list(entries)
    if not wanted:
        return
    link = _end(connection)
    try:
        head = read_head(vault.data_dir, key)
    except HeadLostError as error:
        wanted.insert(0, Entry("vault", HEAD_LOST, detail={"reason": error.reason}))
        _move(vault, link)
    else:
        link = head if head.seq > link.seq else link
    rows: list[dict[str, Any]] = []
    at_ms = vault.now_ms()
    for entry in wanted:
        row = _row(at_ms, entry)
        link = Link(link.seq + 1, mac_of(key, link.mac, link.seq + 1, columns_of(**row)))
        rows.append({"seq": link.seq, "mac": link.mac, **row})
    connection.execute(insert(audit), rows)
    _ends[connection] = link


def operator() -> str:
    """The actor of a command: the operating-system user who runs it."""
    try:
        return f"command:{getpass.getuser()}"
    except (OSError, KeyError):  # a user without a name, as in a container
        return f"command:uid {os.getuid()}"


def begin_head(vault: Audited) -> None:
    """Called when a vault is made: from then on no head file is a lost one, also where no row is left."""
    _move(vault, START)


def keep_head(vault: Audited, connection: Connection) -> None:
    """Called by `Vault.begin` when a transaction was committed: the head follows.

    A head that cannot be written is logged and does not undo what is done; it is only behind then.
    """
    link = _ends.pop(connection, None)
    if link is not None:
        _move(vault, link)


def _move(vault: Audited, link: Link) -> None:
    try:
        move_head(vault.data_dir, audit_key(vault.keys), link)
    except OSError as error:
        _log.error("audit.head_not_written", seq=link.seq, cause=error.strerror)


def _end(connection: Connection) -> Link:
    mac = raw_columns(connection)[-1]
    last = connection.execute(select(audit.c.seq, mac).order_by(audit.c.seq.desc()).limit(1)).first()
    return START if last is None else Link(last[0], raw_bytes(last[1]) or b"")


def _row(at_ms: int, entry: Entry) -> dict[str, Any]:
    if not 0 < len(entry.action) <= ACTION_CHARS_MAX:
        raise ValueError(f"an action has 1 to {ACTION_CHARS_MAX} characters")
    # Sessions come out of tokens: PostgreSQL takes no NUL, and a list should stay one line a row.
    actor = "".join(letter if letter.isprintable() else "?" for letter in entry.actor)
    return {
        "at_ms": at_ms,
        "actor": actor[:ACTOR_CHARS_MAX],
        "action": entry.action,
        "purpose": entry.purpose,
        "pupil": entry.pupil,
        "detail": _encode_detail(dict(entry.detail)).decode(),
    }
