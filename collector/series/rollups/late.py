"""Points that are older than points are kept: what of a batch goes where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from collector.series.contract import BatchKey, SeriesBatch
from collector.series.memory_index import Origin, SeriesName
from collector.series.rollups.rows import Column
from telemetry.batch import Body
from telemetry.quality import pack_quality


class LatePoints(NamedTuple):
    """`series` are places in `names`, where a name may stand more than once."""

    names: list[SeriesName]
    series: Column
    time_ms: Column
    value: Column
    quality: Column


def late_points(
    batches: Sequence[SeriesBatch], merged_to: Callable[[BatchKey], int], split_ms: int
) -> LatePoints:
    """The points before `split_ms` that have not been merged, which those before `merged_to` have."""
    names: list[SeriesName] = []
    parts = [LatePoints([], *(np.zeros(0, type_) for type_ in (np.int32, np.int64, np.float64, np.uint8)))]
    for batch in batches:
        body, base = batch.body, len(names)
        time_ms = np.array(body.time_ms, np.int64)
        late = (time_ms >= merged_to(batch.key)) & (time_ms < split_ms)
        here = np.repeat(np.arange(len(body.series), dtype=np.int32), body.counts)[late]
        present, places = np.unique(here, return_inverse=True)
        origin = Origin(batch.key.school, batch.key.gateway)
        names += [SeriesName(origin, body.series[at]) for at in present.tolist()]
        quality = np.array(body.quality, np.uint8) | np.uint8(pack_quality(0, batch.clock))
        value = np.array(body.value, np.float64)[late]
        parts.append(LatePoints([], (places + base).astype(np.int32), time_ms[late], value, quality[late]))
    columns: list[Column] = [np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]]
    return LatePoints(names, *columns)


def since(batch: SeriesBatch, split_ms: int) -> SeriesBatch:
    """The batch without its points before a time."""
    body = batch.body
    series, counts, end = [], [], 0
    columns: tuple[list[int], list[float], list[int]] = ([], [], [])
    for key, count in zip(body.series, body.counts, strict=True):
        start, end = end, end + count
        kept = [at for at in range(start, end) if body.time_ms[at] >= split_ms]
        if kept:
            series.append(key)
            counts.append(len(kept))
            columns[0].extend(body.time_ms[at] for at in kept)
            columns[1].extend(body.value[at] for at in kept)
            columns[2].extend(body.quality[at] for at in kept)
    return batch._replace(body=Body(series, counts, *columns, body.records))
