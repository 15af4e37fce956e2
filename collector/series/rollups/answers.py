"""Which part of a question is answered from what, and how the parts become one answer.

Roll-ups answer for hours that are rolled up as they are, points for the others and for cut minutes at
either end. Before the time from which points are kept there is nothing but roll-ups: a minute or an hour
counts there where it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from collector.series.contract import POINTS_MAX, Aggregate, QueryTooLargeError, SeriesPoints
from collector.series.duckdb_threads import Cursor
from collector.series.rollups.rows import HOUR_MS, MINUTE_MS, Column, starts_of, weighted_means, worst
from collector.series.rollups.tables import WHOLE, Horizons, Table

TIME_MS_MAX: Final = -(-(2**53) // HOUR_MS) * HOUR_MS
"""No reading is later."""
RUNS_MAX: Final = 32
"""More stretches of points than this become one: a question each would take longer."""
_VALUES: Final[dict[Aggregate, str]] = {
    "mean": "sum(mean * n) / sum(n)",
    "min": "min(low)",
    "max": "max(high)",
    "sum": "sum(mean * n)",
    "count": "sum(n)::DOUBLE",
    "first": "arg_min(first, ts)",
    "last": "arg_max(last, ts)",
}
Span = tuple[int, int]
"""start ≤ time < end."""


class Plan(NamedTuple):
    """Disjoint stretches in order, by what answers for them."""

    points: tuple[Span, ...]
    minutes: tuple[Span, ...]
    hours: tuple[Span, ...]


def can_be_rolled(step_ms: int | None) -> bool:
    return step_ms is not None and step_ms % MINUTE_MS == 0 and step_ms < TIME_MS_MAX


def make_plan(start_ms: int, end_ms: int, step_ms: int, horizons: Horizons, marked: Sequence[int]) -> Plan:
    """For one gateway, of which the hours `marked` are not rolled up as they are."""
    start_ms, end_ms = max(start_ms, 0), min(end_ms, TIME_MS_MAX)
    if start_ms >= end_ms:
        return Plan((), (), ())
    points_ms = max(start_ms, horizons.raw)
    spans = [(max(hour_ms, points_ms), min(hour_ms + HOUR_MS, end_ms)) for hour_ms in marked]
    spans.append((points_ms, min(horizons.examined, end_ms)))
    if start_ms >= horizons.raw:
        spans.append((start_ms, min(-(-start_ms // MINUTE_MS) * MINUTE_MS, end_ms)))
    spans.append((max(end_ms - end_ms % MINUTE_MS, points_ms), end_ms))
    points = _joined(spans)
    if len(points) > RUNS_MAX:
        points = [(points[0][0], points[-1][1])]
    minutes: list[Span] = []
    hours: list[Span] = []
    for span in _between(points, start_ms, end_ms):
        _divide(span, step_ms, horizons.minutes, minutes, hours)
    return Plan(tuple(points), tuple(minutes), tuple(hours))


def _joined(spans: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _between(spans: Sequence[Span], start: int, end: int) -> list[Span]:
    """What is in none of them."""
    edges = [start, *(edge for span in spans for edge in span), end]
    return [(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high]


def _divide(span: Span, step_ms: int, minutes_ms: int, minutes: list[Span], hours: list[Span]) -> None:
    """Hours where they do, minutes elsewhere; before `minutes_ms` there are none."""
    start, end = span
    if start < minutes_ms:
        hours.append((start, min(end, minutes_ms)))
        start = min(end, minutes_ms)
    first, last = -(-start // HOUR_MS) * HOUR_MS, end - end % HOUR_MS
    if step_ms % HOUR_MS or first >= last:
        if start < end:
            minutes.append((start, end))
        return
    hours.append((first, last))
    minutes += [one for one in ((start, first), (last, end)) if one[0] < one[1]]


class Part(NamedTuple):
    """Rows of an answer: `place` says of which series, `order_ms` which of two rows of a window is later."""

    place: Column
    window_ms: Column
    value: Column
    quality: Column
    counts: Column
    order_ms: Column


def read_rolled(
    cursor: Cursor,
    table: Table,
    ids: Sequence[int],
    spans: Sequence[Span],
    step_ms: int,
    aggregate: Aggregate,
) -> Part:
    """Of series in ascending order of id, each named by its place in `ids`. Raises QueryTooLargeError."""
    within = " OR ".join(f"ts >= {start} AND ts < {end}" for start, end in spans)
    order = "min(ts)" if aggregate == "first" else "max(ts)"
    found = cursor.execute(
        f"""SELECT series, ts - ts % $step AS start, {_VALUES[aggregate]} AS value,
            max(quality & 15) | max(quality & 240) AS quality, sum(n)::BIGINT AS count, {order} AS at
        FROM (SELECT {WHOLE} FROM {table}) WHERE series IN (SELECT unnest($ids::INTEGER[]))
            AND ts >= $first AND ts < $end AND ({within})
        GROUP BY ALL LIMIT {POINTS_MAX + 1}""",  # noqa: S608  # our own names, and numbers
        {"step": step_ms, "ids": list(ids), "first": spans[0][0], "end": spans[-1][1]},
    ).fetchnumpy()
    check_rows(len(found["start"]))
    place = np.searchsorted(np.array(ids, np.int32), np.asarray(found["series"], np.int32))
    columns = zip(("start", "value", "quality", "count", "at"), _TYPES, strict=True)
    return Part(place, *(np.asarray(found[name], type_) for name, type_ in columns))


_TYPES: Final = (np.int64, np.float64, np.uint8, np.int64, np.int64)


def of_answers(answers: Sequence[SeriesPoints], span: Span) -> Part:
    """What a store says about a stretch of points."""
    sizes = [len(answer.time_ms) for answer in answers]
    time_ms, value, quality, counts = (
        np.array([number for part in column for number in part], type_)
        for column, type_ in zip(zip(*(one[1:] for one in answers), strict=True), _TYPES[:4], strict=True)
    )
    order = np.full(sum(sizes), span[0], np.int64)
    return Part(np.repeat(np.arange(len(answers)), sizes), time_ms, value, quality, counts, order)


def join(parts: Sequence[Part], aggregate: Aggregate) -> Part:
    """One row a series and window, in order. Raises QueryTooLargeError."""
    together = Part(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    if not len(together.place):
        return together
    by = np.lexsort((together.order_ms, together.window_ms, together.place))
    rows = Part(*(column[by] for column in together))
    starts = starts_of(rows.place, rows.window_ms)
    check_rows(len(starts))
    counts = np.add.reduceat(rows.counts, starts)
    return Part(
        rows.place[starts],
        rows.window_ms[starts],
        _values(rows, starts, aggregate),
        worst(rows.quality, starts),
        counts,
        rows.order_ms[starts],
    )


def _values(rows: Part, starts: Column, aggregate: Aggregate) -> Column:
    value = rows.value
    match aggregate:
        case "mean":
            return weighted_means(value, rows.counts, starts)
        case "sum" | "count":
            found: Column = np.add.reduceat(value, starts)
        case "min":
            found = np.minimum.reduceat(value, starts)
        case "max":
            found = np.maximum.reduceat(value, starts)
        case "first":
            found = value[starts]
        case "last":
            found = value[np.append(starts[1:], len(value)) - 1]
    return found


def check_rows(count: int) -> None:
    if count > POINTS_MAX:
        raise QueryTooLargeError(
            f"the answer would have more than {POINTS_MAX} rows; ask for a larger step or a shorter range"
        )
