"""Whether rollups.duckdb is the file that the run before has left here, or a copy of an earlier time.

A copy does not know what has come since it was made: neither rows nor marks of it. So each run leaves a word
in the file and in a small one beside it, of which the file also notes when its inode last changed. A backup of
the file differs in the word, a whole folder that was put back in the time. A whole disk that was put back
differs in nothing; who deletes the small file makes it a copy.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import duckdb

from collector.series.duckdb_threads import Cursor, transaction
from foundation.wholefile import write_whole


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".run")


def is_copy(writer: Cursor, path: Path) -> bool:
    """Not so for a file of a version that left no word, nor anything beside it. Raises OSError."""
    try:
        found = writer.execute("SELECT word, changed_ns FROM run").fetchall()
    except duckdb.CatalogException:
        found = []
    try:
        with beside(path).open(encoding="ascii", errors="replace") as file:
            left = (file.read(100), os.fstat(file.fileno()).st_ctime_ns)
    except FileNotFoundError:
        return bool(found)
    return found != [left]


def leave_word(writer: Cursor, path: Path) -> None:
    """Raises OSError. Where it fails half way, the next run takes the file for a copy."""
    word = secrets.token_hex(8)
    write_whole(beside(path), word.encode())
    changed_ns = beside(path).stat().st_ctime_ns
    with transaction(writer):
        writer.execute("CREATE TABLE IF NOT EXISTS run(word VARCHAR, changed_ns BIGINT)")
        writer.execute("DELETE FROM run")
        writer.execute("INSERT INTO run VALUES (?, ?)", [word, changed_ns])
