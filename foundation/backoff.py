"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Doubling delays from `first_s` to `max_s`, each shortened by up to half; `reset` after a success."""

    def __init__(self, first_s: float = 0.5, max_s: float = 30.0) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s

    def reset(self) -> None:
        self._next_s = self._first_s

    def exhaust(self) -> None:
        """Straight to the longest delay: a refused password will not be right in a second."""
        self._next_s = self._max_s

    def delay_s(self) -> float:
        bound = self._next_s
        self._next_s = min(self._max_s, bound * 2)
        return random.uniform(bound / 2, bound)  # noqa: S311  # spreads retries, guards nothing
