"""What an administrator does with the accounts of others. `actor`: who does it, for the audit."""

from __future__ import annotations

from collector.accounts.model import Account, NewAccount
from collector.accounts.permissions import Role


class Staff:
    """Every method but `all` and `find` raises NoSuchAccountError. What takes rights away ends the
    account's sessions at once.
    """

    async def all(self) -> list[Account]:
        """By username, disabled ones too."""
        raise NotImplementedError

    async def find(self, username: str) -> Account | None:
        raise NotImplementedError

    async def add(self, new: NewAccount, actor: str, password: str | None = None) -> str:
        """The first password, made here unless given; it must be changed at the first signing in.

        Raises AccountExistsError, ChangeRefusedError, PasswordRefusedError, AccountsBusyError.
        """
        raise NotImplementedError

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
        """Raises ChangeRefusedError, also where no administrator would be left."""
        raise NotImplementedError

    async def disable(self, username: str, actor: str) -> None:
        """Raises ChangeRefusedError where no administrator would be left."""
        raise NotImplementedError

    async def enable(self, username: str, actor: str) -> None:
        raise NotImplementedError

    async def unlock(self, username: str, actor: str) -> None:
        """After too many wrong passwords, before the time is over."""
        raise NotImplementedError

    async def reset_password(self, username: str, actor: str, password: str | None = None) -> str:
        """The new one, as `add` does. Raises PasswordRefusedError, AccountsBusyError."""
        raise NotImplementedError

    async def reset_totp(self, username: str, actor: str) -> None:
        """Somebody lost their phone and their recovery codes."""
        raise NotImplementedError

    async def link(self, username: str, actor: str, issuer: str, subject: str) -> None:
        """Raises AccountExistsError, ChangeRefusedError for what is no issuer or subject."""
        raise NotImplementedError

    async def unlink(self, username: str, actor: str) -> None:
        raise NotImplementedError
