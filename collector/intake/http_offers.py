"""Offers of configurations that wait for the next post of their gateway, with whose answer they go."""

from __future__ import annotations

from typing import Final

from telemetry.posting import Place
from telemetry.topics import Address

KEPT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Some dozens of the largest, thousands of usual ones."""
ANSWER_BYTES_MAX: Final = 1024 * 1024 - 16 * 1024
"""Gateways read no longer answers than 1 MiB."""


class KeptOffers:
    """One for each gateway, the newest. What has no room goes, the oldest first: it is made again when the
    gateway says with its next status that it still runs something else.
    """

    def __init__(self, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._kept: dict[tuple[str, str], bytes] = {}
        self.bytes = 0

    def keep(self, address: Address, data: bytes) -> None:
        self._drop((address.school, address.gateway))
        self._kept[address.school, address.gateway] = data
        self.bytes += len(data)
        while self.bytes > self._bytes_max:
            self._drop(next(iter(self._kept)))

    def take(self, place: Place, beside_bytes: int) -> list[bytes]:
        """The one for a gateway, given once; none where an answer of so much else has no room for it."""
        key = (place.school, place.gateway)
        if len(self._kept.get(key, b"")) + beside_bytes > ANSWER_BYTES_MAX:
            return []
        return self._drop(key)

    def _drop(self, key: tuple[str, str]) -> list[bytes]:
        found = self._kept.pop(key, None)
        if found is None:
            return []
        self.bytes -= len(found)
        return [found]
