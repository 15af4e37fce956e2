"""Passwords: how they are stored and checked, and which are refused.

argon2id with 64 MiB, three passes and four lanes: the second recommended choice of RFC 9106, section 4, for
where 2 GiB are too much. About 0.2 s of a core, so it runs in a thread, `AT_ONCE` at a time; OWASP's password
storage cheat sheet asks for 19 MiB at least.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from collector.accounts.common_passwords import is_common
from collector.accounts.errors import AccountsBusyError, PasswordRefusedError

HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, type=Type.ID)
AT_ONCE: Final = 2
"""128 MiB and two cores at most, whoever knocks."""
WAITING_MAX: Final = 16
"""With these in front, the last one waits about two seconds."""
CHARS_MIN: Final = 10
"""NIST SP 800-63B asks for length and nothing else: no digits, no signs, no change every month."""
CHARS_MAX: Final = 200
_GENERATED_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GENERATED_GROUPS: Final = 4
_GENERATED_GROUP_CHARS: Final = 5

Result = TypeVar("Result")


class Checked(NamedTuple):
    """Whether a password is right. anew: its hash under today's parameters, where the stored one is older."""

    right: bool
    anew: str | None


def check_new(password: str, username: str) -> None:
    """Raises PasswordRefusedError for one that may not be chosen."""
    # As it is stored: an input method left on full-width letters makes no common password a rare one.
    plain = unicodedata.normalize("NFKC", password)
    if len(plain) < CHARS_MIN:
        raise PasswordRefusedError(
            f"密码至少 {CHARS_MIN} 个字符，可以用一句话",
            f"at least {CHARS_MIN} characters; a sentence is fine",
        )
    if len(password) > CHARS_MAX:
        raise PasswordRefusedError(
            f"密码最多 {CHARS_MAX} 个字符", f"the password has more than {CHARS_MAX} characters"
        )
    if len(username) >= 3 and username.lower() in plain.lower():
        raise PasswordRefusedError("密码不能包含用户名", "the password contains the username")
    if is_common(plain):
        raise PasswordRefusedError(
            "这个密码太常见，请换一个", "many people have this password; choose another"
        )


def generate() -> str:
    """A first password that somebody reads from paper: 20 characters, 99 bits."""
    return "-".join(
        "".join(secrets.choice(_GENERATED_ALPHABET) for _ in range(_GENERATED_GROUP_CHARS))
        for _ in range(_GENERATED_GROUPS)
    )


class Passwords:
    """Hashes and checks, a few at once. Raises AccountsBusyError when too many wait."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._decoy = ""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        return await self._in_turn(lambda: self._hasher.hash(_plain(password)))

    async def check(self, stored: str | None, password: str) -> Checked:
        """Takes as long for nobody's password (None) as for somebody's."""
        return await self._in_turn(lambda: self._check(stored, password))

    def _check(self, stored: str | None, password: str) -> Checked:
        self._decoy = self._decoy or self._hasher.hash(secrets.token_urlsafe())
        plain = _plain(password[: CHARS_MAX + 1])
        try:
            self._hasher.verify(stored or self._decoy, plain)
        except (VerificationError, InvalidHashError):
            return Checked(False, None)
        if stored is None or len(password) > CHARS_MAX:
            return Checked(False, None)
        anew = self._hasher.hash(plain) if self._hasher.check_needs_rehash(stored) else None
        return Checked(True, anew)

    async def _in_turn(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= WAITING_MAX:
            raise AccountsBusyError
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _plain(password: str) -> bytes:
    """One way of writing each letter, whatever the keyboard sends (NFKC, as NIST SP 800-63B advises)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
