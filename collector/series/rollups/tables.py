"""The tables of rollups.duckdb, and what is done to them: functions of a cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from collector.series.contract import Point
from collector.series.duckdb_file import FileKind
from collector.series.duckdb_threads import Cursor
from collector.series.memory_index import Origin, SeriesName, StreamId
from collector.series.rollups.ledger import Entry, Ledger
from collector.series.rollups.marks import Pair
from collector.series.rollups.rows import COLUMNS, Rows, combine
from telemetry.readings import SeriesKey

Table = Literal["minutes", "hours"]
NOTHING_EXAMINED: Final = 2**62
_ROW: Final = """series INTEGER, ts BIGINT, n INTEGER, low DOUBLE, high DOUBLE, mean DOUBLE, first DOUBLE,
    last DOUBLE, first_at INTEGER, last_at INTEGER, quality UTINYINT"""
_NARROW: Final = """series, ts, n, CASE WHEN low < high THEN low END, CASE WHEN low < high THEN high END,
    CASE WHEN low < high THEN mean ELSE low END, CASE WHEN low < high THEN first END,
    CASE WHEN low < high THEN last END, first_at, CASE WHEN first_at < last_at THEN last_at END, quality"""
"""How a row is written: what `mean` and `first_at` say as well is left out. Of a window with one point that
is more than half of the bytes.
"""
WHOLE: Final = """series, ts, n, coalesce(low, mean) AS low, coalesce(high, mean) AS high, mean,
    coalesce(first, mean) AS first, coalesce(last, mean) AS last, first_at,
    coalesce(last_at, first_at) AS last_at, quality"""
"""How it is read."""
ROLLUPS_FILE: Final = FileKind(
    "file of roll-ups",
    "campus_rollups",
    2,
    (
        "CREATE TABLE campus_rollups(version INTEGER)",
        """CREATE TABLE series(id INTEGER, school VARCHAR, gateway VARCHAR, quantity VARCHAR,
               device VARCHAR, place VARCHAR, model VARCHAR)""",
        f"CREATE TABLE minutes({_ROW})",
        f"CREATE TABLE hours({_ROW})",
        "CREATE TABLE marks(school VARCHAR, gateway VARCHAR, hour BIGINT)",
        """CREATE TABLE ledger(school VARCHAR, gateway VARCHAR, stream VARCHAR, generation VARCHAR,
               first UBIGINT, last UBIGINT, split BIGINT)""",
        "CREATE TABLE horizons(raw BIGINT, minutes BIGINT, hours BIGINT, examined BIGINT)",
        f"INSERT INTO horizons VALUES (0, 0, 0, {NOTHING_EXAMINED})",  # noqa: S608  # a number
    ),
    fits=frozenset({1}),  # whose rows have nothing left out
)


class Horizons(NamedTuple):
    """In ms. Points from `raw` on are in the store, and what is older was merged into roll-ups; minutes and
    hours are kept from `minutes` and `hours` on. Hours from `examined` on are rolled up or marked; of earlier
    ones nobody has looked yet whether the store has points.
    """

    raw: int
    minutes: int
    hours: int
    examined: int


class Contents(NamedTuple):
    """What memory keeps of the file."""

    names: dict[SeriesName, int]
    ledger: Ledger
    ledger_rows: int
    horizons: Horizons
    marks: list[Pair]


def load(cursor: Cursor) -> Contents:
    names = {
        SeriesName(Origin(school, gateway), SeriesKey(*key)): id_
        for id_, school, gateway, *key in cursor.execute("SELECT * FROM series ORDER BY id").fetchall()
    }
    rows = cursor.execute("SELECT * FROM ledger").fetchall()
    ledger = Ledger(Entry(StreamId(*row[:4]), *row[4:]) for row in rows)
    marks = [
        Pair(Origin(school, gateway), hour_ms)
        for school, gateway, hour_ms in cursor.execute("SELECT DISTINCT * FROM marks").fetchall()
    ]
    [horizons] = cursor.execute("SELECT * FROM horizons").fetchall()
    return Contents(names, ledger, len(rows), Horizons(*horizons), marks)


def add_marks(writer: Cursor, pairs: Iterable[Pair]) -> None:
    _insert(writer, "marks", [(*pair.origin, pair.hour_ms) for pair in pairs])


def remove_marks(writer: Cursor, origin: Origin, start_ms: int, end_ms: int) -> None:
    writer.execute(
        "DELETE FROM marks WHERE school = ? AND gateway = ? AND hour >= ? AND hour < ?",
        [*origin, start_ms, end_ms],
    )


def add_series(writer: Cursor, names: Iterable[tuple[int, SeriesName]]) -> None:
    _insert(writer, "series", [(id_, *name.origin, *name.key) for id_, name in names])


def add_to_ledger(writer: Cursor, entries: Iterable[Entry]) -> None:
    _insert(writer, "ledger", [(*entry.stream, *entry[1:]) for entry in entries])


def rewrite_ledger(writer: Cursor, entries: Iterable[Entry]) -> None:
    writer.execute("DELETE FROM ledger")
    add_to_ledger(writer, entries)


def _insert(writer: Cursor, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        places = ", ".join(["unnest(?)"] * len(columns))
        writer.execute(f"INSERT INTO {table} SELECT {places}", columns)  # our own names


def set_horizons(writer: Cursor, horizons: Horizons) -> None:
    writer.execute("UPDATE horizons SET raw = ?, minutes = ?, hours = ?, examined = ?", list(horizons))


def replace(writer: Cursor, table: Table, ids: Sequence[int], start_ms: int, end_ms: int, rows: Rows) -> None:
    """Puts rows in the place of those that these series have from start to end."""
    if ids:
        writer.execute(
            f"DELETE FROM {table} WHERE ts >= $start AND ts < $end "  # noqa: S608  # our own names
            "AND series IN (SELECT unnest($ids::INTEGER[]))",
            {"start": start_ms, "end": end_ms, "ids": list(ids)},
        )
    _append(writer, table, rows)


def merge(writer: Cursor, table: Table, rows: Rows) -> None:
    """Adds rows to those that their windows have already."""
    if not len(rows["ts"]):
        return
    new = {"series": rows["series"], "ts": rows["ts"]}  # noqa: F841  # DuckDB finds it by its name
    between = {"start": int(rows["ts"].min()), "end": int(rows["ts"].max())}
    found = writer.execute(
        f"SELECT {WHOLE} FROM {table} t SEMI JOIN new USING (series, ts) "  # noqa: S608  # our own names
        "WHERE t.ts >= $start AND t.ts <= $end",
        between,
    ).fetchnumpy()
    if len(found["ts"]):
        writer.execute(
            f"DELETE FROM {table} USING new WHERE {table}.series = new.series AND {table}.ts = new.ts "  # noqa: S608
            f"AND {table}.ts >= $start AND {table}.ts <= $end",
            between,
        )
        rows = combine({name: np.concatenate((found[name], rows[name])) for name in COLUMNS})
    _append(writer, table, rows)


def _append(writer: Cursor, table: Table, rows: Rows) -> None:
    columns = {name: np.asarray(rows[name], type_) for name, type_ in COLUMNS.items()}
    if len(columns["ts"]):
        writer.execute(f"INSERT INTO {table} SELECT {_NARROW} FROM columns")  # noqa: S608  # our own names


def delete_before(writer: Cursor, table: Table, before_ms: int) -> int:
    sql = f"DELETE FROM {table} WHERE ts < $before"  # noqa: S608  # our own names
    return int(writer.execute(sql, {"before": before_ms}).fetchall()[0][0])


def latest(cursor: Cursor, ids: Sequence[int]) -> dict[int, Point]:
    """The last point of each of these series, with the worst quality of its hour."""
    rows = cursor.execute(
        f"""SELECT series, max(ts + last_at), arg_max(last, ts), arg_max(quality, ts)
        FROM (SELECT {WHOLE} FROM hours)
        WHERE series IN (SELECT unnest($ids::INTEGER[])) GROUP BY series""",  # noqa: S608  # our own names
        {"ids": list(ids)},
    ).fetchall()
    return {id_: Point(*point) for id_, *point in rows}
