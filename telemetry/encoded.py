"""A table whose rows are kept as they travel: an object of each would take several times the memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)

RECENT_MAX: Final = 100
"""Rows kept as objects."""
_encode = msgspec.msgpack.Encoder().encode


class EncodedTable(Mapping[int, Row]):
    """Rows of one kind, msgpack each, by number; never changed. A row is made, in about a microsecond, when it
    is asked for, and kept for a while: the same few are asked for again and again.
    """

    def __init__(self, kind: type[Row], encoded: Mapping[int, bytes]) -> None:
        self._kind = kind
        self._decode = msgspec.msgpack.Decoder(kind).decode
        ordered = sorted(encoded)
        # A column: numbers that came with large messages would hold on to the memory around them.
        self._numbers = array("Q", ordered)
        self.rows: Sequence[bytes] = [encoded[number] for number in ordered]
        """Encoded, in the order of their numbers."""
        self._recent: dict[int, Row] = {}

    @classmethod
    def of(cls, kind: type[Row], rows: Mapping[int, Row]) -> EncodedTable[Row]:
        """Numbers from 0 to 2^64."""
        return cls(kind, {number: _encode(row) for number, row in rows.items()})

    def changed(self, new: Mapping[int, Row], gone: Collection[int]) -> EncodedTable[Row]:
        """Without those that are gone, then with the new ones, some in the place of others."""
        encoded = zip(self._numbers, self.rows, strict=True)
        kept = {number: row for number, row in encoded if number not in gone}
        return EncodedTable(self._kind, kept | {number: _encode(row) for number, row in new.items()})

    def __getitem__(self, number: int) -> Row:
        """Raises KeyError."""
        found = self._recent.get(number)
        if found is None:
            at = bisect_left(self._numbers, number)
            if at == len(self._numbers) or self._numbers[at] != number:
                raise KeyError(number)
            if len(self._recent) == RECENT_MAX:
                self._recent.clear()
            found = self._recent[number] = self._decode(self.rows[at])
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
