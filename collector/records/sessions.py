"""Sessions and API tokens of accounts, as they are stored; found by the SHA-256 of their secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from collector.records.account_tables import api_tokens, sessions


@dataclass(frozen=True)
class StoredSession:
    """One row; times are ms UTC."""

    digest: bytes
    account: int
    name: str
    step: str
    created_ms: int
    seen_ms: int
    expires_ms: int


@dataclass(frozen=True)
class StoredToken:
    """One row without its digest. scopes: a JSON list."""

    id: int
    account: int
    name: str
    scopes: str
    created_ms: int
    expires_ms: int
    used_ms: int | None
    revoked_ms: int | None


_TOKEN_COLUMNS = [column for column in api_tokens.c if column.name != "digest"]


def find(connection: Connection, digest: bytes) -> StoredSession | None:
    row = connection.execute(select(sessions).where(sessions.c.digest == digest)).mappings().one_or_none()
    return StoredSession(**row) if row else None


def add(connection: Connection, session: StoredSession, keep: int) -> None:
    """Also deletes what is over, and beyond `keep` the account's oldest ones."""
    connection.execute(delete(sessions).where(sessions.c.expires_ms <= session.created_ms))
    connection.execute(insert(sessions).values(**vars(session)))
    mine = select(sessions.c.digest).where(sessions.c.account == session.account)
    old = connection.scalars(
        mine.order_by(sessions.c.created_ms.desc(), sessions.c.digest).offset(keep)
    ).all()
    if old:
        connection.execute(delete(sessions).where(sessions.c.digest.in_(old)))


def remove(connection: Connection, digest: bytes) -> None:
    connection.execute(delete(sessions).where(sessions.c.digest == digest))


def remove_all(connection: Connection, account: int) -> None:
    connection.execute(delete(sessions).where(sessions.c.account == account))


def saw(connection: Connection, digest: bytes, at_ms: int) -> None:
    connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_ms=at_ms))


def token_by_digest(connection: Connection, digest: bytes) -> StoredToken | None:
    row = (
        connection.execute(select(*_TOKEN_COLUMNS).where(api_tokens.c.digest == digest))
        .mappings()
        .one_or_none()
    )
    return StoredToken(**row) if row else None


def tokens_of(connection: Connection, account: int) -> list[StoredToken]:
    """Newest first."""
    query = select(*_TOKEN_COLUMNS).where(api_tokens.c.account == account).order_by(api_tokens.c.id.desc())
    return [StoredToken(**row) for row in connection.execute(query).mappings()]


def count_tokens(connection: Connection, account: int, now_ms: int) -> int:
    """Those that somebody could still use."""
    query = select(func.count()).where(
        api_tokens.c.account == account, api_tokens.c.revoked_ms.is_(None), api_tokens.c.expires_ms > now_ms
    )
    return connection.scalar(query) or 0


def forget_old_tokens(connection: Connection, account: int, before_ms: int) -> None:
    """Deletes those that nobody could use since then."""
    over = (api_tokens.c.expires_ms < before_ms) | (api_tokens.c.revoked_ms < before_ms)
    connection.execute(delete(api_tokens).where(api_tokens.c.account == account, over))


def add_token(connection: Connection, values: Mapping[str, Any]) -> int:
    """Inserts a row; its id."""
    key = connection.execute(insert(api_tokens).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def used_token(connection: Connection, id_: int, at_ms: int) -> None:
    connection.execute(update(api_tokens).where(api_tokens.c.id == id_).values(used_ms=at_ms))


def revoke_tokens(connection: Connection, account: int, at_ms: int) -> list[int]:
    """Those of an account that somebody could still use; the ids of these."""
    good = (
        api_tokens.c.account == account,
        api_tokens.c.revoked_ms.is_(None),
        api_tokens.c.expires_ms > at_ms,
    )
    found = list(connection.scalars(select(api_tokens.c.id).where(*good).order_by(api_tokens.c.id)))
    connection.execute(update(api_tokens).where(*good).values(revoked_ms=at_ms))
    return found


def revoke_token(connection: Connection, account: int, id_: int, at_ms: int) -> bool:
    """Whether it is this account's; one that was revoked before stays so."""
    mine = (api_tokens.c.id == id_, api_tokens.c.account == account)
    connection.execute(
        update(api_tokens).where(*mine, api_tokens.c.revoked_ms.is_(None)).values(revoked_ms=at_ms)
    )
    return connection.scalar(select(func.count()).where(*mine)) == 1
