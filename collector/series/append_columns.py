"""From batches to the columns of one insert. No object a reading: columns go into arrays whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from collector.series.contract import BatchKey, Point, SeriesBatch
from collector.series.memory_index import AppliedRange, MemoryIndex, Origin, SeriesName, StreamId
from telemetry.ranges import RangeSet

Columns = dict[str, NDArray[np.generic]]
Number = TypeVar("Number", np.int64, np.float64, np.uint8)


@dataclass(frozen=True, slots=True)
class Append:
    """What an append will change: columns for the tables, and the same for the index in memory."""

    points: Columns
    new_series: list[SeriesName]
    applied: list[AppliedRange]
    latest: dict[int, Point]

    def update(self, index: MemoryIndex) -> None:
        """Repeats in memory what has been committed."""
        first_new = len(index) + 1
        ids = range(first_new, first_new + len(self.new_series))
        index.add_series(self.new_series, [self.latest[id_] for id_ in ids])
        for id_, point in self.latest.items():
            if id_ < first_new:
                index.set_latest(id_, point)
        index.add_applied(self.applied)

    def series_columns(self, first_id: int) -> Columns:
        rows = [(*name.origin, *name.key) for name in self.new_series]
        ids = np.arange(first_id, first_id + len(rows), dtype=np.int32)
        names = ("school", "gateway", "quantity", "device", "place", "model")
        return {"id": ids} | dict(zip(names, map(_texts, zip(*rows, strict=True)), strict=True))


def applied_columns(ranges: Sequence[AppliedRange]) -> Columns:
    streams, first, last = zip(*ranges, strict=True)
    school, gateway, stream, generation = zip(*streams, strict=True)
    return {
        "school": _texts(school),
        "gateway": _texts(gateway),
        "stream": _texts(stream),
        "generation": _texts(generation),
        "first": np.array(first, np.uint64),
        "last": np.array(last, np.uint64),
    }


def _texts(values: Sequence[str]) -> NDArray[np.generic]:
    return np.array(values, dtype=np.object_)


def gather(index: MemoryIndex, batches: Sequence[SeriesBatch]) -> Append | None:
    """Everything in `batches` that the store does not have; None where it has all of it."""
    fresh: dict[BatchKey, SeriesBatch] = {}
    for batch in batches:
        if batch.key not in fresh and not index.has(batch.key):
            fresh[batch.key] = batch
    if not fresh:
        return None
    segments, new_series = _number(index, fresh.values())
    counts = list(chain.from_iterable(batch.body.counts for batch in fresh.values()))
    points = _points(list(fresh.values()), segments, counts)
    return Append(points, new_series, _applied(fresh), _latest(index, points, segments, counts))


def _number(index: MemoryIndex, batches: Iterable[SeriesBatch]) -> tuple[list[int], list[SeriesName]]:
    """The id of each series of each batch, one after another, and the series that get a new id."""
    ids: list[int] = []
    new: dict[SeriesName, int] = {}
    next_id = len(index) + 1
    for batch in batches:
        origin = Origin(batch.key.school, batch.key.gateway)
        known = index.ids_of(origin)
        ids += [
            known.get(key) or new.setdefault(SeriesName(origin, key), next_id + len(new))
            for key in batch.body.series
        ]
    return ids, list(new)


def _points(batches: Sequence[SeriesBatch], segments: Sequence[int], counts: Sequence[int]) -> Columns:
    sizes = [len(batch.body.time_ms) for batch in batches]
    # As telemetry.quality.pack_quality, for a whole column.
    clocks = np.repeat(np.array([batch.clock << 4 for batch in batches], np.uint8), sizes)
    bodies = [batch.body for batch in batches]
    return {
        "series": np.repeat(np.array(segments, np.int32), counts),
        "ts": _column([body.time_ms for body in bodies], np.int64),
        "value": _column([body.value for body in bodies], np.float64),
        "quality": _column([body.quality for body in bodies], np.uint8) | clocks,
    }


def _column(parts: Sequence[Sequence[float]], dtype: type[Number]) -> NDArray[Number]:
    return np.concatenate([np.asarray(part, dtype) for part in parts])


def _applied(keys: Iterable[BatchKey]) -> list[AppliedRange]:
    streams: dict[StreamId, RangeSet] = {}
    for key in keys:
        streams.setdefault(StreamId(*key[:4]), RangeSet()).add(key.sequence)
    return [(id_, *range_) for id_, ranges in streams.items() for range_ in ranges]


def _latest(
    index: MemoryIndex, points: Columns, segments: Sequence[int], counts: Sequence[int]
) -> dict[int, Point]:
    """Points later than those the index has; of points of one time, the one that came last."""
    if not segments:
        return {}
    time_ms = points["ts"]
    ends = np.cumsum(np.array(counts, np.int64))
    starts = ends - counts
    newest = np.maximum.reduceat(time_ms, starts)
    at = ends - 1
    for segment in np.flatnonzero(time_ms[at] != newest):
        backwards = time_ms[starts[segment] : ends[segment]][::-1]
        at[segment] -= int(np.argmax(backwards))
    # By series and time; of equal times the order stays, so that the last of each series is its latest.
    ids = np.array(segments)
    order = np.lexsort((newest, ids))
    ids, at = ids[order], at[order]
    is_last = np.append(ids[1:] != ids[:-1], True)
    ids, at = ids[is_last], at[is_last]
    columns = (ids, time_ms[at], points["value"][at], points["quality"][at])
    return {
        id_: Point(*row)
        for id_, *row in zip(*(column.tolist() for column in columns), strict=True)
        if row[0] >= index.latest_ms(id_)
    }
