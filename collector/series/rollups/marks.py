"""Which hours of which gateways are not rolled up as they are now: marks, in memory and in the file.

A mark is in the file before anything it stands for goes into the store. It is taken down in the
transaction that writes the hour's rows, and only while nothing of the hour is on its way. All of this is
decided in the event loop, between two awaits; the file's one thread keeps the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from collector.series.memory_index import Origin
from collector.series.rollups.rows import HOUR_MS

PATIENCE: Final = 10
"""After so many times the quiet it is not waited for any longer."""


LONG_AGO_S: Final = float("-inf")
"""When what was there before the start came."""


class Pair(NamedTuple):
    """An hour of a gateway, named by its start."""

    origin: Origin
    hour_ms: int


@dataclass(slots=True)
class Mark:
    """`written`: it is in the file. `in_flight`: appends that are not durable yet. Times are monotonic:
    since when there is the mark, and when something of the hour last came or was tried.
    """

    written: bool
    since_s: float
    touched_s: float
    in_flight: int = 0


class Marks:
    """Marks by gateway and hour; those that are being taken down stand apart until that is committed."""

    def __init__(self, written: Iterable[Pair]) -> None:
        self._marks: dict[Origin, dict[int, Mark]] = {}
        self._leaving: dict[Origin, set[int]] = {}
        for pair in written:
            self._of(pair.origin)[pair.hour_ms] = Mark(True, LONG_AGO_S, LONG_AGO_S)

    def _of(self, origin: Origin) -> dict[int, Mark]:
        return self._marks.setdefault(origin, {})

    def __len__(self) -> int:
        return sum(map(len, self._marks.values())) + sum(map(len, self._leaving.values()))

    def enter(self, pair: Pair, now_s: float) -> Mark:
        """An append of this hour begins; its mark, which may have to be written yet."""
        marks = self._marks.get(pair.origin)
        if marks is None:
            marks = self._of(pair.origin)
        mark = marks.get(pair.hour_ms)
        if mark is None:
            mark = marks[pair.hour_ms] = Mark(False, now_s, now_s)
        mark.in_flight += 1
        return mark

    def leave(self, pair: Pair, mark: Mark, now_s: float) -> None:
        """It is durable, or has failed. A mark that could not be written and is nobody's is no mark."""
        mark.in_flight -= 1
        mark.touched_s = max(mark.touched_s, now_s)
        if not mark.written and not mark.in_flight and self._of(pair.origin).get(pair.hour_ms) is mark:
            del self._marks[pair.origin][pair.hour_ms]

    def is_ready(self, pair: Pair, *, now_ms: int, now_s: float, quiet_s: float) -> bool:
        """Whether the hour is over, and nothing of it has come for a while, or something always does."""
        mark = self._of(pair.origin).get(pair.hour_ms)
        return (
            mark is not None
            and mark.written
            and not mark.in_flight
            and (mark.touched_s + quiet_s <= now_s or mark.since_s + quiet_s * PATIENCE <= now_s)
            and pair.hour_ms + HOUR_MS <= now_ms
        )

    def state(self, pair: Pair) -> tuple[float, int] | None:
        """The same as before: nothing has come meanwhile."""
        mark = self._of(pair.origin).get(pair.hour_ms)
        return (mark.touched_s, mark.in_flight) if mark else None

    def postpone(self, pairs: Iterable[Pair], now_s: float) -> None:
        """They could not be rolled up; later again."""
        for pair in pairs:
            if mark := self._of(pair.origin).get(pair.hour_ms):
                mark.since_s = mark.touched_s = now_s

    def pairs(self) -> Iterator[Pair]:
        return (Pair(origin, hour_ms) for origin, marks in self._marks.items() for hour_ms in marks)

    def rewritten(self) -> None:
        """Every one of `pairs` is in a file of its own now."""
        for marks in self._marks.values():
            for mark in marks.values():
                mark.written = True

    def take_down(self, pairs: Iterable[Pair]) -> None:
        """From now on an append of these hours writes a mark of its own; questions still take them for
        marked.
        """
        for origin, hour_ms in pairs:
            del self._marks[origin][hour_ms]
            self._leaving.setdefault(origin, set()).add(hour_ms)

    def taken_down(self, pairs: Iterable[Pair]) -> None:
        for origin, hour_ms in pairs:
            self._leaving[origin].discard(hour_ms)

    def put_back(self, pairs: Iterable[Pair], now_s: float) -> None:
        """They could not be taken down. A mark that an append has made meanwhile writes itself once more."""
        for pair in pairs:
            self._leaving[pair.origin].discard(pair.hour_ms)
            self._of(pair.origin).setdefault(pair.hour_ms, Mark(True, now_s, now_s))

    def hours(self, origin: Origin, start_ms: int, end_ms: int) -> list[int]:
        """Marked hours of a gateway that have a part in this time, in order."""
        found = {
            hour_ms
            for hours in (self._marks.get(origin, ()), self._leaving.get(origin, ()))
            for hour_ms in hours
            if start_ms - HOUR_MS < hour_ms < end_ms
        }
        return sorted(found)

    def oldest_ms(self) -> int | None:
        """The first marked hour of all."""
        every = (hours for table in (self._marks, self._leaving) for hours in table.values() if hours)
        return min((min(hours) for hours in every), default=None)
