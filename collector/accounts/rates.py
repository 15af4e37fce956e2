"""How often somebody may ask: counts in memory, bounded in keys.

A window that slides: what was asked in the period before counts by the share of it that still lies within one
period from now. That needs two numbers a key, where a list of times needs hundreds, and is off by little. Of
the library `limits` the memory storage was tried: it starts a thread at each burst, keeps any number of keys
and tells the time by the wall clock.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from collector.accounts.errors import TooManyError
from foundation.networks import host_of

Kind = Literal["sign-in", "code", "api", "stranger", "exports"]


class Rate(NamedTuple):
    """So many in a period."""

    times: int
    period_s: float


RATES: Final[Mapping[Kind, Rate]] = {
    # by address
    "sign-in": Rate(10, 60),
    "code": Rate(10, 60),
    # whoever is nobody we know, at what needs somebody; by address
    "stranger": Rate(120, 60),
    # by principal: three live parts once a second on three open pages
    "api": Rate(600, 60),
    "exports": Rate(20, 60),
}
KEYS_MAX: Final = 10_000
"""Of each kind; beyond, the one that asked longest ago is forgotten. About 2 MB."""


class Rates:
    """All counts of one collector; begins anew with the program. now_s: a monotonic clock."""

    def __init__(
        self, now_s: Callable[[], float] = time.monotonic, rates: Mapping[Kind, Rate] = RATES
    ) -> None:
        self._now_s = now_s
        self._rates = rates
        self._counts: dict[Kind, OrderedDict[str, tuple[int, int, int]]] = {
            kind: OrderedDict() for kind in rates
        }

    def take(self, kind: Kind, key: str) -> None:
        """Counts one more. Raises TooManyError, and then it does not count."""
        rate, counts = self._rates[kind], self._counts[kind]
        window, into = divmod(self._now_s() / rate.period_s, 1)
        at, now, before = counts.pop(key, (int(window), 0, 0))
        if at != window:
            before, now = (now if at == window - 1 else 0), 0
        allowed = before * (1 - into) + now + 1 <= rate.times
        counts[key] = (int(window), now + allowed, before)
        if len(counts) > KEYS_MAX:
            counts.popitem(last=False)
        if not allowed:
            raise TooManyError(max(1, math.ceil(_wait(rate.times, now, before, into) * rate.period_s)))


def _wait(times: int, now: int, before: int, into: float) -> float:
    """Periods until one more is allowed."""
    if now < times:
        return (1 - (times - now - 1) / before) - into
    return (1 - into) + (1 - (times - 1) / now)


def key_of_address(address: str) -> str:
    """Whose an address is; one key for all that are none."""
    return host_of(address) or "?"
