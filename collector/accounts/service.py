"""Who is signed in: `Accounts`, which the pages, the API and the commands work with.

Administration is `Accounts.staff`, API tokens `Accounts.tokens`, the audit `Accounts.trail`. A password is
checked outside the transaction that follows from it, so that the database waits for nobody's; the transaction
looks again whether the account is still as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from collector.accounts import lifetimes, second_factor
from collector.accounts.attempts import Attempts
from collector.accounts.conversion import account_of, next_step, principal_of
from collector.accounts.errors import CodeRefusedError, PasswordRefusedError, SessionEndedError
from collector.accounts.lifetimes import open_at
from collector.accounts.model import NewToken, Session, SignedIn, TotpDone, TotpOffer
from collector.accounts.once_more import OnceMore, or_refused
from collector.accounts.passwords import Passwords, check_new
from collector.accounts.permissions import Permission
from collector.accounts.rates import Rates, key_of_address
from collector.accounts.secret_values import digest_of
from collector.accounts.staff import Staff, as_username
from collector.accounts.tokens import Tokens
from collector.accounts.trail import Trail, derive
from collector.records import Records, RecordsUnavailableError, accounts, sessions
from collector.records.accounts import StoredAccount
from collector.records.sessions import StoredSession

BY_SERVICE: Final = "sign-in service"
"""As the audit names this way in."""

Result = TypeVar("Result")


class Accounts:
    """The accounts of one collector. `secret` is always what the session's cookie holds.

    Besides what it says, every method raises what `Records.run` raises.

    rates, passwords: others than the usual ones, for tests.
    """

    def __init__(
        self,
        records: Records,
        key: Ed25519PrivateKey,
        now_ms: Callable[[], int],
        *,
        rates: Rates | None = None,
        passwords: Passwords | None = None,
        school: str = "",
    ) -> None:
        """school: of the vault, for classes that are written without one."""
        self._records = records
        self._now_ms = now_ms
        self._offer_key = derive(key, "totp-offer")
        self._passwords = passwords or Passwords()
        self.rates = rates or Rates()
        self.trail = Trail(records, key, now_ms)
        self.staff = Staff(records, self.trail, self._passwords, now_ms, school)
        self.tokens = Tokens(records, self.trail, now_ms)
        self._attempts = Attempts(self.trail)
        self._once_more = OnceMore(records, self._attempts, self._passwords, now_ms)

    async def is_empty(self) -> bool:
        """Whether nobody has an account yet: the sign-in page says how to make the first one."""
        return await self._records.look(accounts.count) == 0

    async def sign_in(self, username: str, password: str, address: str) -> SignedIn:
        """Raises SignInRefusedError, TooManyError, AccountsBusyError."""
        self.rates.take("sign-in", key_of_address(address))
        name = as_username(username)
        seen = await self._records.look(lambda connection: accounts.by_username(connection, name))
        checked = await self._passwords.check(seen.password if seen else None, password)

        def conclude(connection: Connection) -> SignedIn | None:
            account = self._attempts.after_password(connection, seen, checked, address, self._now_ms())
            if account is None:
                return None
            return self._signed_in(connection, account, "password", address)

        return or_refused(await self._records.run(conclude))

    async def sign_in_external(self, issuer: str, subject: str, address: str) -> SignedIn:
        """Somebody whom the sign-in service vouches for and an administrator has linked. A second factor of
        the account is asked for all the same. Raises SignInRefusedError, TooManyError.
        """
        self.rates.take("sign-in", key_of_address(address))

        def conclude(connection: Connection) -> SignedIn | None:
            account = accounts.by_oidc_subject(connection, f"{issuer} {subject}")
            if account is None or account.state != "active":
                reason = "disabled" if account else "not linked"
                self._attempts.refused(connection, account, reason, address, self._now_ms())
                return None
            return self._signed_in(connection, account, BY_SERVICE, address)

        return or_refused(await self._records.run(conclude))

    async def confirm_code(self, secret: str, code: str, address: str) -> SignedIn:
        """The second factor: six digits of the app, or a recovery code. From ``password`` or ``external``.

        Raises CodeRefusedError, TooManyError, SessionEndedError (also after the fifth wrong code).
        """
        self.rates.take("code", key_of_address(address))

        def conclude(connection: Connection) -> SignedIn | Exception:
            session, account = open_at(connection, secret, self._now_ms(), "password", "external")
            now_ms = self._now_ms()
            if self._attempts.must_wait(account, address, now_ms):
                sessions.remove(connection, session.digest)
                self._attempts.refused(connection, account, "locked", address, now_ms)
                return SessionEndedError()
            if not self._attempts.takes_code(connection, account, code, now_ms):
                if not self._attempts.failed(connection, account, "code", address, now_ms):
                    return CodeRefusedError()
                sessions.remove(connection, session.digest)
                return SessionEndedError()
            account = self._attempts.succeeded(connection, account, address)
            self.trail.add(connection, account.username, "sign_in", account.username, f"code from {address}")
            step = next_step(account, code_given=True, by_service=session.step == "external")
            return lifetimes.renew(connection, account, session, step, now_ms)

        return _or_raised(await self._records.run(conclude))

    async def begin_totp(self, secret: str) -> TotpOffer:
        """For a session at ``setup``, or ``full`` without a second factor. Raises SessionEndedError."""
        session, account = await self._records.look(
            lambda connection: open_at(connection, secret, self._now_ms(), "setup", "full")
        )
        if account.totp_secret is not None:
            raise SessionEndedError
        offered = second_factor.offered_secret(self._offer_key, session.digest)
        return TotpOffer(second_factor.as_uri(offered, account.username), second_factor.as_text(offered))

    async def finish_totp(self, secret: str, code: str, password: str, address: str) -> TotpDone:
        """The first code of the app that was set up. The password is asked for at ``full`` only: at
        ``setup`` somebody has just signed in.

        Raises CodeRefusedError, SessionEndedError, and at ``full`` what `remove_totp` raises.
        """

        def finish(connection: Connection, session: StoredSession, account: StoredAccount) -> TotpDone:
            if account.totp_secret is not None:
                raise SessionEndedError
            offered, now_ms = second_factor.offered_secret(self._offer_key, session.digest), self._now_ms()
            step = second_factor.step_of(offered, code, None, now_ms)
            if step is None:
                raise CodeRefusedError
            codes = second_factor.new_recovery_codes()
            accounts.change(connection, account.id, totp_secret=offered, totp_step=step, changed_ms=now_ms)
            digests = [digest for one in codes if (digest := second_factor.recovery_digest(one))]
            accounts.set_recovery_codes(connection, account.id, digests)
            self.trail.add(connection, account.username, "totp_set", account.username)
            sessions.remove_all(connection, account.id)
            return TotpDone(lifetimes.begin(connection, account, "full", now_ms, session.name), codes)

        session, _ = await self._records.look(
            lambda connection: open_at(connection, secret, self._now_ms(), "setup", "full")
        )
        if session.step == "setup":
            return await self._records.run(
                lambda connection: finish(connection, *open_at(connection, secret, self._now_ms(), "setup"))
            )
        self.rates.take("sign-in", key_of_address(address))
        return await self._once_more.by_any(secret, password, address, finish, "full")

    async def remove_totp(self, secret: str, password: str, address: str) -> SignedIn:
        """Without a second factor from now on (or, for a role that needs one, at ``setup``).

        Raises SignInRefusedError for a wrong password, NotRecentError, TooManyError, AccountsBusyError,
        SessionEndedError.
        """

        def remove(connection: Connection, session: StoredSession, account: StoredAccount) -> SignedIn:
            now_ms = self._now_ms()
            accounts.forget_totp(connection, account.id, now_ms)
            account = replace(account, totp_secret=None, totp_step=None)
            self.trail.add(connection, account.username, "totp_removed", account.username)
            sessions.remove_all(connection, account.id)
            # At ``full`` only who came by the service has a password to change still.
            step = next_step(account, code_given=True, by_service=True)
            return lifetimes.begin(connection, account, step, now_ms, session.name)

        self.rates.take("sign-in", key_of_address(address))
        return await self._once_more.by_any(secret, password, address, remove, "full")

    async def change_password(self, secret: str, old: str, new: str, address: str) -> SignedIn:
        """At ``change`` or ``full``; every other session of the account ends.

        Raises SignInRefusedError for a wrong old one, PasswordRefusedError, TooManyError,
        AccountsBusyError, SessionEndedError.
        """
        self.rates.take("sign-in", key_of_address(address))
        _, account = await self._records.look(
            lambda connection: open_at(connection, secret, self._now_ms(), "change", "full")
        )
        check_new(new, account.username)
        if new == old:
            raise PasswordRefusedError("新密码与旧密码相同", "this is the password you have")
        hashed = await self._passwords.hash(new)

        def change(connection: Connection, session: StoredSession, account: StoredAccount) -> SignedIn:
            now_ms = self._now_ms()
            accounts.change(connection, account.id, password=hashed, must_change=False, changed_ms=now_ms)
            account = replace(account, must_change=False)
            self.trail.add(connection, account.username, "password_changed", account.username)
            sessions.remove_all(connection, account.id)
            step = next_step(account, code_given=True)
            return lifetimes.begin(connection, account, step, now_ms, session.name)

        return await self._once_more.by_password(secret, old, address, change, "change", "full")

    async def make_token(
        self, secret: str, password: str, address: str, name: str, scopes: Iterable[Permission], days: int
    ) -> NewToken:
        """A token in one's own name. Raises what `remove_totp` and `Tokens.make` raise."""

        def make(connection: Connection, _: StoredSession, account: StoredAccount) -> NewToken:
            return self.tokens.add(connection, account, name, scopes, days, account.username)

        self.rates.take("sign-in", key_of_address(address))
        return await self._once_more.by_any(secret, password, address, make, "full")

    async def session(self, secret: str, *, by_person: bool = True) -> Session | None:
        """Who is behind a cookie. None: sign in. by_person: they did something just now, which an open page
        that asks by itself does not.
        """
        if not secret:
            return None
        try:
            session, account = await self._records.look(
                lambda connection: open_at(connection, secret, self._now_ms())
            )
        except SessionEndedError:
            return None
        now_ms = self._now_ms()
        if by_person and now_ms - session.seen_ms >= lifetimes.SEEN_EVERY_MS:
            # On a full disk the session ends earlier; what is looked at is shown all the same.
            with contextlib.suppress(RecordsUnavailableError):
                await self._records.run(lambda connection: sessions.saw(connection, session.digest, now_ms))
        principal = principal_of(account, "session", session.name)
        step = lifetimes.step_of(session)
        return Session(
            account_of(account),
            step,
            principal if step == "full" else principal.narrowed(()),
            session.expires_ms,
        )

    async def sign_out(self, secret: str) -> None:
        """End this session; one that is over already is none the worse."""
        await self._end(
            secret, "sign_out", lambda connection, session: sessions.remove(connection, session.digest)
        )

    async def sign_out_all(self, secret: str) -> None:
        """End every session of this account, this one too."""
        await self._end(
            secret,
            "sign_out_all",
            lambda connection, session: sessions.remove_all(connection, session.account),
        )

    async def _end(
        self, secret: str, action: str, remove: Callable[[Connection, StoredSession], None]
    ) -> None:
        def conclude(connection: Connection) -> None:
            session = sessions.find(connection, digest_of(secret))
            account = accounts.by_id(connection, session.account) if session else None
            if session is not None and account is not None:
                remove(connection, session)
                self.trail.add(connection, account.username, action, account.username)

        await self._records.run(conclude)

    def _signed_in(self, connection: Connection, account: StoredAccount, way: str, address: str) -> SignedIn:
        step = next_step(account, code_given=False, by_service=way == BY_SERVICE)
        awaits_code = step in {"password", "external"}
        if not awaits_code:
            # Failures count on until the code is right, or a guesser of codes would begin anew each time.
            account = self._attempts.succeeded(connection, account, address)
        action = "first_factor" if awaits_code else "sign_in"
        self.trail.add(connection, account.username, action, account.username, f"{way} from {address}")
        return lifetimes.begin(connection, account, step, self._now_ms())


def _or_raised(result: Result | Exception) -> Result:
    if isinstance(result, Exception):
        raise result
    return result
