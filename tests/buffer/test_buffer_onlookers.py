"""Somebody looks into the buffer while a gateway works with it: neither harms the other."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from edge_agent.buffer import SqliteBuffer
from edge_agent.buffer.peek import read_stats

CHILD = Path(__file__).with_name("append_until_killed.py")


def index_is_locked(folder: Path) -> bool:
    """Whether this process holds a lock on the shared memory file of the one buffer in a folder."""
    (index,) = folder.rglob("*-shm")
    rows = [line.split() for line in Path("/proc/locks").read_text("ascii").splitlines()]
    mine = {row[5].split(":")[2] for row in rows if row[4] == str(os.getpid())}
    return str(index.stat().st_ino) in mine


async def test_the_process_keeps_its_locks_on_the_index(
    tmp_path: Path, open_sqlite: Callable[..., Awaitable[SqliteBuffer]]
) -> None:
    await open_sqlite()
    assert index_is_locked(tmp_path), "the next onlooker would cut the file beneath SQLite's map"


def test_a_writer_outlives_its_onlookers(tmp_path: Path) -> None:
    path = tmp_path / "buffer.db"
    child = subprocess.Popen([sys.executable, str(CHILD), str(path), "1"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child:
        for _ in range(40):
            assert child.stdout.readline(), f"the writer has died: {child.poll()}"
            assert read_stats(path).batches >= 0
            with contextlib.closing(sqlite3.connect(path)) as onlooker:
                onlooker.execute("SELECT count(*) FROM batch").fetchall()
        child.kill()
    assert child.returncode == -9
