"""What can be wrong with accounts, by what the caller does about it.

    AccountError
    ├── SignInRefusedError    say "wrong, or locked for a while" and nothing more
    ├── CodeRefusedError      the session goes on: ask for another code
    ├── SessionEndedError     sign in (again)
    ├── NotRecentError        the session goes on: sign out and in again for this
    ├── PasswordRefusedError  ask for another password; it says why
    ├── NoSuchAccountError, AccountExistsError, ChangeRefusedError   tell the administrator
    ├── TooManyError          answer 429, ask again after `retry_after_s`
    └── AccountsBusyError     answer 503, ask again in some seconds

None of them quotes what somebody typed.
"""

from __future__ import annotations


class AccountError(Exception):
    """The common root."""


class SignInRefusedError(AccountError):
    """Unknown, wrong, disabled or locked: which of these, nobody is told."""

    def __init__(self) -> None:
        super().__init__("the username or the password is wrong, or the account is locked for a while")


class CodeRefusedError(AccountError):
    """A code of the second factor that is wrong, too old, or was used before."""

    def __init__(self) -> None:
        super().__init__("the code is wrong or was used before; wait for the next one")


class SessionEndedError(AccountError):
    """There is no such session (any more), or it is at another step."""

    def __init__(self) -> None:
        super().__init__("the session is over; sign in again")


class NotRecentError(AccountError):
    """Somebody without a password wants what is asked for a password, and signed in a while ago."""

    def __init__(self) -> None:
        super().__init__("sign out and in again first; then it may be done for some minutes")


class PasswordRefusedError(AccountError):
    """A new password that is none. zh, en: why, for the person who chose it."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


class NoSuchAccountError(AccountError):
    """An administrator named somebody who has no account, or a token that is not theirs."""


class AccountExistsError(AccountError):
    """The username, or the person of the sign-in service, is somebody's already."""


class ChangeRefusedError(AccountError):
    """What an administrator may not do: a wrong username, the last administrator disabled."""


class TooManyError(AccountError):
    """Asked too often. retry_after_s: whole seconds, at least 1."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class AccountsBusyError(AccountError):
    """As many passwords are being checked as there may be at once."""

    def __init__(self) -> None:
        super().__init__("too many people are signing in at the moment")
