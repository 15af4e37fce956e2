"""Which events of our boards a gateway has already: they are sent again until acknowledged."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from firmware_bridges.boards.link import EVENTS_MAX
from firmware_bridges.boards.messages import Source

REMEMBERED: Final = 4 * EVENTS_MAX
"""A board repeats none but its last EVENTS_MAX events."""
SOURCES_MAX: Final = 64


class SeenEvents:
    """Remembers sequence numbers, a board and start of it. Bounded: the longest silent is forgotten."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Source, OrderedDict[int, None]] = OrderedDict()

    def add(self, source: Source, sequence: int) -> bool:
        """True for an event that was not seen before."""
        numbers = self._seen.setdefault(source, OrderedDict())
        self._seen.move_to_end(source)
        if len(self._seen) > SOURCES_MAX:
            self._seen.popitem(last=False)
        if sequence in numbers:
            return False
        numbers[sequence] = None
        if len(numbers) > REMEMBERED:
            numbers.popitem(last=False)
        return True
