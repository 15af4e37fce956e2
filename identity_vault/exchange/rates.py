"""How often somebody may ask: one token bucket each, in a table that cannot grow without end."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

ASKERS_MAX: Final = 1_000


class Rate(NamedTuple):
    """So many at once, and one more each so many seconds."""

    burst: int
    every_s: float


class Rates:
    """Buckets by asker. Where the table is full, whoever has not asked for longest is forgotten."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic, askers_max: int = ASKERS_MAX) -> None:
        self._now_s = now_s
        self._askers_max = askers_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, asker: str, rate: Rate) -> bool:
        """Whether they may ask now; if so, one is used up."""
        now_s = self._now_s()
        tokens, since_s = self._buckets.pop(asker, (float(rate.burst), now_s))
        tokens = min(float(rate.burst), tokens + (now_s - since_s) / rate.every_s)
        may = tokens >= 1
        self._buckets[asker] = (tokens - 1 if may else tokens, now_s)
        while len(self._buckets) > self._askers_max:
            self._buckets.popitem(last=False)
        return may
