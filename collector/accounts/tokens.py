"""API tokens: how a program asks in the name of an account."""

from __future__ import annotations

from collections.abc import Iterable

from collector.accounts.model import NewToken, Token
from collector.accounts.permissions import Permission
from collector.accounts.principal import Principal


class Tokens:
    """A token may at most what its owner may at the time it is used, however old it is."""

    async def make(
        self, account_id: int, name: str, scopes: Iterable[Permission], days: int, actor: str
    ) -> NewToken:
        """days: 1 to 400. Raises NoSuchAccountError, ChangeRefusedError (no scope, one that the owner has
        not, a wrong name or number of days, too many tokens).
        """
        raise NotImplementedError

    async def of(self, account_id: int) -> list[Token]:
        """The newest first, revoked and expired ones too."""
        raise NotImplementedError

    async def revoke(self, account_id: int, token_id: int, actor: str) -> None:
        """Raises NoSuchAccountError for a token that is not this account's."""
        raise NotImplementedError

    async def principal(self, secret: str) -> Principal | None:
        """Who is behind a token; None: nobody, or nobody any more."""
        raise NotImplementedError
