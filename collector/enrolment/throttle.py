"""Wrong codes: how many are answered at once, and how often whoever goes on guessing is heard.

A right code passes, whatever came before it: at a school behind one address five slips must not stop the next
box. What is limited are guesses. Of the 31⁸ = 8.5 · 10¹¹ codes (39.6 bits) 20 at most are open, each for 15 minutes.

- From one address the first 5 wrong codes in 15 minutes are answered at once; after that it is not heard for a
  minute after each wrong one. That makes 20 guesses in the life of a code, which hit it with 2.3 · 10⁻¹¹; in a year
  of guessing without a pause, with a code open all the time, with 8 · 10⁻⁷.
- From many addresses: the first 50 in an hour are answered at once; after that each address is heard once a
  minute. Questions are answered one after another, each in a transaction: 1,000 a second from ever new addresses
  would hit a code in its 15 minutes with 10⁻⁶, and would be the most that a collector does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

OF_ADDRESS_MAX: Final = 5
OF_ADDRESS_MS: Final = 15 * 60_000
OF_ALL_MAX: Final = 50
OF_ALL_MS: Final = 60 * 60_000
UNHEARD_S: Final = 60
"""So long an address is not heard after a wrong code beyond these."""


class Throttle:
    """`failures`: (time, address) of wrong codes that were counted."""

    def __init__(self, failures: Sequence[tuple[int, str]]) -> None:
        self._failures = failures

    def is_spent(self, address: str, now_ms: int) -> bool:
        """Whether so many wrong codes came that another one of this address is not counted any more, and costs
        it a minute.
        """
        of_address = sum(one == address and at_ms > now_ms - OF_ADDRESS_MS for at_ms, one in self._failures)
        of_all = sum(at_ms > now_ms - OF_ALL_MS for at_ms, _ in self._failures)
        return of_address >= OF_ADDRESS_MAX or of_all >= OF_ALL_MAX
