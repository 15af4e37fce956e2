"""The embedded series store: one DuckDB file, no server.

The points of an append, its new series and the batch keys that make it idempotent are written by
one statement, so in one transaction; what memory knows follows only after the commit. Writing has
a thread of its own, reading has two.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

import duckdb
import structlog

from collector.series.append_columns import Append, Columns, applied_columns, gather
from collector.series.contract import (
    Aggregate,
    Selector,
    SeriesBatch,
    SeriesInfo,
    SeriesPoints,
    StoreFullError,
    StoreUnavailableError,
    check_query,
)
from collector.series.duckdb_file import DuckDbFile, StoreFileError
from collector.series.duckdb_query import count_points, load_index, read_points
from collector.series.memory_index import MemoryIndex

COMPACT_ROWS: Final = 10_000
"""With so many rows `applied` is written anew as ranges, and again each time it has doubled."""
_READERS: Final = 2
# One statement is one transaction; a data-modifying WITH runs whether it is read from or not.
# Separate statements between BEGIN and COMMIT cost a third more.
_INSERT: Final = """
    WITH a AS (INSERT INTO applied FROM new_applied)
    INSERT INTO points FROM new_points"""
_INSERT_WITH_SERIES: Final = """
    WITH a AS (INSERT INTO applied FROM new_applied), s AS (INSERT INTO series FROM new_series)
    INSERT INTO points FROM new_points"""

T = TypeVar("T")
log = structlog.get_logger()


class DuckDbStore:
    """A SeriesStore in one file; what `append` returns has completed already, commits being durable.

    Of points with the same time, "latest" and raw order go by arrival; "first" and "last" of a
    window take any of them.
    """

    def __init__(self, file: DuckDbFile) -> None:
        self._file = file
        self._index = MemoryIndex()
        self._applied_rows = 0
        self._compact_above = COMPACT_ROWS
        self._broken = False
        self._closed = False
        self._write_thread = ThreadPoolExecutor(1, "series-write")
        self._read_threads = ThreadPoolExecutor(_READERS, "series-read")

    @classmethod
    async def open(cls, path: Path, *, memory_limit: str = "256MB", threads: int = 2) -> Self:
        """Opens the file or creates it. Raises StoreFileError, whose message is for an operator.

        `memory_limit` bounds what DuckDB holds in memory, `threads` how many cores it uses.
        """
        store = cls(DuckDbFile(path, memory_limit=memory_limit, threads=threads))
        try:
            await store._in_writer(store._open)
        except BaseException:
            await store.close()
            raise
        return store

    def _open(self) -> None:
        self._file.open()
        try:
            self._index, self._applied_rows = load_index(self._file.writer)
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise StoreFileError(
                f"{self._file.path} is damaged: {reason}; restore it from a backup, or move it away"
            ) from error

    async def append(self, batches: Sequence[SeriesBatch]) -> Awaitable[None]:
        """See SeriesStore.append."""
        await self._in_writer(lambda: self._append(batches))
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        durable.set_result(None)
        return durable

    def _append(self, batches: Sequence[SeriesBatch]) -> None:
        self._recover()
        append = gather(self._index, batches)
        if append is None:
            return
        try:
            if self._applied_rows > self._compact_above:
                self._compact_applied()
            self._insert(append)
        except duckdb.Error as error:
            self._broken = True
            # At once rather than at the next append: after some faults not even reads work.
            with contextlib.suppress(StoreUnavailableError):
                self._recover()
            raise _as_unavailable(error) from error
        self._applied_rows += len(append.applied)
        append.update(self._index)

    def _insert(self, append: Append) -> None:
        sql, series = _INSERT, None
        if append.new_series:
            sql, series = _INSERT_WITH_SERIES, append.series_columns(len(self._index) + 1)
        _execute(self._file.writer, sql, append.points, applied_columns(append.applied), series)

    def _compact_applied(self) -> None:
        ranges = list(self._index.applied())
        writer = self._file.writer
        writer.begin()
        writer.execute("DELETE FROM applied")
        _execute(writer, "INSERT INTO applied FROM new_applied", None, applied_columns(ranges), None)
        writer.commit()
        self._applied_rows = len(ranges)
        self._compact_above = max(COMPACT_ROWS, 2 * len(ranges))

    def _recover(self) -> None:
        """After a failed transaction: opens the file anew and believes what is in it."""
        if not self._broken:
            return
        try:
            self._file.reopen()
            self._index, self._applied_rows = load_index(self._file.writer)
        except (StoreFileError, duckdb.Error) as error:
            raise StoreUnavailableError(_first_line(error)) from error
        self._broken = False

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
        found = await self._in_reader(
            lambda cursor: read_points(cursor, ids, start_ms, end_ms, step_ms, aggregate)
        )
        return [SeriesPoints(info, *columns) for info, columns in zip(infos, found, strict=True)]

    async def point_count(self) -> int:
        """See SeriesStore.point_count."""
        return await self._in_reader(count_points)

    async def close(self) -> None:
        """Waits for what is under way and checkpoints the file; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._write_thread, self._close)
        self._write_thread.shutdown()
        self._read_threads.shutdown()

    def _close(self) -> None:
        try:
            self._file.writer.execute("CHECKPOINT")
        except StoreUnavailableError:
            pass
        except duckdb.Error as error:
            # Nothing is lost: the write-ahead log beside the file has it.
            log.warning("series store closed without a checkpoint", error=_first_line(error))
        self._file.close()

    async def _in_writer(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, work)

    async def _in_reader(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        if self._broken:
            await self._in_writer(self._recover)
        if self._closed:
            raise StoreUnavailableError("the store is closed")

        def read() -> T:
            with self._file.reading() as cursor:
                return work(cursor)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._read_threads, read)
        except duckdb.Error as error:
            raise StoreUnavailableError(_first_line(error)) from error


def _execute(
    writer: duckdb.DuckDBPyConnection,
    sql: str,
    new_points: Columns | None,  # noqa: ARG001  # DuckDB finds the columns by these names:
    new_applied: Columns,  # noqa: ARG001  # half the price of registering them
    new_series: Columns | None,  # noqa: ARG001
) -> None:
    writer.execute(sql)


def _as_unavailable(error: duckdb.Error) -> StoreUnavailableError:
    """Input and output, memory, locks, and what follows from them: not what was to be written."""
    outer = isinstance(error, duckdb.OperationalError | duckdb.FatalException)
    return (StoreFullError if outer else StoreUnavailableError)(_first_line(error))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
