"""Raw points of a series, put into windows here: for questions that a server does not answer exactly."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.series.contract import Aggregate

TIME_MS_MIN: Final = 946_684_800_000
"""2000-01-01: the intake refuses earlier times, and VictoriaMetrics answers nothing to a window that
reaches back to 1970.
"""
TIME_MS_MAX: Final = 9_223_372_036_000
"""Servers count in 64 bits of nanoseconds: until the year 2262."""


class SeriesColumns(NamedTuple):
    """The rows of one series, in order of time."""

    time_ms: list[int]
    value: list[float]
    quality: list[int]
    counts: list[int]


class Question(NamedTuple):
    """start ≤ time < end, both possible; windows of `step_ms`, or every point."""

    start_ms: int
    end_ms: int
    step_ms: int | None
    aggregate: Aggregate

    @property
    def is_empty(self) -> bool:
        return self.start_ms >= self.end_ms

    @property
    def is_one_window(self) -> bool:
        step_ms = self.step_ms
        return step_ms is not None and self.start_ms // step_ms == (self.end_ms - 1) // step_ms


def question(start_ms: int, end_ms: int, step_ms: int | None, aggregate: Aggregate) -> Question:
    """Within the times that a server knows."""
    start_ms, end_ms = (min(max(one, TIME_MS_MIN), TIME_MS_MAX) for one in (start_ms, end_ms))
    return Question(start_ms, end_ms, step_ms and min(step_ms, TIME_MS_MAX), aggregate)


def aggregate_points(raw: SeriesColumns, step_ms: int, aggregate: Aggregate) -> SeriesColumns:
    """Windows that have points, each named by its start."""
    if not raw.time_ms:
        return raw
    time_ms = np.array(raw.time_ms, np.int64)
    value = np.array(raw.value, np.float64)
    quality = np.array(raw.quality, np.uint8)
    window = time_ms - time_ms % step_ms
    starts = np.flatnonzero(np.diff(window, prepend=window[0] - 1))
    counts = np.diff(starts, append=len(window))
    worst = np.maximum.reduceat(quality & 15, starts) | np.maximum.reduceat(quality & 240, starts)
    values = _values(value, starts, counts, aggregate)
    return SeriesColumns(window[starts].tolist(), values.tolist(), worst.tolist(), counts.tolist())


def _values(
    value: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64], aggregate: Aggregate
) -> NDArray[np.float64]:
    match aggregate:
        case "mean":
            # Divided first: a sum of large numbers could leave what a double can hold.
            found: NDArray[np.float64] = np.add.reduceat(value / np.repeat(counts, counts), starts)
        case "sum":
            found = np.add.reduceat(value, starts)
        case "min":
            found = np.minimum.reduceat(value, starts)
        case "max":
            found = np.maximum.reduceat(value, starts)
        case "count":
            found = counts.astype(np.float64)
        case "first":
            found = value[starts]
        case "last":
            found = value[starts + counts - 1]
    return found
