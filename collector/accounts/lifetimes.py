"""How long a session lives, and its life in the database."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final, cast

from sqlalchemy import Connection

from collector.accounts.errors import SessionEndedError
from collector.accounts.model import SignedIn, Step
from collector.accounts.permissions import ROLES
from collector.accounts.secret_values import digest_of, new_secret
from collector.records import accounts, sessions
from collector.records.accounts import StoredAccount
from collector.records.sessions import StoredSession

MINUTE_MS: Final = 60_000
LIFE_MS_MAX: Final = 12 * 60 * MINUTE_MS
"""Once a working day; NIST SP 800-63B asks for 12 h or less where there are two factors."""
IDLE_MS_MAX: Final[Mapping[str, int]] = {
    **dict.fromkeys(ROLES, 8 * 60 * MINUTE_MS),
    # Whoever may change accounts, 30 minutes (NIST SP 800-63B, the same section).
    "admin": 30 * MINUTE_MS,
}
UNFINISHED_MS_MAX: Final = 10 * MINUTE_MS
"""For finding the phone."""
SEEN_EVERY_MS: Final = MINUTE_MS
"""A page asks every few seconds; the database hears of it once a minute."""
SESSIONS_MAX: Final = 20
"""Of one account; the oldest ends."""


def begin(
    connection: Connection, account: StoredAccount, step: Step, now_ms: int, name: str = ""
) -> SignedIn:
    """A session under a new secret. name: of the session that it goes on from."""
    secret = new_secret()
    life_ms = LIFE_MS_MAX if step == "full" else UNFINISHED_MS_MAX
    session = StoredSession(
        digest_of(secret),
        account.id,
        name or secrets.token_urlsafe(16),
        step,
        now_ms,
        now_ms,
        now_ms + life_ms,
    )
    sessions.add(connection, session, SESSIONS_MAX)
    return SignedIn(secret, step)


def renew(
    connection: Connection, account: StoredAccount, session: StoredSession, step: Step, now_ms: int
) -> SignedIn:
    """The same at another step; the secret from before is worth nothing any more."""
    sessions.remove(connection, session.digest)
    return begin(connection, account, step, now_ms, session.name)


def is_alive(session: StoredSession, account: StoredAccount, now_ms: int) -> bool:
    idle_ms = IDLE_MS_MAX.get(account.role, MINUTE_MS)
    return account.state == "active" and now_ms < min(session.expires_ms, session.seen_ms + idle_ms)


def step_of(session: StoredSession) -> Step:
    return cast("Step", session.step)


def open_at(
    connection: Connection, secret: str, now_ms: int, *steps: Step
) -> tuple[StoredSession, StoredAccount]:
    """A session at one of these steps, or at any, and whose it is. Raises SessionEndedError."""
    session = sessions.find(connection, digest_of(secret))
    account = accounts.by_id(connection, session.account) if session else None
    if (
        session is None
        or account is None
        or not is_alive(session, account, now_ms)
        or (steps and session.step not in steps)
    ):
        raise SessionEndedError
    return session, account
