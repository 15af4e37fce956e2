"""Space on the disk: how much is free, and a ballast to throw off when nothing is."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

BALLAST_BYTES: Final = 256 * 1024

_FULL: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_CANTOPEN,
}
_DAMAGED: Final = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}


def means_full(error: sqlite3.Error) -> bool:
    """Whether an error says that the disk takes nothing more. A quota or a file size limit shows as
    a failed write, a missing byte for the shared memory as one of its errors.
    """
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code in _FULL


def means_damaged(error: sqlite3.Error) -> bool:
    """Whether an error says that what the disk gives back is not a database."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code in _DAMAGED or code & 0xFF == sqlite3.SQLITE_CORRUPT


def free_bytes(directory: Path) -> int:
    """Free for us on the directory's file system."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def sync_directory(directory: Path) -> None:
    """Makes renamed and new files of a directory survive a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Ballast:
    """A file that only takes up space. Deleting rows needs room in the write-ahead log: on a full
    disk the ballast goes first, and comes back when there is room again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.there = path.exists() and path.stat().st_size >= BALLAST_BYTES

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        self.there = False

    def restore(self) -> None:
        """Where there is room for it; otherwise the next call tries again."""
        if self.there or free_bytes(self._path.parent) < BALLAST_BYTES:
            return
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
            self.there = True
        except OSError:
            self._path.unlink(missing_ok=True)
