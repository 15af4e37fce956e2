"""Seals anew what is sealed, under the next generation of the key, beside a running collector.

In small transactions, so that intake does not wait: first the new generation is made, which everybody
seals under from then on, then the old values follow table by table, and when none is left the old salts
are forgotten. What was interrupted goes on when it is run again.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, LargeBinary, TableClause, bindparam, column, select, table, update

from collector.records import key_table
from collector.records.all_tables import SEALED_COLUMNS, metadata
from collector.records.database import Records
from collector.records.sealing import Keyring, generation_of

_ROWS: Final = 500
"""In one transaction."""


def rekey(records: Records, now_ms: int) -> int:
    """How many rows were sealed anew. The records were opened with the key file that counts from now on
    and, if that was replaced, with the one before.

    Raises what `Records.run` raises, and SealingError for a value that neither key file opens.
    """
    keyring = records.keyring
    records.run_now(partial(_begin, keyring=keyring, now_ms=now_ms))
    count = sum(_reseal(records, name, names) for name, names in SEALED_COLUMNS.items())
    records.run_now(lambda connection: key_table.end_others(connection, keyring))
    return count


def _begin(connection: Connection, keyring: Keyring, now_ms: int) -> None:
    key_table.load(connection, keyring)
    interrupted = key_table.count(connection) > 1 and keyring.is_current_own
    if not interrupted:
        key_table.begin(connection, keyring, now_ms)


def _reseal(records: Records, name: str, names: tuple[str, ...]) -> int:
    (key,) = metadata.tables[name].primary_key.columns.keys()
    raw = table(name, column(key), *(column(one, LargeBinary()) for one in names))
    count, last = 0, None
    while True:
        done, last = records.run_now(partial(_part, raw=raw, key=key, last=last, keyring=records.keyring))
        count += done
        if last is None:
            return count


def _part(connection: Connection, raw: TableClause, key: str, last: Any, keyring: Keyring) -> tuple[int, Any]:
    """The next rows after the key `last`: how many were changed, and the key of the last; None at the end."""
    query = select(raw).order_by(raw.c[key]).limit(_ROWS)
    rows = connection.execute(query if last is None else query.where(raw.c[key] > last)).mappings().all()
    changed = [
        {"_key": row[key]}
        | {f"_{one}": _anew(row[one], f"{raw.name}.{one}", keyring) for one in row if one != key}
        for row in rows
        if any(
            row[one] is not None and generation_of(row[one]) != keyring.current for one in row if one != key
        )
    ]
    if changed:
        names = [one.name for one in raw.c if one.name != key]
        change = update(raw).where(raw.c[key] == bindparam("_key"))
        connection.execute(change.values({one: bindparam(f"_{one}") for one in names}), changed)
    return len(changed), rows[-1][key] if rows else None


def _anew(sealed: bytes | None, about: str, keyring: Keyring) -> bytes | None:
    if sealed is None or generation_of(sealed) == keyring.current:
        return sealed
    return keyring.seal(keyring.open(sealed, about), about)
