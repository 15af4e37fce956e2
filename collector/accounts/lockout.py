"""How long an account waits after wrong passwords or codes in a row."""

from __future__ import annotations

from typing import Final

FAILURES_FREE: Final = 5
"""A person who mistypes needs no more."""
WAIT_MS_MIN: Final = 60_000
WAIT_MS_MAX: Final = 60 * 60_000
"""A guesser has 24 guesses a day from then on, and whoever is locked out by one waits an hour at most."""


def wait_ms(failures: int) -> int:
    """After so many failures in a row: nothing, then 1, 2, 4 … 60 minutes."""
    beyond = failures - FAILURES_FREE
    return 0 if beyond < 0 else min(WAIT_MS_MAX, WAIT_MS_MIN << min(beyond, 10))


def is_locked(locked_until_ms: int | None, now_ms: int) -> bool:
    return locked_until_ms is not None and now_ms < locked_until_ms
