"""Putting a damaged file aside and carrying what can still be read into a new one.

The steps are ordered so that a crash between any two of them is finished at the next start:
the new file is built beside the damaged one, then named `.salvaged`, then the damaged set is moved
aside, then the new file takes its place.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from edge_agent.buffer import pages
from edge_agent.buffer.disk import BALLAST_BYTES, means_full, sync_directory
from edge_agent.buffer.layout import PAGE_BYTES, SCHEMA, VERSION, write_generation
from edge_agent.buffer.salvage import Salvage, new_name

DAMAGED_SETS_MAX: Final = 3
_SIDE_FILES: Final = ("", "-wal", "-shm")


def connect(path: Path) -> sqlite3.Connection:
    """A connection on which each statement outside BEGIN and COMMIT is its own transaction."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    # A damaged text must come out as a text that fails its checksum, not as an exception.
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    return connection


def schema_is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the tables are, letter by letter, those of SCHEMA."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(SCHEMA)
        ours, theirs = (
            one.execute("SELECT type, name, sql FROM sqlite_schema").fetchall() for one in (model, connection)
        )
    return bool(ours == theirs)


def prepare(connection: sqlite3.Connection) -> None:
    """Sets what the buffer promises: every commit is synced. Reads the file, so may find it damaged."""
    # In KiB. A row is read once and sent: a larger cache would only cost memory.
    connection.execute("PRAGMA cache_size = -512")
    connection.execute("PRAGMA synchronous = FULL")
    # Folding the log in can make the file grow by the log's pages: on a full disk the ballast must
    # be room enough for that.
    connection.execute(f"PRAGMA wal_autocheckpoint = {BALLAST_BYTES * 3 // 4 // PAGE_BYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {BALLAST_BYTES}")


def create(path: Path) -> None:
    """A new, empty file at `path`, complete or not there at all."""
    building = beside(path, ".new")
    _remove_set(building)
    with closing(connect(building)) as connection:
        _lay_out(connection)
        write_generation(connection, 1, new_name(), 0, 0)
    building.replace(path)
    sync_directory(path.parent)


def quarantine(path: Path, connection: sqlite3.Connection | None) -> None:
    """Puts the damaged file at `path` aside; afterwards a new one with its sound rows is there.

    The connection to the damaged file, if there is one, is closed: after the files have moved, as
    SQLite would otherwise fold the damaged log into the file first. Raises sqlite3.Error or OSError
    when the disk takes not even an empty file.
    """
    sets = damaged_sets(path)
    so_far = max(sets, default=0) + 1
    for number in sets[: max(0, len(sets) - DAMAGED_SETS_MAX + 1)]:
        _remove_set(beside(path, f".damaged-{number}"))
    try:
        _salvage_into(beside(path, ".salvaged"), path, so_far, part_is_enough=False)
    except sqlite3.Error as error:
        if not means_full(error):
            raise
        for number in sets:
            _remove_set(beside(path, f".damaged-{number}"))
        _salvage_into(beside(path, ".salvaged"), path, so_far, part_is_enough=True)
    try:
        finish(path)
    finally:
        if connection:
            connection.close()


def _salvage_into(target: Path, damaged: Path, so_far: int, *, part_is_enough: bool) -> None:
    building = beside(damaged, ".new")
    _remove_set(building)
    with closing(connect(building)) as connection:
        _lay_out(connection)
        with pages.open_image(damaged) as image:
            Salvage(connection, image, part_is_enough=part_is_enough).run(so_far)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    building.replace(target)
    sync_directory(target.parent)


def _lay_out(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    # Synced when the log is folded in, at the end: until then nobody relies on this file.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def looks_like_ours(path: Path) -> bool:
    """Whether the first page begins as every page 1 of ours does. SQLite must not see one that does
    not: it would delete the log of an empty file, for one.
    """
    with path.open("rb") as file:
        header = file.read(PAGE_BYTES)
    return (
        len(header) == PAGE_BYTES
        and header.startswith(b"SQLite format 3\0")
        and header[16:20] == PAGE_BYTES.to_bytes(2, "big") + b"\2\2"
    )


def finish(path: Path) -> None:
    """Does what is left to do once a `.salvaged` file is complete."""
    salvaged = beside(path, ".salvaged")
    if not salvaged.exists():
        return
    number = max(damaged_sets(path), default=0) + 1
    for suffix in reversed(_SIDE_FILES):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.damaged-{number}{suffix}"))
    salvaged.replace(path)
    sync_directory(path.parent)


def damaged_sets(path: Path) -> list[int]:
    """Numbers of the sets put aside, oldest first."""
    pattern = re.compile(re.escape(path.name) + r"\.damaged-(\d+)(-wal|-shm)?")
    found = (pattern.fullmatch(entry.name) for entry in path.parent.iterdir())
    return sorted({int(match[1]) for match in found if match})


def remove_damaged_sets(path: Path) -> None:
    """What could be read of them is in the file; the rest may hold what has to be forgotten."""
    for number in damaged_sets(path):
        _remove_set(beside(path, f".damaged-{number}"))


@contextmanager
def overwriting(connection: sqlite3.Connection) -> Iterator[None]:
    """What is deleted meanwhile leaves zeros in the file, not its old bytes on a free page."""
    (before,) = connection.execute("PRAGMA secure_delete").fetchone()
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    try:
        yield
    finally:
        connection.execute(f"PRAGMA secure_delete = {('OFF', 'ON', 'FAST')[before]}").fetchall()


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _remove_set(path: Path) -> None:
    for suffix in _SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
