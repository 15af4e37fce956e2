"""Which batches have had their old points merged into roll-ups, and before which time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from collector.series.contract import BatchKey
from collector.series.memory_index import StreamId
from telemetry.ranges import RangeSet


class Entry(NamedTuple):
    """Batches `first` to `last` of a stream, of which everything before `split_ms` has been merged."""

    stream: StreamId
    first: int
    last: int
    split_ms: int


class Ledger:
    """As ranges: a gateway that comes back after a year brings very many batches, one after another."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._ranges: dict[StreamId, dict[int, RangeSet]] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        splits = self._ranges.setdefault(entry.stream, {})
        splits.setdefault(entry.split_ms, RangeSet()).add(entry.first, entry.last)

    def split_of(self, key: BatchKey) -> int:
        """Before which time the points of a batch have been merged; 0: none have."""
        splits = self._ranges.get(StreamId(*key[:4]), {})
        return max((split_ms for split_ms, ranges in splits.items() if key.sequence in ranges), default=0)

    def __iter__(self) -> Iterator[Entry]:
        for stream, splits in self._ranges.items():
            for split_ms, ranges in splits.items():
                yield from (Entry(stream, first, last, split_ms) for first, last in ranges)
