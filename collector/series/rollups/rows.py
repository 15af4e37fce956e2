"""Rows of roll-ups as columns, and the one way in which they are put together.

A point is a row of its own window with a count of 1, so that rolling up points, adding late ones to a
window that exists, and making hours of minutes are the same sum.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
Column = NDArray[Any]
Rows = dict[str, Column]
COLUMNS: Final = {
    "series": np.int32,
    "ts": np.int64,
    "n": np.int32,
    "low": np.float64,
    "high": np.float64,
    "mean": np.float64,
    "first": np.float64,
    "last": np.float64,
    "first_at": np.int32,
    "last_at": np.int32,
    "quality": np.uint8,
}
"""By name and type; `ts` is the window's start, `first_at` and `last_at` are ms after it."""


def of_points(
    series: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    value: NDArray[np.float64],
    quality: NDArray[np.uint8],
) -> Rows:
    """Minutes of points. Of points of one time and series, the last to come is the later."""
    at = (time_ms % MINUTE_MS).astype(np.int32)
    count = np.ones(len(time_ms), np.int32)
    values = dict.fromkeys(("low", "high", "mean", "first", "last"), value)
    minutes = time_ms - time_ms % MINUTE_MS
    return combine(
        {
            "series": series,
            "ts": minutes,
            "n": count,
            **values,
            "first_at": at,
            "last_at": at,
            "quality": quality,
        }
    )


def hours_of(minutes: Rows) -> Rows:
    """Hours of minutes."""
    time_ms = minutes["ts"].astype(np.int64)
    later = (time_ms % HOUR_MS).astype(np.int32)
    moved = {"first_at": minutes["first_at"] + later, "last_at": minutes["last_at"] + later}
    return combine({**minutes, "ts": time_ms - time_ms % HOUR_MS, **moved})


def combine(rows: Rows) -> Rows:
    """One row a series and window, in order of series and time."""
    if not len(rows["ts"]):
        return rows
    series, time_ms = rows["series"], rows["ts"]
    by_first = np.lexsort((rows["first_at"], time_ms, series))  # stable
    by_last = np.lexsort((rows["last_at"], time_ms, series))
    starts = starts_of(series[by_first], time_ms[by_first])
    ends = np.append(starts[1:], len(series)) - 1
    firsts, lasts = by_first[starts], by_last[ends]
    here = {name: column[by_first] for name, column in rows.items()}
    totals = np.add.reduceat(here["n"], starts)
    return {
        "series": here["series"][starts],
        "ts": here["ts"][starts],
        "n": totals.astype(np.int32),
        "low": np.minimum.reduceat(here["low"], starts),
        "high": np.maximum.reduceat(here["high"], starts),
        "mean": weighted_means(here["mean"], here["n"], starts),
        "first": rows["first"][firsts],
        "last": rows["last"][lasts],
        "first_at": rows["first_at"][firsts],
        "last_at": rows["last_at"][lasts],
        "quality": worst(here["quality"], starts),
    }


def starts_of(*sorted_columns: Column) -> NDArray[np.int64]:
    """Where rows begin that differ from the one before in one of the columns; there is a row."""
    changed: Column = np.zeros(len(sorted_columns[0]), bool)
    changed[0] = True
    for column in sorted_columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def weighted_means(means: Column, counts: Column, starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each group that begins at one of `starts`."""
    sizes = np.diff(starts, append=len(means))
    totals = np.add.reduceat(counts.astype(np.int64), starts)
    # Divided first: a sum of large numbers could leave what a double can hold.
    shares = means.astype(np.float64) * (counts / np.repeat(totals, sizes))
    found: NDArray[np.float64] = np.add.reduceat(shares, starts)
    return found


def worst(quality: Column, starts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The worst value quality and the worst clock of each group, packed."""
    packed = quality.astype(np.uint8)
    found: NDArray[np.uint8] = np.maximum.reduceat(packed & np.uint8(15), starts)
    return found | np.maximum.reduceat(packed & np.uint8(240), starts)


def empty() -> Rows:
    return {name: np.zeros(0, type_) for name, type_ in COLUMNS.items()}
