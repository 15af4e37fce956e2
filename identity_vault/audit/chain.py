"""The chain: ``mac(n) = HMAC-SHA-256(audit key, mac(n - 1) + row n)``, 32 zero bytes before the first.

A row counts as the MessagePack of its number and of its columns as UTF-8, so that no two rows read
alike. Only who holds the vault's key file can add a row that fits.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from sqlalchemy import ColumnElement, Connection, LargeBinary, cast

from identity_vault.database.tables import audit
from identity_vault.keys import VaultKeys

MAC_BYTES: Final = 32
GENESIS: Final = bytes(MAC_BYTES)

_encode = msgspec.msgpack.Encoder().encode


class Audited(Protocol):
    """Whose audit it is: a vault. data_dir: where the head is kept."""

    @property
    def keys(self) -> VaultKeys: ...
    @property
    def data_dir(self) -> Path: ...
    @property
    def now_ms(self) -> Callable[[], int]: ...


class Link(NamedTuple):
    """A place in the chain: the number of a row and its MAC; 0 and `GENESIS` before the first row."""

    seq: int
    mac: bytes


START: Final = Link(0, GENESIS)


def audit_key(keys: VaultKeys) -> bytes:
    return keys.derive("audit")


def mac_of(key: bytes, before: bytes, seq: int, columns: Sequence[bytes | None]) -> bytes:
    """The MAC of a row after a row with the MAC `before`. columns: as `columns_of` gives them."""
    return hmac.digest(key, before + _encode((seq, *columns)), "sha256")


def columns_of(
    at_ms: int, actor: str, action: str, purpose: str | None, pupil: str | None, detail: str
) -> list[bytes | None]:
    """A row's content in the order of the table."""
    texts = (str(at_ms), actor, action, purpose, pupil, detail)
    return [None if text is None else text.encode() for text in texts]


def raw_columns(connection: Connection) -> list[ColumnElement[Any]]:
    """What to select so that `raw_bytes` can read it, whatever somebody wrote there.

    SQLite lets any type stand in any column, and its driver stops at a text that is not UTF-8.
    """
    columns: list[ColumnElement[Any]] = [
        audit.c.at_ms, audit.c.actor, audit.c.action, audit.c.purpose, audit.c.pupil, audit.c.detail,
        audit.c.mac,
    ]  # fmt: skip
    if connection.dialect.name == "sqlite":
        return [cast(column, LargeBinary) for column in columns]
    return columns


def raw_bytes(value: object) -> bytes | None:
    """A selected value as `columns_of` would give it."""
    if value is None or isinstance(value, bytes):
        return value
    return bytes(value) if isinstance(value, memoryview) else str(value).encode()
