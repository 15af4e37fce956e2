"""How often somebody may ask: counters of one window of time, bounded in number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

KEYS_MAX: Final = 4_096
"""When so many ask in one window, whoever comes new has to wait for the next."""


class Rate:
    """At most `count` times in each window of `window_ms` for each key."""

    def __init__(self, count: int, window_ms: int, now_ms: Callable[[], int]) -> None:
        self._count, self._window_ms, self._now_ms = count, window_ms, now_ms
        self._window = 0
        self._seen: dict[str, int] = {}

    def allows(self, key: str) -> bool:
        """Counts this one, too."""
        window = self._now_ms() // self._window_ms
        if window != self._window:
            self._window = window
            self._seen.clear()
        if key not in self._seen and len(self._seen) >= KEYS_MAX:
            return False
        self._seen[key] = self._seen.get(key, 0) + 1
        return self._seen[key] <= self._count
