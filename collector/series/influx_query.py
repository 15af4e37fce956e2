"""Questions in InfluxQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from collector.series.contract import POINTS_MAX, Aggregate, QueryTooLargeError, StoreAwayError
from collector.series.metric_names import CLOCK, LABELS, QUALITY, labels_of, metric_of, name_of
from collector.series.server_index import Entry
from collector.series.server_wire import RefusedError, ServerWire
from collector.series.windows import Question, SeriesColumns
from telemetry.quality import pack_quality

_FUNCTIONS: Final[dict[Aggregate, str]] = {
    "mean": 'mean("value")',
    "min": 'min("value")',
    "max": 'max("value")',
    "sum": 'sum("value")',
    "count": 'count("value")',
    "first": 'first("value")',
    "last": 'last("value")',
}
_QUALITY: Final = f'"{QUALITY[1:]}"'
_CLOCK: Final = f'"{CLOCK[1:]}"'
_WRONG: Final = "InfluxDB answers with something else than points"


class Series(msgspec.Struct):
    """One series of an answer; the first column is the time in ms."""

    name: str
    values: list[list[float | None]]
    tags: dict[str, str] = {}


class _AnySeries(msgspec.Struct):
    columns: list[str]
    values: list[list[Any]] = []


S = TypeVar("S")


class _Result(msgspec.Struct):
    series: list[Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result]


class _AnyResult(msgspec.Struct):
    series: list[_AnySeries] = []
    error: str = ""


class _AnyAnswer(msgspec.Struct):
    results: list[_AnyResult]


def quoted(text: str) -> str:
    # No backslash: labels have none.
    return "'" + text.replace("'", "\\'") + "'"


def quoted_name(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def ask(wire: ServerWire, database: str, query: str) -> list[Series]:
    """The series of all statements. Raises StoreAwayError, RefusedError, QueryTooLargeError."""
    answer = _ask(wire, database, query, _Answer)
    return [series for result in answer.results for series in _checked(result.error, result.series)]


def ask_any(wire: ServerWire, database: str, query: str) -> list[dict[str, Any]]:
    """The rows of an answer that is no series of points. Raises as `ask`."""
    answer = _ask(wire, database, query, _AnyAnswer)
    found = [series for result in answer.results for series in _checked(result.error, result.series)]
    return [dict(zip(one.columns, row, strict=False)) for one in found for row in one.values]


def _ask(wire: ServerWire, database: str, query: str, answer_type: type[S]) -> S:
    data = wire.ask("/query", [("db", database), ("epoch", "ms"), ("q", query)])
    try:
        return msgspec.json.decode(data, type=answer_type)
    except msgspec.MsgspecError as error:
        raise StoreAwayError(_WRONG) from error


def _checked(error: str, series: list[S]) -> list[S]:
    if not error:
        return series
    if "not found" in error:
        raise StoreAwayError("InfluxDB has no such database; create it, or see [store] database")
    raise RefusedError("an error in the answer")


def points(wire: ServerWire, database: str, entries: Sequence[Entry], asked: Question) -> list[SeriesColumns]:
    """One answer for each entry. Raises QueryTooLargeError."""
    found = {one.name: SeriesColumns([], [], [], []) for one in entries}
    rows = 0
    for series in ask(wire, database, ";".join(_statements(entries, asked))):
        name = name_of(series.name, series.tags)
        rows += len(series.values)
        if rows > POINTS_MAX:
            raise QueryTooLargeError(
                f"the answer would have more than {POINTS_MAX} rows; ask for a larger step or a shorter range"
            )
        if name in found:
            _append(found[name], series.values, asked)
    return [found[one.name] for one in entries]


def _statements(entries: Sequence[Entry], asked: Question) -> list[str]:
    """One for each metric."""
    by_metric: dict[str, list[str]] = {}
    for one in entries:
        labels = labels_of(one.name)
        conditions = [f"{quoted_name(label)}={quoted(labels.get(label, ''))}" for label in LABELS]
        by_metric.setdefault(metric_of(one.name.key.quantity), []).append(f"({' AND '.join(conditions)})")
    if asked.step_ms is None:
        columns, groups = f'"value",{_QUALITY},{_CLOCK}', "*"
    else:
        columns = f'{_FUNCTIONS[asked.aggregate]},max({_QUALITY}),max({_CLOCK}),count("value")'
        groups = "*" if asked.is_one_window else f"time({asked.step_ms}ms),* fill(none)"
    times = f"time >= {asked.start_ms}ms AND time < {asked.end_ms}ms"
    return [  # every text that is not ours is quoted
        f"SELECT {columns} FROM {quoted_name(metric)} WHERE ({' OR '.join(chosen)}) AND {times} "  # noqa: S608
        f"GROUP BY {groups} LIMIT {POINTS_MAX + 1}"
        for metric, chosen in by_metric.items()
    ]


def _append(columns: SeriesColumns, values: list[list[float | None]], asked: Question) -> None:
    step_ms = asked.step_ms
    for time_ms, value, quality, clock, *count in values:
        if time_ms is None or value is None:
            continue
        at_ms = int(time_ms)
        if step_ms is not None:
            # Without windows the server names the time of the first or last point.
            at_ms = (asked.start_ms if asked.is_one_window else at_ms) // step_ms * step_ms
        columns.time_ms.append(at_ms)
        columns.value.append(value)
        columns.quality.append(pack_quality(int(quality or 0), int(clock or 0)))
        columns.counts.append(int(count[0] or 0) if count else 1)
