"""Tells a batch that no store takes from a store that takes nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from collector.intake.opening import Opened
from collector.records import StreamKey

FAILURES_MAX: Final = 5
"""So often a batch may fail by itself while others are stored in between."""
_REMEMBERED_MAX: Final = 1_000
_BatchId = tuple[StreamKey, int]


class Suspects:
    """Remembers batches that failed by themselves. A failure counts only if something else has been
    stored since the one before: while nothing is, the store is to blame.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[_BatchId, tuple[int, int]] = OrderedDict()
        self._successes = 0

    def in_order(self, batches: Sequence[Opened]) -> list[Opened]:
        """The unsuspected first, so that a few bad ones cannot make the store look broken."""
        return sorted(batches, key=lambda batch: _id(batch) in self._failures)

    def stored(self, batches: Sequence[Opened]) -> None:
        self._successes += 1
        if self._failures:
            for batch in batches:
                self._failures.pop(_id(batch), None)

    def failed(self, batch: Opened) -> bool:
        """True when it has failed too often, and is forgotten."""
        id_ = _id(batch)
        failures, successes = self._failures.pop(id_, (0, -1))
        if self._successes != successes:
            failures += 1
        if failures > FAILURES_MAX:
            return True
        self._failures[id_] = (failures, self._successes)
        if len(self._failures) > _REMEMBERED_MAX:
            self._failures.popitem(last=False)
        return False


def _id(batch: Opened) -> _BatchId:
    return batch.key, batch.header.sequence
