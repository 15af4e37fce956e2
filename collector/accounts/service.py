"""Who is signed in: `Accounts`, which the pages, the API and the commands work with.

Administration is `Accounts.staff`, API tokens `Accounts.tokens`, the audit `Accounts.trail`.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.accounts.model import Session, SignedIn, TotpDone, TotpOffer
from collector.accounts.staff import Staff
from collector.accounts.tokens import Tokens
from collector.accounts.trail import Trail
from collector.records import Records


class Accounts:
    """The accounts of one collector. `secret` is always what the session's cookie holds.

    Besides what it says, every method raises what `Records.run` raises.
    """

    staff: Staff
    tokens: Tokens
    trail: Trail

    def __init__(self, records: Records, key: Ed25519PrivateKey, now_ms: Callable[[], int]) -> None:
        raise NotImplementedError

    async def is_empty(self) -> bool:
        """Whether nobody has an account yet: the sign-in page says how to make the first one."""
        raise NotImplementedError

    async def sign_in(self, username: str, password: str, address: str) -> SignedIn:
        """Raises SignInRefusedError, TooManyError, AccountsBusyError."""
        raise NotImplementedError

    async def sign_in_external(self, issuer: str, subject: str, address: str) -> SignedIn:
        """Somebody whom the sign-in service vouches for and an administrator has linked. A second factor of
        the account is asked for all the same. Raises SignInRefusedError, TooManyError.
        """
        raise NotImplementedError

    async def confirm_code(self, secret: str, code: str, address: str) -> SignedIn:
        """The second factor: six digits of the app, or a recovery code. From step ``password``.

        Raises CodeRefusedError, TooManyError, SessionEndedError (also after the fifth wrong code).
        """
        raise NotImplementedError

    async def begin_totp(self, secret: str) -> TotpOffer:
        """For a session at ``setup``, or ``full`` without a second factor. Raises SessionEndedError."""
        raise NotImplementedError

    async def finish_totp(self, secret: str, code: str) -> TotpDone:
        """The first code of the app that was set up. Raises CodeRefusedError, TooManyError,
        SessionEndedError.
        """
        raise NotImplementedError

    async def remove_totp(self, secret: str, password: str, address: str) -> SignedIn:
        """Without a second factor from now on (or, for a role that needs one, at ``setup``).

        Raises SignInRefusedError for a wrong password, TooManyError, AccountsBusyError, SessionEndedError.
        """
        raise NotImplementedError

    async def change_password(self, secret: str, old: str, new: str, address: str) -> SignedIn:
        """At ``change`` or ``full``; every other session of the account ends.

        Raises SignInRefusedError for a wrong old one, PasswordRefusedError, TooManyError,
        AccountsBusyError, SessionEndedError.
        """
        raise NotImplementedError

    async def session(self, secret: str) -> Session | None:
        """Who is behind a cookie, and that they were seen. None: sign in."""
        raise NotImplementedError

    async def sign_out(self, secret: str) -> None:
        """End this session; one that is over already is none the worse."""
        raise NotImplementedError

    async def sign_out_all(self, secret: str) -> None:
        """End every session of this account, this one too."""
        raise NotImplementedError
