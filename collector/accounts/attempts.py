"""What follows from a right or a wrong password or code, in the database: counts, locks, the audit."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from collector.accounts import lockout
from collector.accounts.trail import Trail
from collector.records import accounts
from collector.records.accounts import StoredAccount

NOTED_MS: Final = 10 * 60_000
ADDRESSES_MAX: Final = 1_000


class Attempts:
    """What nobody who is known tried is noted once for an address and ten minutes, or a stranger could fill
    the disk; and never what was typed as username, which may have been a password.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._noted: OrderedDict[tuple[str, str], int] = OrderedDict()

    def failed(
        self, connection: Connection, account: StoredAccount, what: str, address: str, now_ms: int
    ) -> bool:
        """Whether the account is locked from now on."""
        failures = account.failures + 1
        wait_ms = lockout.wait_ms(failures)
        accounts.change(
            connection, account.id, failures=failures, locked_until_ms=now_ms + wait_ms if wait_ms else None
        )
        self._trail.add(
            connection, account.username, "sign_in_failed", account.username, f"{what} from {address}"
        )
        if wait_ms:
            minutes = f"{failures} failures in a row; {wait_ms // 60_000} min"
            self._trail.add(connection, account.username, "locked", account.username, minutes)
        return wait_ms > 0

    def refused(
        self, connection: Connection, account: StoredAccount | None, reason: str, address: str, now_ms: int
    ) -> None:
        """Somebody who could not have been right: unknown, disabled, locked."""
        subject = account.username if account else ""
        key = (address, subject)
        if now_ms - self._noted.get(key, -NOTED_MS) < NOTED_MS:
            return
        self._noted.pop(key, None)
        self._noted[key] = now_ms
        if len(self._noted) > ADDRESSES_MAX:
            self._noted.popitem(last=False)
        self._trail.add(connection, "", "sign_in_refused", subject, f"{reason} from {address}")

    def succeeded(self, connection: Connection, account: StoredAccount) -> StoredAccount:
        """Every factor was right."""
        if account.failures or account.locked_until_ms is not None:
            accounts.change(connection, account.id, failures=0, locked_until_ms=None)
        return replace(account, failures=0, locked_until_ms=None)
