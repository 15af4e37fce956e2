"""Which slot a blinded credential leads to, without an object for each: a dict of 30,000 would take 4 MB of a
gateway's little memory.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Mapping
from itertools import islice
from operator import ge
from typing import Final

_NUMBER_BYTES: Final = 8
"""Of a blinded credential, which is an unsigned number here, big-endian."""
_SLOT_BYTES: Final = 4
_SINGLY_MAX: Final = 1_000
"""Up to so many changes are put into their places one by one; more are sorted in together."""


class CredentialColumns:
    """Two columns, sorted by credential; never changed."""

    def __init__(self, numbers: array[int], slots: array[int]) -> None:
        self._numbers = numbers
        self._slots = slots

    @classmethod
    def of(cls, credentials: Mapping[bytes, int]) -> CredentialColumns:
        """From eight bytes each and slots below 2^32. The bytes are sorted as they are: no object a number."""
        ordered = sorted(credentials)
        slots = array("I", map(credentials.__getitem__, ordered))
        return cls(_swapped(array("Q", b"".join(ordered))), slots)

    @classmethod
    def from_bytes(cls, numbers: bytes, slots: bytes) -> CredentialColumns:
        """The inverse of `as_bytes`. Raises ValueError for columns that do not fit, or are not sorted."""
        if len(numbers) % _NUMBER_BYTES or len(numbers) * _SLOT_BYTES != len(slots) * _NUMBER_BYTES:
            raise ValueError("columns of different length")
        found = cls(_swapped(array("Q", numbers)), _swapped(array("I", slots)))
        if any(map(ge, found._numbers, islice(found._numbers, 1, None))):
            raise ValueError("credentials out of order")
        return found

    def as_bytes(self) -> tuple[bytes, bytes]:
        """Numbers of eight bytes and slots of four, big-endian."""
        return _swapped(self._numbers[:]).tobytes(), _swapped(self._slots[:]).tobytes()

    def as_dict(self) -> dict[bytes, int]:
        return {
            number.to_bytes(_NUMBER_BYTES, "big"): slot
            for number, slot in zip(self._numbers, self._slots, strict=True)
        }

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, blinded: bytes) -> int | None:
        at, is_there = _place(self._numbers, blinded)
        return self._slots[at] if is_there else None

    def changed(self, new: Mapping[bytes, int], gone: Collection[bytes]) -> CredentialColumns:
        """Without those that are gone, then with the new ones."""
        if len(new) + len(gone) > _SINGLY_MAX:
            gone = set(gone)
            return CredentialColumns.of(
                {one: slot for one, slot in self.as_dict().items() if one not in gone} | dict(new)
            )
        numbers, slots = self._numbers[:], self._slots[:]
        for blinded in gone:
            at, is_there = _place(numbers, blinded)
            if is_there:
                del numbers[at], slots[at]
        for blinded, slot in new.items():
            at, is_there = _place(numbers, blinded)
            if is_there:
                slots[at] = slot
            else:
                numbers.insert(at, int.from_bytes(blinded, "big"))
                slots.insert(at, slot)
        return CredentialColumns(numbers, slots)


def _swapped(column: array[int]) -> array[int]:
    """Between the machine's order of bytes and big-endian, in place."""
    if sys.byteorder == "little":
        column.byteswap()
    return column


def _place(numbers: array[int], blinded: bytes) -> tuple[int, bool]:
    """Where it stands or would stand, and whether it stands there."""
    number = int.from_bytes(blinded, "big")
    at = bisect_left(numbers, number)
    return at, at < len(numbers) and numbers[at] == number
