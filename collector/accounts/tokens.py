"""API tokens: how a program asks in the name of an account."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection

from collector.accounts.conversion import principal_of, token_of
from collector.accounts.errors import ChangeRefusedError, NoSuchAccountError
from collector.accounts.model import NewToken, Token
from collector.accounts.permissions import PERMISSIONS, Permission
from collector.accounts.principal import Principal
from collector.accounts.secret_values import TOKEN_MARK, digest_of, new_secret
from collector.accounts.trail import Trail
from collector.records import Records, RecordsUnavailableError, accounts, sessions
from collector.records.accounts import StoredAccount

SCOPES: Final[tuple[Permission, ...]] = tuple(
    one for one in PERMISSIONS if one not in {"accounts.manage", "names.ask"}
)
"""A token has no second factor, so it makes no accounts; and names are for somebody in front of a page."""
DAYS_MAX: Final = 400
"""A year and a month to think of it."""
TOKENS_MAX: Final = 20
"""Of one account, that could be used."""
NAME_CHARS_MAX: Final = 64
_DAY_MS: Final = 86_400_000
_KEPT_MS: Final = 180 * _DAY_MS
"""One that is over is shown for so long."""
_USED_EVERY_MS: Final = 60_000


class Tokens:
    """A token may at most what its owner may at the time it is used, however old it is."""

    def __init__(self, records: Records, trail: Trail, now_ms: Callable[[], int]) -> None:
        self._records = records
        self._trail = trail
        self._now_ms = now_ms

    async def make(
        self, account_id: int, name: str, scopes: Iterable[Permission], days: int, actor: str
    ) -> NewToken:
        """days: 1 to 400. Raises NoSuchAccountError, ChangeRefusedError (no scope, one that the owner has
        not, a wrong name or number of days, too many tokens).
        """

        def make(connection: Connection) -> NewToken:
            account = accounts.by_id(connection, account_id)
            if account is None:
                raise NoSuchAccountError("there is no such account")
            return self.add(connection, account, name, scopes, days, actor)

        return await self._records.run(make)

    def add(
        self,
        connection: Connection,
        account: StoredAccount,
        name: str,
        scopes: Iterable[Permission],
        days: int,
        actor: str,
    ) -> NewToken:
        """`make` in the caller's transaction (`Records.run`)."""
        wanted, now_ms, secret = sorted(set(scopes)), self._now_ms(), TOKEN_MARK + new_secret()
        if not (name.strip() and name.isprintable() and len(name) <= NAME_CHARS_MAX):
            raise ChangeRefusedError(f"a token's name has 1 to {NAME_CHARS_MAX} characters")
        if not 1 <= days <= DAYS_MAX:
            raise ChangeRefusedError(f"a token is good for 1 to {DAYS_MAX} days")
        owner = principal_of(account, "token")
        allowed = [one for one in SCOPES if owner.may(one)]
        if not wanted or not set(wanted) <= set(allowed):
            raise ChangeRefusedError(f"scopes of this account's tokens: {', '.join(allowed) or 'none'}")
        sessions.forget_old_tokens(connection, account.id, now_ms - _KEPT_MS)
        if sessions.count_tokens(connection, account.id, now_ms) >= TOKENS_MAX:
            raise ChangeRefusedError(f"an account has {TOKENS_MAX} tokens at most; revoke one first")
        values = {
            "account": account.id,
            "name": name.strip(),
            "scopes": msgspec.json.encode(wanted).decode(),
            "digest": digest_of(secret),
            "created_ms": now_ms,
            "expires_ms": now_ms + days * _DAY_MS,
        }
        id_ = sessions.add_token(connection, values)
        detail = f"{id_}, {days} days: {', '.join(wanted)}"
        self._trail.add(connection, actor, "token_made", account.username, detail)
        made = next(one for one in sessions.tokens_of(connection, account.id) if one.id == id_)
        return NewToken(secret, token_of(made))

    async def of(self, account_id: int) -> list[Token]:
        """The newest first, revoked and expired ones too."""
        found = await self._records.look(lambda connection: sessions.tokens_of(connection, account_id))
        return [token_of(one) for one in found]

    async def revoke(self, account_id: int, token_id: int, actor: str) -> None:
        """Raises NoSuchAccountError for a token that is not this account's."""

        def revoke(connection: Connection) -> None:
            account = accounts.by_id(connection, account_id)
            if account is None or not sessions.revoke_token(connection, account_id, token_id, self._now_ms()):
                raise NoSuchAccountError("there is no such token")
            self._trail.add(connection, actor, "token_revoked", account.username, str(token_id))

        await self._records.run(revoke)

    async def principal(self, secret: str) -> Principal | None:
        """Who is behind a token; None: nobody, or nobody any more."""
        if not secret.startswith(TOKEN_MARK):
            return None
        digest, now_ms = digest_of(secret), self._now_ms()

        def find(connection: Connection) -> tuple[int, int | None, Principal] | None:
            token = sessions.token_by_digest(connection, digest)
            if token is None or token.revoked_ms is not None or now_ms >= token.expires_ms:
                return None
            account = accounts.by_id(connection, token.account)
            if account is None or account.state != "active":
                return None
            scopes = set(token_of(token).scopes) & set(SCOPES)
            return token.id, token.used_ms, principal_of(account, "token").narrowed(scopes)

        found = await self._records.look(find)
        if found is None:
            return None
        id_, used_ms, principal = found
        if used_ms is None or now_ms - used_ms >= _USED_EVERY_MS:
            with contextlib.suppress(RecordsUnavailableError):  # a full disk keeps nobody from reading
                await self._records.run(lambda connection: sessions.used_token(connection, id_, now_ms))
        return principal
