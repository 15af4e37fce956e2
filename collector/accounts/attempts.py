"""What follows from a right or a wrong password or code, in the database: counts, locks, the audit."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from collector.accounts import lockout, second_factor
from collector.accounts.lockout import KnownAddresses
from collector.accounts.passwords import Checked
from collector.accounts.trail import Trail
from collector.records import accounts
from collector.records.accounts import StoredAccount

NOTED_MS: Final = 10 * 60_000
ADDRESSES_MAX: Final = 1_000


class Attempts:
    """Judges attempts and writes down what follows.

    Rows of failures have no actor, for who it was is not known. Of what could not have been right one row
    stands for an address and ten minutes, or a stranger could fill the disk; and what was typed as username
    stands nowhere, for it may have been a password.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._noted: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._known = KnownAddresses()

    def must_wait(self, account: StoredAccount, address: str, now_ms: int) -> bool:
        """Whether the account is locked for who asks from there."""
        return lockout.is_locked(account.locked_until_ms, now_ms) and not self._known.has(account.id, address)

    def failed(
        self, connection: Connection, account: StoredAccount, what: str, address: str, now_ms: int
    ) -> bool:
        """Whether the account is locked from now on."""
        self._known.failed(account.id, address)
        failures = account.failures + 1
        wait_ms = lockout.wait_ms(failures)
        accounts.change(
            connection, account.id, failures=failures, locked_until_ms=now_ms + wait_ms if wait_ms else None
        )
        self._trail.add(connection, "", "sign_in_failed", account.username, f"{what} from {address}")
        if wait_ms:
            minutes = f"{failures} failures in a row; {wait_ms // 60_000} min"
            self._trail.add(connection, "", "locked", account.username, minutes)
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

    def succeeded(self, connection: Connection, account: StoredAccount, address: str) -> StoredAccount:
        """Every factor was right."""
        self._known.succeeded(account.id, address)
        if account.failures or account.locked_until_ms is not None:
            accounts.change(connection, account.id, failures=0, locked_until_ms=None)
        return replace(account, failures=0, locked_until_ms=None)

    def after_password(
        self,
        connection: Connection,
        seen: StoredAccount | None,
        checked: Checked,
        address: str,
        now_ms: int,
    ) -> StoredAccount | None:
        """The account as it is now, if the password that was checked is still its own; None: refused.

        seen: as it was when the password was checked.
        """
        account = accounts.by_id(connection, seen.id) if seen else None
        reason = ""
        if account is None or account.password is None:
            reason = "no such account" if account is None else "no password"
        elif account.state != "active":
            reason = "disabled"
        elif self.must_wait(account, address, now_ms):
            reason = "locked"
        if account is None or reason:
            self.refused(connection, account, reason, address, now_ms)
            return None
        if not checked.right or seen is None or account.password != seen.password:
            self.failed(connection, account, "password", address, now_ms)
            return None
        if checked.anew is not None:
            accounts.change(connection, account.id, password=checked.anew)
            account = replace(account, password=checked.anew)
        return account

    def takes_code(self, connection: Connection, account: StoredAccount, code: str, now_ms: int) -> bool:
        """Whether it is the code of the app or a recovery code; either is spent then."""
        if account.totp_secret is None:
            return False
        step = second_factor.step_of(account.totp_secret, code, account.totp_step, now_ms)
        if step is not None:
            accounts.change(connection, account.id, totp_step=step)
            return True
        digest = second_factor.recovery_digest(code)
        if digest is None or not accounts.take_recovery_code(connection, account.id, digest):
            return False
        self._trail.add(connection, account.username, "recovery_code_used", account.username)
        return True
