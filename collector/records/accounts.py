"""Accounts and their recovery codes, as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from collector.classes import SchoolClass
from collector.records.account_tables import accounts, recovery_codes

_LISTS: Final = ("schools", "classes")


@dataclass(frozen=True)
class StoredAccount:
    """One row. schools, classes: None: all."""

    id: int
    username: str
    display_name: str
    role: str
    schools: tuple[str, ...] | None
    classes: tuple[SchoolClass, ...] | None
    password: str | None = field(repr=False)
    totp_secret: bytes | None = field(repr=False)
    totp_step: int | None
    oidc_subject: str | None
    state: str
    must_change: bool
    failures: int
    locked_until_ms: int | None
    created_ms: int
    changed_ms: int


def find_all(connection: Connection) -> list[StoredAccount]:
    """By username."""
    rows = connection.execute(select(accounts).order_by(accounts.c.username)).mappings()
    return [_stored(row) for row in rows]


def by_id(connection: Connection, id_: int) -> StoredAccount | None:
    return _one(connection, accounts.c.id == id_)


def by_username(connection: Connection, username: str) -> StoredAccount | None:
    return _one(connection, accounts.c.username == username)


def by_oidc_subject(connection: Connection, oidc_subject: str) -> StoredAccount | None:
    return _one(connection, accounts.c.oidc_subject == oidc_subject)


def count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(accounts)) or 0


def count_active(connection: Connection, role: str, *, but: int) -> int:
    """Active accounts of a role that see all schools, apart from one."""
    query = select(func.count()).where(
        accounts.c.role == role,
        accounts.c.schools.is_(None),
        accounts.c.state == "active",
        accounts.c.id != but,
    )
    return connection.scalar(query) or 0


def add(connection: Connection, values: Mapping[str, Any]) -> int:
    """Inserts a row; its id."""
    key = connection.execute(insert(accounts).values(**_packed(values))).inserted_primary_key
    assert key is not None
    return int(key[0])


def change(connection: Connection, id_: int, **values: Any) -> None:
    connection.execute(update(accounts).where(accounts.c.id == id_).values(**_packed(values)))


def forget_totp(connection: Connection, id_: int, now_ms: int) -> None:
    """The second factor and what stands in its place."""
    change(connection, id_, totp_secret=None, totp_step=None, changed_ms=now_ms)
    set_recovery_codes(connection, id_, ())


def set_recovery_codes(connection: Connection, account: int, digests: Iterable[bytes]) -> None:
    """These and no others."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.account == account))
    rows = [{"digest": digest, "account": account} for digest in digests]
    if rows:
        connection.execute(insert(recovery_codes), rows)


def take_recovery_code(connection: Connection, account: int, digest: bytes) -> bool:
    """Whether the account had this one; it has it no more."""
    done = connection.execute(
        delete(recovery_codes).where(recovery_codes.c.account == account, recovery_codes.c.digest == digest)
    )
    return done.rowcount == 1


def _one(connection: Connection, where: ColumnElement[bool]) -> StoredAccount | None:
    row = connection.execute(select(accounts).where(where)).mappings().one_or_none()
    return _stored(row) if row else None


def _stored(row: RowMapping) -> StoredAccount:
    lists: dict[str, Any] = {
        name: None if row[name] is None else msgspec.json.decode(row[name], type=tuple[str, ...])
        for name in _LISTS
    }
    if lists["classes"] is not None:
        lists["classes"] = tuple(map(SchoolClass.parse, lists["classes"]))
    return StoredAccount(**{**dict(row), **lists})


def _packed(values: Mapping[str, Any]) -> dict[str, Any]:
    lists = {
        name: None if values[name] is None else msgspec.json.encode(list(map(str, values[name]))).decode()
        for name in _LISTS
        if name in values
    }
    return {**values, **lists}
