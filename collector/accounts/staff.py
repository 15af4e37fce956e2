"""What an administrator does with the accounts of others. `actor`: who does it, for the audit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from collector.accounts.conversion import account_of
from collector.accounts.errors import AccountExistsError, ChangeRefusedError, NoSuchAccountError
from collector.accounts.model import Account, NewAccount
from collector.accounts.passwords import Passwords, check_new, generate
from collector.accounts.permissions import Role
from collector.accounts.rights import in_words, rights_of
from collector.accounts.trail import Trail
from collector.records import Records, accounts, sessions
from collector.records.accounts import StoredAccount

ACCOUNTS_MAX: Final = 2_000
_USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_ISSUER: Final = re.compile(r"https?://[\x21-\x7e]{1,246}")
_SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,255}")

Result = TypeVar("Result")


def as_username(typed: str) -> str:
    """The username that somebody means; empty for what can be none."""
    plain = typed.strip().lower()
    return plain if _USERNAME.fullmatch(plain) else ""


class Staff:
    """Every method but `all`, `find` and `add` raises NoSuchAccountError. What takes rights away ends the
    account's sessions at once.
    """

    def __init__(
        self,
        records: Records,
        trail: Trail,
        passwords: Passwords,
        now_ms: Callable[[], int],
        school: str = "",
    ) -> None:
        """school: of the vault, if there is one; a class without a school may be its."""
        self._school = school
        self._records = records
        self._trail = trail
        self._passwords = passwords
        self._now_ms = now_ms

    async def all(self) -> list[Account]:
        """By username, disabled ones too."""
        return [account_of(one) for one in await self._records.look(accounts.find_all)]

    async def find(self, username: str) -> Account | None:
        found = await self._records.look(lambda connection: accounts.by_username(connection, username))
        return account_of(found) if found else None

    async def add(self, new: NewAccount, actor: str, password: str | None = None) -> str:
        """The first password, made here unless given; it must be changed at the first signing in.

        Raises AccountExistsError, ChangeRefusedError, PasswordRefusedError, AccountsBusyError.
        """
        if not _USERNAME.fullmatch(new.username):
            raise ChangeRefusedError(
                "a username has 1 to 64 lower-case letters, digits or . _ @ - and begins with a letter or digit"
            )
        rights = rights_of(new.display_name, new.role, new.schools, new.classes, await self.schools())
        password, hashed = await self._hashed(new.username, password)
        now_ms = self._now_ms()

        def add(connection: Connection) -> None:
            if accounts.by_username(connection, new.username):
                raise AccountExistsError(f"there is an account {new.username} already")
            if accounts.count(connection) >= ACCOUNTS_MAX:
                raise ChangeRefusedError(f"there are {ACCOUNTS_MAX} accounts, which is the most")
            values = {
                "username": new.username, "password": hashed, "state": "active", "must_change": True,
                "failures": 0, "created_ms": now_ms, "changed_ms": now_ms,
            }  # fmt: skip
            accounts.add(connection, values | rights)
            self._trail.add(connection, actor, "account_added", new.username, in_words(rights))

        await self._records.run(add)
        return password

    async def change(
        self,
        username: str,
        actor: str,
        *,
        display_name: str,
        role: Role,
        schools: tuple[str, ...] | None,
        classes: tuple[str, ...] | None,
    ) -> Account:
        """classes: as `NewAccount` has them. Raises ChangeRefusedError, also where no administrator would be
        left.
        """
        rights = rights_of(display_name, role, schools, classes, await self.schools())

        def change(connection: Connection, account: StoredAccount) -> Account:
            if role != "admin" or rights["schools"] is not None:
                _keep_an_admin(connection, account)
            self._set(connection, account, actor, "account_changed", in_words(rights), **rights)
            if any(rights[name] != getattr(account, name) for name in ("role", "schools", "classes")):
                sessions.remove_all(connection, account.id)
            changed = accounts.by_id(connection, account.id)
            assert changed is not None
            return account_of(changed)

        return await self._with(username, change)

    async def disable(self, username: str, actor: str) -> None:
        """Its tokens end for good. Raises ChangeRefusedError where no administrator would be left."""

        def disable(connection: Connection, account: StoredAccount) -> None:
            _keep_an_admin(connection, account)
            self._set(connection, account, actor, "account_disabled", state="disabled")
            self._end_all(connection, account, actor)

        await self._with(username, disable)

    async def enable(self, username: str, actor: str) -> None:
        await self._with(
            username,
            lambda connection, account: self._set(
                connection, account, actor, "account_enabled", state="active"
            ),
        )

    async def unlock(self, username: str, actor: str) -> None:
        """After too many wrong passwords, before the time is over."""
        await self._with(
            username,
            lambda connection, account: self._set(
                connection, account, actor, "account_unlocked", failures=0, locked_until_ms=None
            ),
        )

    async def reset_password(self, username: str, actor: str, password: str | None = None) -> str:
        """The new one, as `add` does. Tokens end too, for whoever had the old one may have made some.

        Raises PasswordRefusedError, AccountsBusyError.
        """
        password, hashed = await self._hashed(username, password)

        def reset(connection: Connection, account: StoredAccount) -> None:
            self._set(
                connection, account, actor, "password_reset",
                password=hashed, must_change=True, failures=0, locked_until_ms=None,
            )  # fmt: skip
            self._end_all(connection, account, actor)

        await self._with(username, reset)
        return password

    async def reset_totp(self, username: str, actor: str) -> None:
        """Somebody lost their phone and their recovery codes."""

        def reset(connection: Connection, account: StoredAccount) -> None:
            accounts.forget_totp(connection, account.id, self._now_ms())
            self._trail.add(connection, actor, "totp_reset", account.username)
            sessions.remove_all(connection, account.id)

        await self._with(username, reset)

    async def link(self, username: str, actor: str, issuer: str, subject: str, *, only: bool = False) -> None:
        """only: without a password from then on. Raises AccountExistsError where this is somebody else's,
        and ChangeRefusedError for what is no issuer or subject.
        """
        if not _ISSUER.fullmatch(issuer) or not _SUBJECT.fullmatch(subject):
            raise ChangeRefusedError("an issuer is an https:// address, a subject up to 255 ASCII characters")
        person = f"{issuer} {subject}"

        def link(connection: Connection, account: StoredAccount) -> None:
            other = accounts.by_oidc_subject(connection, person)
            if other is not None and other.id != account.id:
                raise AccountExistsError("the account of another username is linked to this person already")
            self._set(
                connection, account, actor, "oidc_linked", issuer,
                oidc_subject=person, **({"password": None} if only else {}),
            )  # fmt: skip
            sessions.remove_all(connection, account.id)

        await self._with(username, link)

    async def unlink(self, username: str, actor: str) -> None:
        """Raises ChangeRefusedError for an account that could sign in in no other way."""

        def unlink(connection: Connection, account: StoredAccount) -> None:
            if account.password is None:
                raise ChangeRefusedError(f"{username} has no password; set one first")
            self._set(connection, account, actor, "oidc_unlinked", oidc_subject=None)
            sessions.remove_all(connection, account.id)

        await self._with(username, unlink)

    def _end_all(self, connection: Connection, account: StoredAccount, actor: str) -> None:
        """Sessions and tokens."""
        sessions.remove_all(connection, account.id)
        ended = sessions.revoke_tokens(connection, account.id, self._now_ms())
        if ended:
            self._trail.add(connection, actor, "token_revoked", account.username, ", ".join(map(str, ended)))

    def _set(
        self,
        connection: Connection,
        account: StoredAccount,
        actor: str,
        action: str,
        detail: str = "",
        **values: Any,
    ) -> None:
        accounts.change(connection, account.id, changed_ms=self._now_ms(), **values)
        self._trail.add(connection, actor, action, account.username, detail)

    async def _with(self, username: str, work: Callable[[Connection, StoredAccount], Result]) -> Result:
        def find_and_work(connection: Connection) -> Result:
            account = accounts.by_username(connection, username)
            if account is None:
                raise NoSuchAccountError("there is no account of this username")
            return work(connection, account)

        return await self._records.run(find_and_work)

    async def schools(self) -> set[str]:
        """Those that are known here: of gateways and of the vault."""
        known = {one.school for one in await self._records.gateways()}
        return known | ({self._school} if self._school else set())

    async def _hashed(self, username: str, password: str | None) -> tuple[str, str]:
        if password is None:
            password = generate()
        else:
            check_new(password, username)
        return password, await self._passwords.hash(password)


def _keep_an_admin(connection: Connection, account: StoredAccount) -> None:
    manages = account.role == "admin" and account.schools is None
    if manages and not accounts.count_active(connection, "admin", but=account.id):
        raise ChangeRefusedError("nobody else could manage accounts then; make another administrator first")
