"""Asking somebody who is signed in once more who they are, before what a stolen session must not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection

from collector.accounts.attempts import Attempts
from collector.accounts.errors import NotRecentError, SessionEndedError, SignInRefusedError
from collector.accounts.lifetimes import MINUTE_MS, open_at
from collector.accounts.model import Step
from collector.accounts.passwords import Passwords
from collector.records import Records
from collector.records.accounts import StoredAccount
from collector.records.sessions import StoredSession

RECENT_MS: Final = 10 * MINUTE_MS
"""Signing in counts for so long in the place of a password that an account has not."""

Result = TypeVar("Result")
Work = Callable[[Connection, StoredSession, StoredAccount], Result]


class OnceMore:
    """Does something for a session at one of some steps. Every wrong password counts as one at signing in."""

    def __init__(
        self, records: Records, attempts: Attempts, passwords: Passwords, now_ms: Callable[[], int]
    ) -> None:
        self._records = records
        self._attempts = attempts
        self._passwords = passwords
        self._now_ms = now_ms

    async def by_password(
        self, secret: str, password: str, address: str, work: Work[Result], *steps: Step
    ) -> Result:
        """`work` for somebody who has typed the password once more.

        Raises SignInRefusedError, AccountsBusyError, SessionEndedError.
        """
        _, seen = await self._records.look(
            lambda connection: open_at(connection, secret, self._now_ms(), *steps)
        )
        checked = await self._passwords.check(seen.password, password)

        def conclude(connection: Connection) -> Result | None:
            session, _ = open_at(connection, secret, self._now_ms(), *steps)
            account = self._attempts.after_password(connection, seen, checked, address, self._now_ms())
            return None if account is None else work(connection, session, account)

        return or_refused(await self._records.run(conclude))

    async def by_any(
        self, secret: str, password: str, address: str, work: Work[Result], *steps: Step
    ) -> Result:
        """The same; who has no password, or one for the first time only, must have signed in just now.

        Raises NotRecentError besides.
        """
        _, seen = await self._records.look(
            lambda connection: open_at(connection, secret, self._now_ms(), *steps)
        )
        if _has_password(seen):
            return await self.by_password(secret, password, address, work, *steps)

        def conclude(connection: Connection) -> Result:
            session, account = open_at(connection, secret, self._now_ms(), *steps)
            if _has_password(account):
                raise SessionEndedError
            if self._now_ms() - session.created_ms > RECENT_MS:
                raise NotRecentError
            return work(connection, session, account)

        return await self._records.run(conclude)


def _has_password(account: StoredAccount) -> bool:
    """One of their own."""
    return account.password is not None and not account.must_change


def or_refused(result: Result | None) -> Result:
    """Raised outside the transaction, which keeps the failure."""
    if result is None:
        raise SignInRefusedError
    return result
