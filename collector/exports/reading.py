"""Reads many points of many series piece by piece, so that an export of a year needs little memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from collector.series.contract import Aggregate, QueryTooLargeError, SeriesPoints, SeriesStore

PIECE_MS_MIN: Final = 1_000
"""A second of one series with more points than an answer may have is refused as it is."""


class Wanted(NamedTuple):
    """Which points: start ≤ time < end, raw or by windows of `step_ms`."""

    series_ids: Sequence[int]
    start_ms: int
    end_ms: int
    step_ms: int | None = None
    aggregate: Aggregate = "mean"


async def pieces(store: SeriesStore, wanted: Wanted) -> AsyncIterator[SeriesPoints]:
    """The points series by series, each in order of time, in pieces that are never empty.

    Raises what `SeriesStore.query` raises.
    """
    for series_id in wanted.series_ids:
        start_ms, span_ms = wanted.start_ms, wanted.end_ms - wanted.start_ms
        while start_ms < wanted.end_ms:
            end_ms = min(wanted.end_ms, _aligned(start_ms + span_ms, wanted.step_ms))
            try:
                found = await store.query(
                    [series_id], start_ms, end_ms, step_ms=wanted.step_ms, aggregate=wanted.aggregate
                )
            except QueryTooLargeError:
                least_ms = max(PIECE_MS_MIN, wanted.step_ms or 0)
                if span_ms <= least_ms:
                    raise
                span_ms = max(least_ms, span_ms // 2)
                continue
            for one in found:
                if one.time_ms:
                    yield one
            start_ms = end_ms


def _aligned(time_ms: int, step_ms: int | None) -> int:
    """Moved on to the end of its window: a window must not be cut in two."""
    return time_ms if step_ms is None else -(-time_ms // step_ms) * step_ms
