"""How many wrong codes are heard: few from one address, and not many from all of them together.

A code cannot be guessed by asking (31⁸ of them, at most twenty that fit); this keeps a guesser from costing
time, and shows one.
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
        of_all = [at_ms for at_ms, _ in self._failures]
        of_address = [at_ms for at_ms, one in self._failures if one == address]
        waits = [
            _wait_ms(of_all, OF_ALL_MAX, OF_ALL_MS, now_ms),
            _wait_ms(of_address, OF_ADDRESS_MAX, OF_ADDRESS_MS, now_ms),
        ]
        wait_ms = max(waits)
        return math.ceil(wait_ms / 1000) if wait_ms > 0 else None


def _wait_ms(times_ms: Sequence[int], count_max: int, span_ms: int, now_ms: int) -> int:
    """Until fewer than `count_max` of these are within the span."""
    return times_ms[-count_max] + span_ms - now_ms if len(times_ms) >= count_max else 0


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
