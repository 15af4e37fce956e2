"""The questions asked of the DuckDB file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import duckdb
import numpy as np

from collector.series.contract import POINTS_MAX, Aggregate, Point, QueryTooLargeError
from collector.series.memory_index import AppliedRange, MemoryIndex, Origin, SeriesName, StreamId
from telemetry.readings import SeriesKey

TIME_MS_MAX: Final = 2**53
"""No reading is later: the decoder refuses it."""
FORGET_STEP_MS: Final = 86_400_000
"""So much is deleted at a time, that appends need not wait long."""
_AGGREGATES: Final[dict[Aggregate, str]] = {
    "mean": "avg(value)",
    "min": "min(value)",
    "max": "max(value)",
    "sum": "sum(value)",
    "count": "count(*)::DOUBLE",
    "first": "arg_min(value, ts)",
    "last": "arg_max(value, ts)",
}
# No ORDER BY: so the limit ends a scan early, and DuckDB keeps the order in which rows came.
_RANGE: Final = f"""
    FROM points WHERE series IN (SELECT unnest($ids::INTEGER[])) AND ts >= $start AND ts < $end
    {{group}} LIMIT {POINTS_MAX + 1}"""
_RAW: Final = "SELECT series, ts, value, quality, 1 AS count" + _RANGE.format(group="")
_STEPPED: Final = """
    SELECT series, ts - ts % $step AS ts, {aggregate} AS value,
        max(quality & 15) | max(quality & 240) AS quality, count(*) AS count""" + _RANGE.format(
    group="GROUP BY ALL"
)
_LATEST: Final = """
    WITH newest AS (SELECT series, max(ts) AS ts FROM points GROUP BY series)
    SELECT series, ts, arg_max(value, points.rowid), arg_max(quality, points.rowid)
    FROM points JOIN newest USING (series, ts) GROUP BY series, ts ORDER BY series"""


class SeriesColumns(NamedTuple):
    """The rows of one series, in order of time; rows of one time in the order in which they came."""

    time_ms: list[int]
    value: list[float]
    quality: list[int]
    counts: list[int]


def read_points(
    cursor: duckdb.DuckDBPyConnection,
    ids: Sequence[int],
    start_ms: int,
    end_ms: int,
    step_ms: int | None,
    aggregate: Aggregate,
) -> list[SeriesColumns]:
    """One answer for each of `ids`. Raises QueryTooLargeError, KeyError for another aggregate."""
    sql = _RAW if step_ms is None else _STEPPED.format(aggregate=_AGGREGATES[aggregate])
    parameters: dict[str, object] = {
        "ids": list(ids),
        "start": min(max(start_ms, 0), TIME_MS_MAX),
        "end": min(max(end_ms, 0), TIME_MS_MAX),
    }
    if step_ms is not None:
        parameters["step"] = min(step_ms, TIME_MS_MAX)
    try:
        found = cursor.execute(sql, parameters).fetchnumpy()
    except duckdb.OutOfMemoryException as error:
        raise QueryTooLargeError("the question needs more memory than the store may use") from error
    if len(found["ts"]) > POINTS_MAX:
        raise QueryTooLargeError(
            f"the answer would have more than {POINTS_MAX} rows; ask for a larger step or a shorter range"
        )
    order = np.lexsort((found["ts"], found["series"]))  # stable
    series = found["series"][order]
    columns = [found[name][order] for name in ("ts", "value", "quality", "count")]
    answer = []
    for id_ in ids:
        low, high = np.searchsorted(series, [id_, id_ + 1])
        answer.append(SeriesColumns(*(column[low:high].tolist() for column in columns)))
    return answer


def forget_some(writer: duckdb.DuckDBPyConnection, index: MemoryIndex, before_ms: int) -> int:
    """Deletes a day's points, the oldest ones before a time, and gives how many; once there are none, makes
    their room free. The latest point of each series stays: what is listed is read from the points.
    """
    ids = range(1, len(index) + 1)
    latest = {  # noqa: F841  # DuckDB finds it by its name
        "series": np.array(ids, np.int32),
        "ts": np.array([index.latest_ms(id_) for id_ in ids], np.int64),
    }
    before_ms = min(max(before_ms, 0), TIME_MS_MAX)
    sql = "SELECT min(ts) FROM points p ANTI JOIN latest USING (series, ts) WHERE p.ts < $before"
    [(oldest_ms,)] = writer.execute(sql, {"before": before_ms}).fetchall()
    if oldest_ms is None:
        writer.execute("CHECKPOINT")
        return 0
    end_ms = min(before_ms, oldest_ms - oldest_ms % FORGET_STEP_MS + FORGET_STEP_MS)
    sql = """DELETE FROM points WHERE ts >= $start AND ts < $end
        AND NOT EXISTS (SELECT 1 FROM latest l WHERE l.series = points.series AND l.ts = points.ts)"""
    return int(writer.execute(sql, {"start": oldest_ms, "end": end_ms}).fetchall()[0][0])


def count_points(cursor: duckdb.DuckDBPyConnection) -> int:
    return int(cursor.execute("SELECT count(*) FROM points").fetchall()[0][0])


def load_index(cursor: duckdb.DuckDBPyConnection) -> tuple[MemoryIndex, int]:
    """The index of what the file holds, and the number of rows in `applied`."""
    names = [
        SeriesName(Origin(school, gateway), SeriesKey(*key))
        for _, school, gateway, *key in cursor.execute("SELECT * FROM series ORDER BY id").fetchall()
    ]
    latest = [Point(*row) for _, *row in cursor.execute(_LATEST).fetchall()]
    rows = cursor.execute("SELECT * FROM applied").fetchall()
    applied: list[AppliedRange] = [(StreamId(*stream), first, last) for *stream, first, last in rows]
    return MemoryIndex(names, latest, applied), len(rows)
