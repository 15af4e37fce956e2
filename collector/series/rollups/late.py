"""Points that are older than points are kept: what of a batch goes where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from collector.series.contract import BatchKey, SeriesBatch
from collector.series.memory_index import Origin, SeriesName
from collector.series.rollups.rows import Column
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
        time_ms = np.asarray(body.time_ms, np.int64)
        late = (time_ms >= merged_to(batch.key)) & (time_ms < split_ms)
        here = np.repeat(np.arange(len(body.series), dtype=np.int32), body.counts)[late]
        present, places = np.unique(here, return_inverse=True)
        origin = Origin(batch.key.school, batch.key.gateway)
        names += [SeriesName(origin, body.series[at]) for at in present.tolist()]
        quality = np.asarray(body.quality, np.uint8) | np.uint8(pack_quality(0, batch.clock))
        value = np.asarray(body.value, np.float64)[late]
        parts.append(LatePoints([], (places + base).astype(np.int32), time_ms[late], value, quality[late]))
    columns: list[Column] = [np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]]
    return LatePoints(names, *columns)


def since(batch: SeriesBatch, split_ms: int) -> SeriesBatch:
    """The batch without its points before a time."""
    body = batch.body
    time_ms = np.asarray(body.time_ms, np.int64)
    kept = time_ms >= split_ms
    of_series = np.repeat(np.arange(len(body.series)), body.counts)[kept]
    counts = np.bincount(of_series, minlength=len(body.series)).tolist()
    left = body._replace(
        series=[key for key, count in zip(body.series, counts, strict=True) if count],
        counts=[count for count in counts if count],
        time_ms=time_ms[kept].data,
        value=np.asarray(body.value, np.float64)[kept].data,
        quality=np.asarray(body.quality, np.uint8)[kept].data,
    )
    return batch._replace(body=left)
