"""The embedded series store: one DuckDB file, no server.

The points of an append, its new series and the batch keys that make it idempotent are written by
one statement, so in one transaction; what memory knows follows only after the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Final, Self

from collector.series.append_columns import Append, Columns, applied_columns, gather
from collector.series.contract import (
    Aggregate,
    BatchKey,
    Reach,
    Selector,
    SeriesBatch,
    SeriesInfo,
    SeriesPoints,
    check_query,
)
from collector.series.duckdb_file import DuckDbFile, FileKind
from collector.series.duckdb_query import count_points, forget_some, load_index, read_points
from collector.series.duckdb_threads import Cursor, DuckDbThreads, transaction
from collector.series.memory_index import MemoryIndex

SERIES_FILE: Final = FileKind(
    "series store",
    "campus_series_store",
    1,
    (
        "CREATE TABLE campus_series_store(version INTEGER)",
        """CREATE TABLE series(id INTEGER, school VARCHAR, gateway VARCHAR, quantity VARCHAR,
               device VARCHAR, place VARCHAR, model VARCHAR)""",
        # No primary key: it would cost ten times the disk. `applied` keeps the points unique.
        "CREATE TABLE points(series INTEGER, ts BIGINT, value DOUBLE, quality UTINYINT)",
        """CREATE TABLE applied(school VARCHAR, gateway VARCHAR, stream VARCHAR, generation VARCHAR,
               first UBIGINT, last UBIGINT)""",
    ),
)
COMPACT_ROWS: Final = 10_000
"""With so many rows `applied` is written anew as ranges, and again each time it has doubled."""
# One statement is one transaction; a data-modifying WITH runs whether it is read from or not.
# Separate statements between BEGIN and COMMIT cost a third more.
_INSERT: Final = """
    WITH a AS (INSERT INTO applied FROM new_applied)
    INSERT INTO points FROM new_points"""
_INSERT_WITH_SERIES: Final = """
    WITH a AS (INSERT INTO applied FROM new_applied), s AS (INSERT INTO series FROM new_series)
    INSERT INTO points FROM new_points"""


class DuckDbStore:
    """A SeriesStore in one file; what `append` returns has completed already, commits being durable.

    Of points with the same time, "latest" and raw order go by arrival; "first" and "last" of a
    window take any of them.
    """

    def __init__(self, file: DuckDbFile) -> None:
        self._file = file
        self._threads = DuckDbThreads(file, self._load, "series")
        self._index = MemoryIndex()
        self._applied_rows = 0
        self._compact_above = COMPACT_ROWS

    @classmethod
    async def open(cls, path: Path, *, memory_limit: str = "256MB", threads: int = 2) -> Self:
        """Opens the file or creates it. Raises StoreFileError, whose message is for an operator.

        `memory_limit` bounds what DuckDB holds in memory, `threads` how many cores it uses.
        """
        store = cls(DuckDbFile(path, SERIES_FILE, memory_limit=memory_limit, threads=threads))
        await store._threads.open()
        return store

    def _load(self, cursor: Cursor) -> None:
        self._index, self._applied_rows = load_index(cursor)

    async def append(self, batches: Sequence[SeriesBatch]) -> Awaitable[None]:
        """See SeriesStore.append."""
        await self._threads.write(lambda writer: self._append(writer, batches))
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        durable.set_result(None)
        return durable

    def _append(self, writer: Cursor, batches: Sequence[SeriesBatch]) -> None:
        append = gather(self._index, batches)
        if append is None:
            return
        if self._applied_rows > self._compact_above:
            self._compact_applied(writer)
        self._insert(writer, append)
        self._applied_rows += len(append.applied)
        append.update(self._index)

    def _insert(self, writer: Cursor, append: Append) -> None:
        sql, series = _INSERT, None
        if append.new_series:
            sql, series = _INSERT_WITH_SERIES, append.series_columns(len(self._index) + 1)
        _execute(writer, sql, append.points, applied_columns(append.applied), series)

    def _compact_applied(self, writer: Cursor) -> None:
        ranges = list(self._index.applied())
        with transaction(writer):
            writer.execute("DELETE FROM applied")
            _execute(writer, "INSERT INTO applied FROM new_applied", None, applied_columns(ranges), None)
        self._applied_rows = len(ranges)
        self._compact_above = max(COMPACT_ROWS, 2 * len(ranges))

    async def series(self, selector: Selector = Selector()) -> list[SeriesInfo]:  # noqa: B008  # immutable
        """See SeriesStore.series; answered from memory."""
        return self._index.select(selector)

    async def query(
        self,
        series_ids: Sequence[int],
        start_ms: int,
        end_ms: int,
        *,
        step_ms: int | None = None,
        aggregate: Aggregate = "mean",
    ) -> list[SeriesPoints]:
        """See SeriesStore.query. Raises ValueError for a step below 1 ms or an unknown aggregate."""
        check_query(step_ms, aggregate)
        infos = [info for id_ in dict.fromkeys(series_ids) if (info := self._index.info(id_))]
        ids = [info.id for info in infos]
        found = await self._threads.read(
            lambda cursor: read_points(cursor, ids, start_ms, end_ms, step_ms, aggregate)
        )
        return [SeriesPoints(info, *columns) for info, columns in zip(infos, found, strict=True)]

    async def point_count(self) -> int:
        """See SeriesStore.point_count."""
        return await self._threads.read(count_points)

    async def taken(self, keys: Sequence[BatchKey]) -> frozenset[BatchKey]:
        """See SeriesStore.taken."""
        # In the thread that changes the index.
        return await self._threads.write(lambda _: frozenset(key for key in keys if self._index.has(key)))

    async def forget(self, before_ms: int) -> int:
        """See SeriesStore.forget; the batches of what is forgotten stay known."""
        return await self._threads.write(lambda writer: forget_some(writer, self._index, before_ms))

    async def kept_from_ms(self) -> int:
        """See SeriesStore.kept_from_ms."""
        return 0

    def reach(self) -> Reach:
        """See SeriesStore.reach."""
        return Reach()

    async def close(self) -> None:
        """Waits for what is under way and checkpoints the file; a second call does nothing."""
        await self._threads.close()


def _execute(
    writer: Cursor,
    sql: str,
    new_points: Columns | None,  # noqa: ARG001  # DuckDB finds the columns by these names:
    new_applied: Columns,  # noqa: ARG001  # half the price of registering them
    new_series: Columns | None,  # noqa: ARG001
) -> None:
    writer.execute(sql)
