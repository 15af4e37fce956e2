"""Questions to VictoriaMetrics, so that it answers what the contract says.

Few points are fetched raw and put into windows here; many are aggregated by the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from collector.series.contract import POINTS_MAX, QueryTooLargeError
from collector.series.line_protocol import number_of
from collector.series.memory_index import SeriesName
from collector.series.metric_names import CLOCK, HIGH, LOW, QUALITY, SUFFIXES, name_of, split_suffix
from collector.series.server_index import Entry
from collector.series.server_wire import ServerWire
from collector.series.victoria_answers import Exported, exported, instant, parts, selector
from collector.series.victoria_grid import aggregate_by_server
from collector.series.windows import Question, SeriesColumns, aggregate_points
from telemetry.quality import pack_quality

RAW_POINTS: Final = 50_000
"""Up to so many points are fetched rather than aggregated by the server."""
RAW_POINTS_MAX: Final = 1_000_000
"""Of a question whose windows are finer than its points."""


def value_of(found: dict[str, float]) -> float | None:
    """The value of a point of which the metric and its companions are known, by suffix."""
    if HIGH in found and LOW in found:
        return number_of(int(found[HIGH]), int(found[LOW]))
    return found.get("")


def points(
    wire: ServerWire, entries: Sequence[Entry], asked: Question, raw_points: int
) -> list[SeriesColumns]:
    """One answer for each entry. Raises QueryTooLargeError."""
    step_ms = asked.step_ms
    if step_ms is None:
        answer = _raw(wire, entries, asked)
    else:
        total, odd = _count(wire, entries, asked)
        windows = (asked.end_ms - 1) // step_ms - asked.start_ms // step_ms + 1
        if total > raw_points and not odd and windows * len(entries) <= RAW_POINTS_MAX:
            answer = aggregate_by_server(wire, entries, asked, step_ms)
        elif total <= RAW_POINTS_MAX:
            answer = [aggregate_points(one, step_ms, asked.aggregate) for one in _raw(wire, entries, asked)]
        else:
            raise QueryTooLargeError(
                f"more than {RAW_POINTS_MAX} points, and windows too fine for the server; "
                "ask for a larger step or a shorter range"
            )
    if sum(len(one.time_ms) for one in answer) > POINTS_MAX:
        raise QueryTooLargeError(
            f"the answer would have more than {POINTS_MAX} rows; ask for a larger step or a shorter range"
        )
    return answer


def _count(wire: ServerWire, entries: Sequence[Entry], asked: Question) -> tuple[int, bool]:
    """Points in the range, and whether some are written by their bits."""
    window = f"[{asked.end_ms - asked.start_ms}ms]"
    total, odd = 0, False
    expressions = [
        f"count_over_time({selector(one, ('', HIGH))}{window}) keep_metric_names" for one in entries
    ]
    for part in parts(expressions):
        for labels, value in instant(wire, f"union({part})", asked.end_ms - 1):
            odd |= split_suffix(labels.get("__name__", ""))[1] == HIGH
            total += int(value)
    return total, odd


def _raw(wire: ServerWire, entries: Sequence[Entry], asked: Question) -> list[SeriesColumns]:
    found: dict[SeriesName, dict[str, Exported]] = {one.name: {} for one in entries}
    for one in exported(wire, entries, ("", *SUFFIXES), asked.start_ms, asked.end_ms):
        metric, suffix = split_suffix(one.metric.get("__name__", ""))
        name = name_of(metric, one.metric)
        if name in found:
            before = found[name].setdefault(suffix, one)
            if before is not one:
                before.values += one.values
                before.timestamps += one.timestamps
    return [_columns(found[one.name]) for one in entries]


def _columns(by_suffix: dict[str, Exported]) -> SeriesColumns:
    values = by_suffix.get("")
    if values is not None and len(by_suffix) == 1 and values.timestamps == sorted(values.timestamps):
        count = len(values.timestamps)
        return SeriesColumns(values.timestamps, values.values, [0] * count, [1] * count)
    rows: dict[int, dict[str, float]] = {}
    for suffix, one in by_suffix.items():
        for time_ms, value in zip(one.timestamps, one.values, strict=True):
            rows.setdefault(time_ms, {})[suffix] = value
    columns = SeriesColumns([], [], [], [])
    for time_ms, row in sorted(rows.items()):
        number = value_of(row)
        if number is not None:
            columns.time_ms.append(time_ms)
            columns.value.append(number)
            columns.quality.append(pack_quality(int(row.get(QUALITY, 0)), int(row.get(CLOCK, 0))))
            columns.counts.append(1)
    return columns
