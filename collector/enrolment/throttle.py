"""How many wrong codes are heard: few from one address, and not many from all of them together.

A code cannot be guessed by asking (31⁸ of them, at most twenty that fit); this keeps a guesser from costing
time, and shows one. What comes from everywhere stops nobody who has a right code: else a stranger with some
addresses could keep a school from enrolling for ever.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from typing import Final

OF_ADDRESS_MAX: Final = 5
OF_ADDRESS_MS: Final = 15 * 60_000
OF_ALL_MAX: Final = 50
OF_ALL_MS: Final = 60 * 60_000
_IPV6_BITS: Final = 64
"""Whoever has an IPv6 address has as many more in its network."""


class Throttle:
    """`failures`: (time, address) of wrong codes, oldest first."""

    def __init__(self, failures: Sequence[tuple[int, str]]) -> None:
        self._failures = failures

    def wait_s(self, address: str, now_ms: int) -> int | None:
        """For how long nothing is heard from this address; None: it is."""
        of_address = [at_ms for at_ms, one in self._failures if one == address]
        return _wait_s(of_address, OF_ADDRESS_MAX, OF_ADDRESS_MS, now_ms)

    def wait_of_all_s(self, now_ms: int) -> int | None:
        """For how long no wrong code is counted any more, from wherever it comes; None: it is."""
        return _wait_s([at_ms for at_ms, _ in self._failures], OF_ALL_MAX, OF_ALL_MS, now_ms)


def _wait_s(times_ms: Sequence[int], count_max: int, span_ms: int, now_ms: int) -> int | None:
    """Until fewer than `count_max` of these are within the span."""
    wait_ms = times_ms[-count_max] + span_ms - now_ms if len(times_ms) >= count_max else 0
    return math.ceil(wait_ms / 1000) if wait_ms > 0 else None


def parse_address(text: str) -> str | None:
    """An address as it is counted; None for what is none."""
    try:
        found = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_BITS), strict=False))
    return str(found)
