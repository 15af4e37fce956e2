"""Windows that VictoriaMetrics aggregates itself.

A window [w, w + step) of whole milliseconds is the lookbehind of one step at w + step - 1 ms. The first
and the last window of a question may be cut; they are asked for by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from collector.series.contract import Aggregate
from collector.series.memory_index import SeriesName
from collector.series.metric_names import CLOCK, QUALITY, name_of, split_suffix
from collector.series.server_index import Entry
from collector.series.server_wire import ServerWire
from collector.series.victoria_answers import instant, parts, ranged, selector
from collector.series.windows import Question, SeriesColumns
from telemetry.quality import pack_quality

GRID_MAX: Final = 10_000
"""Windows of one request; the server's own limit is 30,000."""
_FUNCTIONS: Final[dict[Aggregate, str]] = {
    "mean": "avg_over_time",
    "min": "min_over_time",
    "max": "max_over_time",
    "sum": "sum_over_time",
    "count": "count_over_time",
    "first": "first_over_time",
    "last": "last_over_time",
}


class _Piece(NamedTuple):
    """Windows of `length_ms` that follow each other, or one that is cut."""

    start_ms: int
    length_ms: int
    windows: int


_Rows = dict[SeriesName, dict[int, dict[str, float]]]
"""By series, window and what was asked for."""


def aggregate_by_server(
    wire: ServerWire, entries: Sequence[Entry], asked: Question, step_ms: int
) -> list[SeriesColumns]:
    """One answer for each entry; only for ordinary numbers."""
    found: _Rows = {entry.name: {} for entry in entries}
    for what, suffix, function in (
        ("value", "", _FUNCTIONS[asked.aggregate]),
        ("count", "", "count_over_time"),
        ("quality", QUALITY, "max_over_time"),
        ("clock", CLOCK, "max_over_time"),
    ):
        for piece in _pieces(asked, step_ms):
            _ask(wire, entries, piece, (what, suffix, function), found, step_ms)
    return [_columns(found[entry.name]) for entry in entries]


def _pieces(asked: Question, step_ms: int) -> Iterator[_Piece]:
    at = asked.start_ms
    whole = -(-at // step_ms) * step_ms
    if at < whole:
        yield _Piece(at, min(whole, asked.end_ms) - at, 1)
        at = whole
    windows = max(asked.end_ms - at, 0) // step_ms
    for done in range(0, windows, GRID_MAX):
        yield _Piece(at + done * step_ms, step_ms, min(GRID_MAX, windows - done))
    at += windows * step_ms
    if at < asked.end_ms:
        yield _Piece(at, asked.end_ms - at, 1)


def _ask(
    wire: ServerWire,
    entries: Sequence[Entry],
    piece: _Piece,
    wanted: tuple[str, str, str],
    found: _Rows,
    step_ms: int,
) -> None:
    what, suffix, function = wanted
    first_ms = piece.start_ms + piece.length_ms - 1
    expressions = [
        f"{function}({selector(one, (suffix,))}[{piece.length_ms}ms]) keep_metric_names" for one in entries
    ]
    for part in parts(expressions):
        query = f"union({part})"
        samples: Iterator[tuple[dict[str, str], list[tuple[int, float]]]]
        if piece.windows == 1:
            samples = ((labels, [(first_ms, value)]) for labels, value in instant(wire, query, first_ms))
        else:
            last_ms = first_ms + (piece.windows - 1) * piece.length_ms
            samples = ranged(wire, query, first_ms, last_ms, piece.length_ms)
        for labels, rows in samples:
            name = name_of(split_suffix(labels.get("__name__", ""))[0], labels)
            if name in found:
                for time_ms, value in rows:
                    found[name].setdefault(time_ms - time_ms % step_ms, {})[what] = value


def _columns(rows: dict[int, dict[str, float]]) -> SeriesColumns:
    columns = SeriesColumns([], [], [], [])
    for window_ms, row in sorted(rows.items()):
        if "value" in row and "count" in row:
            columns.time_ms.append(window_ms)
            columns.value.append(row["value"])
            columns.quality.append(pack_quality(int(row.get("quality", 0)), int(row.get("clock", 0))))
            columns.counts.append(int(row["count"]))
    return columns
