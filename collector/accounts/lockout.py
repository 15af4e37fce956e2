"""How long an account waits after wrong passwords or codes in a row, and who does not wait with it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from collector.accounts.rates import key_of_address

FAILURES_FREE: Final = 5
"""A person who mistypes needs no more."""
WAIT_MS_MIN: Final = 60_000
WAIT_MS_MAX: Final = 60 * 60_000
"""A guesser has 24 guesses a day from then on, and whoever is locked out by one waits an hour at most."""
KNOWN_MAX: Final = 10_000
"""Of all accounts; beyond, the one that signed in longest ago waits like a stranger."""


def wait_ms(failures: int) -> int:
    """After so many failures in a row: nothing, then 1, 2, 4 … 60 minutes."""
    beyond = failures - FAILURES_FREE
    return 0 if beyond < 0 else min(WAIT_MS_MAX, WAIT_MS_MIN << min(beyond, 10))


def is_locked(locked_until_ms: int | None, now_ms: int) -> bool:
    return locked_until_ms is not None and now_ms < locked_until_ms


class KnownAddresses:
    """From where somebody has signed in before: there they need not wait for what strangers have guessed, or
    whoever knows a username could keep its owner out with a guess now and then. Five wrong ones in a row from
    there, and it is a stranger's. Kept in memory, so a restart makes everybody a stranger once.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[int, str], int] = OrderedDict()

    def has(self, account: int, address: str) -> bool:
        return (account, key_of_address(address)) in self._failures

    def succeeded(self, account: int, address: str) -> None:
        key = (account, key_of_address(address))
        self._failures.pop(key, None)
        self._failures[key] = 0
        if len(self._failures) > KNOWN_MAX:
            self._failures.popitem(last=False)

    def failed(self, account: int, address: str) -> None:
        key = (account, key_of_address(address))
        if key in self._failures:
            self._failures[key] += 1
            if self._failures[key] >= FAILURES_FREE:
                del self._failures[key]
