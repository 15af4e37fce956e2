"""The threads that work on a DuckDB file: one writes, two read.

After a failed transaction the file is opened anew and believed, at the latest by the next who uses it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import duckdb
import structlog

from collector.series.contract import StoreFullError, StoreUnavailableError
from collector.series.duckdb_file import (
    DamagedFileError,
    DuckDbFile,
    StoreDamagedError,
    StoreFileError,
    first_line,
    is_damage,
)

_READERS: Final = 2
Cursor = duckdb.DuckDBPyConnection
T = TypeVar("T")
log = structlog.get_logger()


class DuckDbThreads:
    """`load` reads what memory keeps of the file; it runs in the thread that writes, after every opening.

    What the file has no room for is StoreFullError, what cannot be read in it StoreDamagedError, everything
    else of DuckDB's StoreUnavailableError.
    """

    def __init__(self, file: DuckDbFile, load: Callable[[Cursor], None], name: str) -> None:
        self._file = file
        self._load = load
        self._name = name
        self._broken = False
        self._closed = False
        self._write_thread = ThreadPoolExecutor(1, f"{name}-write")
        self._read_threads = ThreadPoolExecutor(_READERS, f"{name}-read")

    async def open(self) -> None:
        """Opens the file or creates it. Raises StoreFileError; the threads are gone then."""
        try:
            await self._in_writer(self._open)
        except BaseException:
            await self.close()
            raise

    def _open(self) -> None:
        self._file.open()
        try:
            self._load(self._file.writer)
        except duckdb.Error as error:
            raise DamagedFileError(
                f"{self._file.path} is damaged: {first_line(error)}; "
                "restore it from a backup, or move it away"
            ) from error

    async def write(self, work: Callable[[Cursor], T]) -> T:
        """Runs `work` after what was given before; of several statements it makes a transaction itself."""
        return await self._in_writer(lambda: self._write(work))

    def _write(self, work: Callable[[Cursor], T]) -> T:
        self._recover()
        try:
            return work(self._file.writer)
        except duckdb.Error as error:
            self._broken = True
            # At once rather than at the next write: after some faults not even reads work.
            with contextlib.suppress(StoreUnavailableError):
                self._recover()
            raise _as_unavailable(error) from error

    def _recover(self) -> None:
        if not self._broken:
            return
        try:
            self._file.reopen()
            self._load(self._file.writer)
        except (DamagedFileError, duckdb.CatalogException) as error:
            raise StoreDamagedError(first_line(error)) from error
        except StoreFileError as error:
            raise StoreUnavailableError(first_line(error)) from error
        except duckdb.Error as error:
            raise _as_unavailable(error) from error
        self._broken = False

    async def begin_anew(self, take_away: Callable[[], None], begin: Callable[[Cursor], None]) -> None:
        """Closes the file, has it taken away, and creates another, into which `begin` writes first. Raises
        StoreUnavailableError; then there is no file until a later call has worked.
        """
        await self._in_writer(lambda: self._begin_anew(take_away, begin))

    def _begin_anew(self, take_away: Callable[[], None], begin: Callable[[Cursor], None]) -> None:
        self._broken = True
        taken_away = False

        def take() -> None:
            nonlocal taken_away
            take_away()
            taken_away = True

        try:
            self._file.replace(take)
            begin(self._file.writer)
            self._load(self._file.writer)
        except (StoreFileError, OSError, duckdb.Error) as error:
            if taken_away:
                self._file.remove()  # half begun, it must not be taken for a whole one
            raise StoreUnavailableError(first_line(error)) from error
        self._broken = False

    async def read(self, work: Callable[[Cursor], T]) -> T:
        """Runs `work` with a cursor that sees what was committed."""
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
            kind = StoreDamagedError if is_damage(error) else StoreUnavailableError
            raise kind(first_line(error)) from error

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
            log.warning("a file was closed without a checkpoint", file=self._name, error=first_line(error))
        self._file.close()

    async def _in_writer(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, work)


@contextlib.contextmanager
def transaction(writer: Cursor) -> Iterator[None]:
    """All statements inside, or none of them."""
    writer.begin()
    try:
        yield
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            writer.rollback()
        raise
    writer.commit()


def _as_unavailable(error: duckdb.Error) -> StoreUnavailableError:
    """Input and output, memory, locks, and what follows from them: not what was to be written."""
    if is_damage(error):
        return StoreDamagedError(first_line(error))
    outer = isinstance(error, duckdb.OperationalError | duckdb.FatalException)
    return (StoreFullError if outer else StoreUnavailableError)(first_line(error))
