"""Readings, one by one for people and in columns for machines.

On the hot path there is no object a reading: a decoder appends to the four columns of a `Chunk`,
and a series is an index into the `SeriesTable` of the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from telemetry.quality import Quality


class SeriesKey(NamedTuple):
    """What a series is about. `place` is "building/room"; `model` names the device's profile."""

    quantity: str
    device: str
    place: str
    model: str = ""


class Reading(NamedTuple):
    """One value of one series; time in ms UTC, value in the unit of the quantity."""

    series: SeriesKey
    time_ms: int
    value: float
    quality: Quality = Quality.GOOD


class SeriesTable:
    """Gives every series key a small index that stays the same for the life of the process."""

    def __init__(self) -> None:
        self._index: dict[SeriesKey, int] = {}
        self._keys: list[SeriesKey] = []

    def index(self, key: SeriesKey) -> int:
        at = self._index.get(key)
        if at is None:
            at = self._index[key] = len(self._keys)
            self._keys.append(key)
        return at

    def __getitem__(self, index: int) -> SeriesKey:
        return self._keys[index]

    def __len__(self) -> int:
        return len(self._keys)


@dataclass(slots=True)
class Chunk:
    """Readings in four columns of equal length, in the order in which they arrived."""

    series: list[int] = field(default_factory=list)
    time_ms: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.series)

    def append(self, series: int, time_ms: int, value: float, quality: int = Quality.GOOD) -> None:
        self.series.append(series)
        self.time_ms.append(time_ms)
        self.value.append(value)
        self.quality.append(quality)

    def extend(self, other: Chunk) -> None:
        self.series += other.series
        self.time_ms += other.time_ms
        self.value += other.value
        self.quality += other.quality

    def readings(self, table: SeriesTable) -> list[Reading]:
        """The same, one object a reading: for tests and tools, not for the hot path."""
        columns = zip(self.series, self.time_ms, self.value, self.quality, strict=True)
        return [Reading(table[s], t, v, Quality(q)) for s, t, v, q in columns]
