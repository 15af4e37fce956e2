"""The numbers of alerts as people and programs outside see them.

In the database alerts are counted up, so a number there tells how many there are, of kinds that the reader may
not see too. Outside, an alert has another number from 1 to 2^52, exact in JSON of every program: the count under
a keyed permutation (a Feistel network of HMAC-SHA-256, after Luby and Rackoff), the same at every collector with
this key file. Nothing is kept for it, and a number that was made up names no alert.
"""

from __future__ import annotations

import hmac
from typing import Final

_HALF_BITS: Final = 26
_HALF: Final = (1 << _HALF_BITS) - 1
_ROUNDS: Final = range(8)
NUMBER_MAX: Final = 1 << 2 * _HALF_BITS


class AlertNumbers:
    """key: 32 bytes that nobody outside has."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def outside(self, id_: int) -> int:
        """The number of the alert with this id, which is at least 1."""
        left, right = divmod(id_ - 1, _HALF + 1)
        for turn in _ROUNDS:
            left, right = right, left ^ self._mix(turn, right)
        return (left << _HALF_BITS | right) + 1

    def inside(self, number: int) -> int:
        """The id behind a number from 1 to `NUMBER_MAX`; some id that no alert has, for one that was made up."""
        left, right = divmod(number - 1, _HALF + 1)
        for turn in reversed(_ROUNDS):
            left, right = right ^ self._mix(turn, left), left
        return (left << _HALF_BITS | right) + 1

    def _mix(self, turn: int, half: int) -> int:
        digest = hmac.digest(self._key, bytes([turn]) + half.to_bytes(4, "big"), "sha256")
        return int.from_bytes(digest[:4], "big") & _HALF
