"""Sets of sequence numbers kept as ranges: which batches of a stream somebody has."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""First and last sequence number, both included."""


class RangeSet:
    """A set of positive integers, stored as sorted, disjoint, non-adjacent inclusive ranges.

    Adding and looking up cost a binary search; a stream without holes is one range however long
    it runs.
    """

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int | None = None) -> None:
        """Adds one number, or all from `first` to `last`. Raises ValueError for an empty range."""
        if last is None:
            last = first
        if last < first or first < 0:
            raise ValueError(f"range {first}..{last} is empty or negative")
        low = bisect_left(self._last, first - 1)
        high = bisect_right(self._first, last + 1)
        if low < high:
            first = min(first, self._first[low])
            last = max(last, self._last[high - 1])
        self._first[low:high] = [first]
        self._last[low:high] = [last]

    def update(self, ranges: Iterable[Range]) -> None:
        for first, last in ranges:
            self.add(first, last)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and number <= self._last[at]

    def __iter__(self) -> Iterator[Range]:
        return zip(self._first, self._last, strict=True)

    def __len__(self) -> int:
        """How many numbers the set holds (not how many ranges)."""
        return sum(last - first + 1 for first, last in self)

    @property
    def parts(self) -> int:
        """How many ranges there are."""
        return len(self._first)

    def __bool__(self) -> bool:
        return bool(self._first)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"

    def holes(self, first: int, last: int) -> list[Range]:
        """The ranges between `first` and `last`, both included, that the set does not hold."""
        missing: list[Range] = []
        at = first
        for low, high in self:
            if high < at:
                continue
            if low > last:
                break
            if low > at:
                missing.append((at, low - 1))
            at = high + 1
        if at <= last:
            missing.append((at, last))
        return missing

    def overlap(self, first: int, last: int) -> list[Range]:
        """The parts of `first` to `last`, both included, that the set holds."""
        found: list[Range] = []
        for at in range(bisect_left(self._last, first), len(self._first)):
            if self._first[at] > last:
                break
            found.append((max(first, self._first[at]), min(last, self._last[at])))
        return found
