"""The marks of every stream in memory: which batches were answered as received, and as stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from collector.intake.opening import Opened
from collector.records import Mark, StreamKey, StreamMarks
from telemetry.ranges import Range, RangeSet


class Marks:
    """Changed only after the transaction that writes them has committed. Of one stream, each kind of
    mark is changed by one task only.
    """

    def __init__(self) -> None:
        self._marks: dict[StreamKey, StreamMarks] = {}
        self._generations: Counter[tuple[str, str]] = Counter()

    def load(self, marks: dict[StreamKey, StreamMarks]) -> None:
        self._marks = marks
        self._generations = Counter((key.school, key.gateway) for key in marks)

    def has(self, mark: Mark, batch: Opened) -> bool:
        found = self._marks.get(batch.key)
        return found is not None and batch.header.sequence in found.of(mark)

    def held(self, key: StreamKey, mark: Mark, first: int, last: int) -> list[Range]:
        """The sequence numbers between these two, both included, that were answered so."""
        found = self._marks.get(key)
        return found.of(mark).overlap(first, last) if found else []

    def is_new(self, key: StreamKey) -> bool:
        return key not in self._marks

    def generations(self, key: StreamKey) -> int:
        """How many streams there are of the gateway of this one."""
        return self._generations[key.school, key.gateway]

    def holes(self, key: StreamKey) -> int:
        found = self._marks.get(key)
        return max(found.received.parts, found.stored.parts) if found else 0

    def after(self, mark: Mark, batches: Sequence[Opened]) -> dict[StreamKey, RangeSet]:
        """The marks as they will be; the ones in memory stay as they are until `keep`."""
        sequences: dict[StreamKey, list[int]] = defaultdict(list)
        for batch in batches:
            sequences[batch.key].append(batch.header.sequence)
        changed = {}
        for key, added in sequences.items():
            found = self._marks.get(key)
            changed[key] = RangeSet(found.of(mark) if found else ())
            changed[key].update((sequence, sequence) for sequence in added)
        return changed

    def keep(self, mark: Mark, changed: dict[StreamKey, RangeSet]) -> None:
        for key, ranges in changed.items():
            if key not in self._marks:
                self._marks[key] = StreamMarks()
                self._generations[key.school, key.gateway] += 1
            setattr(self._marks[key], mark, ranges)
