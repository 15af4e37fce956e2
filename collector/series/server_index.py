"""What is kept in memory of the series in a server: names, ids, latest points, beginnings of lines.

An id is made from the series' name, so that it is the same after every restart and needs no table of
its own.
"""

from __future__ import annotations

import hashlib  # noqa: TID251  # numbers rooms' and machines' series, nobody's identifier
from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from collector.series.contract import Point, Selector, SeriesInfo
from collector.series.line_protocol import LineHead
from collector.series.memory_index import Origin, SeriesName, matches
from telemetry.readings import SeriesKey

ID_BITS: Final = 52
"""A number that a browser keeps exactly."""


@dataclass(slots=True)
class Entry:
    """One series. `latest` is None until a point of it has been written or found."""

    id: int
    name: SeriesName
    head: LineHead
    latest: Point | None = None

    def info(self) -> SeriesInfo | None:
        return (
            None
            if self.latest is None
            else SeriesInfo(self.id, *self.name.origin, *self.name.key, self.latest)
        )


class SameIdError(ValueError):
    """Two series would have one id: of 10,000 series this happens to one collector in 90 million."""


def id_of(name: SeriesName) -> int:
    digest = hashlib.blake2b(msgspec.json.encode(name), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - ID_BITS) or 1


class ServerIndex:
    """Changed by the thread that writes; others may read it at any moment."""

    def __init__(self, make_head: type[LineHead]) -> None:
        self.make_head = make_head
        self._names: dict[Origin, dict[SeriesKey, Entry]] = {}
        self._entries: dict[int, Entry] = {}
        self._ids: list[int] = []

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, origin: Origin) -> Mapping[SeriesKey, Entry]:
        """Every series of a gateway that `entry` was asked for."""
        return self._names.setdefault(origin, {})

    def entry(self, name: SeriesName) -> Entry:
        """Made where it is not known. Raises UnnamedQuantityError, SameIdError."""
        names = self._names.setdefault(name.origin, {})
        found = names.get(name.key)
        if found is None:
            found = Entry(id_of(name), name, self.make_head(name))
            if found.id in self._entries:
                raise SameIdError(f"the id {found.id} is that of another series")
            names[name.key] = self._entries[found.id] = found
        return found

    def seen(self, entry: Entry, point: Point) -> None:
        """Points later than the latest, or as late, become the latest."""
        if entry.latest is None:
            insort(self._ids, entry.id)
        elif point.time_ms < entry.latest.time_ms:
            return
        entry.latest = point

    def load(self, found: Iterable[tuple[SeriesName, Point]]) -> None:
        for name, point in found:
            self.seen(self.entry(name), point)

    def choose(self, ids: Sequence[int]) -> list[Entry]:
        """In this order, each once, unknown ones left out."""
        found = (self._entries.get(id_) for id_ in dict.fromkeys(ids))
        return [entry for entry in found if entry and entry.latest]

    def select(self, selector: Selector) -> list[SeriesInfo]:
        """In order of id."""
        found: list[SeriesInfo] = []
        for id_ in self._ids[bisect_right(self._ids, selector.after_id) :]:
            if len(found) >= selector.limit:
                break
            entry = self._entries[id_]
            if matches(selector, entry.name) and (info := entry.info()):
                found.append(info)
        return found
