"""A DuckDB file of the collector's own: creating, opening, locking, closing it.

DuckDB lets one process own a file. After some faults (a checkpoint that met a full disk) it
refuses everything until the file is opened anew, which works only once every cursor of the process
is closed: so all cursors are lent out here.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from collector.series.contract import StoreUnavailableError


class FileKind(NamedTuple):
    """What a file is: `name` in words, `mark` the table that holds its version, `schema` the statements that
    make an empty one, that table included; `fits` older versions that only need the new number.
    """

    name: str
    mark: str
    version: int
    schema: tuple[str, ...]
    fits: frozenset[int] = frozenset()


_MAGIC: Final = b"DUCK"
_MAGIC_OFFSET: Final = 8
"""https://duckdb.org/docs/stable/internals/storage: 8 bytes of checksum, then the magic bytes."""
_SPILL_BYTES_MAX: Final = "1GB"
_DAMAGE: Final = ("Corrupt ", "Could not read enough bytes", "not a valid DuckDB database file")
"""What DuckDB 2.0 says of blocks and logs that are not as they were written, also as the cause of others."""
_WANT: Final = ("could not allocate", "Cannot open file", "No space left")
"""What it says where the machine is to blame and not the file: memory, rights, handles, the disk."""


class StoreFileError(Exception):
    """The file cannot be used as a store; the message names the file and the remedy."""


class DamagedFileError(StoreFileError):
    """What is in the file cannot be read, or is nothing of ours."""


class StoreDamagedError(StoreUnavailableError):
    """The same, found while the file is in use: it is of no use to wait."""


class DuckDbFile:
    """An open file: one cursor to write with, and cursors lent out to read with.

    What blocks belongs to one thread; `reading` may be used from any.
    """

    def __init__(self, path: Path, kind: FileKind, *, memory_limit: str, threads: int) -> None:
        self.path = path
        self._kind = kind
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "max_temp_directory_size": _SPILL_BYTES_MAX,
            # Never fetch an extension from the network, whatever the file looks like.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._root: duckdb.DuckDBPyConnection | None = None
        self._writer: duckdb.DuckDBPyConnection | None = None
        self._lent = 0
        self._changed = threading.Condition()

    def open(self) -> None:
        """Opens the file, or creates it. Raises StoreFileError."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.path.exists() or self.path.stat().st_size == 0:
                self._create()
            with self.path.open("rb") as file:
                if file.read(_MAGIC_OFFSET + len(_MAGIC))[_MAGIC_OFFSET:] != _MAGIC:
                    raise DamagedFileError(
                        f"{self.path} is not a DuckDB file; move it away or name another file for the store"
                    )
            self._connect()
            self._check_schema()
        except OSError as error:
            raise StoreFileError(f"{self.path} cannot be opened: {error.strerror}") from error
        except duckdb.Error as error:
            raise _explain(self.path, error) from error

    def _create(self) -> None:
        """A whole empty store appears under its name at once, so that a crash leaves no half of one."""
        new = self.path.with_name(self.path.name + ".new")
        for leftover in (new, new.with_name(new.name + ".wal")):
            leftover.unlink(missing_ok=True)
        with contextlib.closing(duckdb.connect(str(new), config=self._config)) as connection:
            connection.begin()
            for statement in self._kind.schema:
                connection.execute(statement)
            connection.execute(f"INSERT INTO {self._kind.mark} VALUES (?)", [self._kind.version])  # noqa: S608  # ours
            connection.commit()
            connection.execute("CHECKPOINT")
        new.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _connect(self) -> None:
        root = duckdb.connect(str(self.path), config=self._config)
        try:
            self._writer = root.cursor()
        except duckdb.Error:
            root.close()
            raise
        self._root = root

    def _check_schema(self) -> None:
        kind = self._kind
        try:
            found = self.writer.execute(f"SELECT version FROM {kind.mark}").fetchall()  # noqa: S608  # ours
        except duckdb.CatalogException:
            found = []
        if found == [(kind.version,)]:
            return
        if len(found) == 1 and found[0][0] in kind.fits:
            self.writer.execute(f"UPDATE {kind.mark} SET version = ?", [kind.version])  # noqa: S608  # ours
            return
        self._disconnect()
        if not found:
            raise DamagedFileError(
                f"{self.path} is a DuckDB file but not a {kind.name}; name another file for the store"
            )
        raise StoreFileError(
            f"{self.path} has schema version {found[0][0]}, this program knows {kind.version}; "
            "run the program that wrote it, or name a new file for the store"
        )

    @property
    def writer(self) -> duckdb.DuckDBPyConnection:
        """The cursor of the thread that writes. Raises StoreUnavailableError while not open."""
        if self._writer is None:
            raise StoreUnavailableError(f"{self.path} is not open")
        return self._writer

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that sees what was committed. Raises StoreUnavailableError while not open."""
        with self._changed:
            if self._root is None:
                raise StoreUnavailableError(f"{self.path} is not open")
            cursor = self._root.cursor()
            self._lent += 1
        try:
            yield cursor
        finally:
            cursor.close()
            with self._changed:
                self._lent -= 1
                self._changed.notify_all()

    def reopen(self) -> None:
        """Waits for the cursors lent out and opens the file anew. Raises StoreFileError."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lent)
            self._disconnect()
            if not self.path.exists():
                raise DamagedFileError(f"{self.path} is gone; restore it from a backup")
            try:
                self._connect()
            except duckdb.Error as error:
                raise _explain(self.path, error) from error

    def close(self) -> None:
        """Waits for the cursors lent out; a second call does nothing."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lent)
            self._disconnect()

    def replace(self, take_away: Callable[[], None]) -> None:
        """Waits for the cursors lent out, has the file taken away, and creates another; who wants to read
        waits. Raises StoreFileError, and OSError of `take_away`.
        """
        with self._changed:
            self.close()
            take_away()
            self.open()

    def remove(self) -> None:
        """Closes the file and deletes it."""
        self.close()
        for path in (self.path, self.path.with_name(self.path.name + ".wal")):
            path.unlink(missing_ok=True)

    def _disconnect(self) -> None:
        for connection in (self._writer, self._root):
            if connection is not None:
                # Closing writes a checkpoint; where that fails the log still has everything.
                with contextlib.suppress(duckdb.Error):
                    connection.close()
        self._writer = self._root = None


def _explain(path: Path, error: duckdb.Error) -> StoreFileError:
    text = first_line(error)
    if "Could not set lock" in text:
        holder = re.search(r"\(PID (\d+)\)", text)
        who = f"process {holder[1]}" if holder else "another process"
        return StoreFileError(
            f"{path} is in use by {who}; stop that one first, or name another file for the store"
        )
    if any(word in text for word in _WANT) and not is_damage(error):
        return StoreFileError(f"{path} cannot be opened: {text}; the file itself may be sound")
    return DamagedFileError(
        f"{path} cannot be opened: {text}; restore the file (and {path.name}.wal) from a backup, "
        "or move both away to begin a new store"
    )


def is_damage(error: duckdb.Error) -> bool:
    """Whether what is in the file is not what was written into it."""
    return any(word in str(error) for word in _DAMAGE)


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
