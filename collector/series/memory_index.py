"""What a series store keeps in memory: its series, their latest points, and which batches it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from collector.series.contract import BatchKey, Point, Selector, SeriesInfo
from telemetry.batch import Stream
from telemetry.ranges import RangeSet
from telemetry.readings import SeriesKey


class Origin(NamedTuple):
    """Who sends a series; the same device under another gateway is another series."""

    school: str
    gateway: str


class StreamId(NamedTuple):
    """A stream generation of a gateway: within it, a sequence number names a batch."""

    school: str
    gateway: str
    stream: Stream
    generation: str


class SeriesName(NamedTuple):
    """All that tells one series from another."""

    origin: Origin
    key: SeriesKey


AppliedRange = tuple[StreamId, int, int]
"""First and last sequence number, both included."""

_BEFORE_ALL_MS: Final = -(2**63)
_NO_SERIES: Mapping[SeriesKey, int] = {}


class MemoryIndex:
    """Ids count from 1 without holes. One thread changes it, others may read it at any moment."""

    def __init__(
        self,
        names: Iterable[SeriesName] = (),
        latest: Iterable[Point] = (),
        applied: Iterable[AppliedRange] = (),
    ) -> None:
        self._names: list[SeriesName] = []
        self._latest: list[Point] = []
        self._ids: dict[Origin, dict[SeriesKey, int]] = {}
        self._applied: dict[StreamId, RangeSet] = {}
        self.add_series(names, latest)
        self.add_applied(applied)

    def __len__(self) -> int:
        return len(self._names)

    def ids_of(self, origin: Origin) -> Mapping[SeriesKey, int]:
        return self._ids.get(origin, _NO_SERIES)

    def has(self, key: BatchKey) -> bool:
        found = self._applied.get(StreamId(*key[:4]))
        return found is not None and key.sequence in found

    def applied(self) -> Iterator[AppliedRange]:
        """Every range of batches the store has."""
        return ((id_, *range_) for id_, ranges in self._applied.items() for range_ in ranges)

    def latest_ms(self, id_: int) -> int:
        """Time of the latest point; for a series that does not exist (yet), before any time."""
        return self._latest[id_ - 1].time_ms if id_ <= len(self._latest) else _BEFORE_ALL_MS

    def set_latest(self, id_: int, point: Point) -> None:
        self._latest[id_ - 1] = point

    def add_series(self, names: Iterable[SeriesName], latest: Iterable[Point]) -> None:
        """Gives the next ids to `names`; each comes with its latest point."""
        for name, point in zip(names, latest, strict=True):
            self._latest.append(point)
            self._names.append(name)
            self._ids.setdefault(name.origin, {})[name.key] = len(self._names)

    def add_applied(self, ranges: Iterable[AppliedRange]) -> None:
        for id_, first, last in ranges:
            self._applied.setdefault(id_, RangeSet()).add(first, last)

    def info(self, id_: int) -> SeriesInfo | None:
        if not 1 <= id_ <= len(self._names):
            return None
        origin, key = self._names[id_ - 1]
        return SeriesInfo(id_, *origin, *key, self._latest[id_ - 1])

    def select(self, selector: Selector) -> list[SeriesInfo]:
        """In order of id."""
        found: list[SeriesInfo] = []
        for id_ in range(max(selector.after_id, 0) + 1, len(self._names) + 1):
            if len(found) >= selector.limit:
                break
            if matches(selector, self._names[id_ - 1]) and (info := self.info(id_)):
                found.append(info)
        return found


def matches(selector: Selector, name: SeriesName) -> bool:
    origin, key = name
    return (
        selector.quantity in (None, key.quantity)
        and selector.device in (None, key.device)
        and selector.place in (None, key.place)
        and selector.gateway in (None, origin.gateway)
        and selector.school in (None, origin.school)
    )
