"""Looks into a buffer file from outside, also while a gateway works with it. Never writes."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from edge_agent.buffer.contract import BufferStats
from edge_agent.buffer.store import DamagedError, Store


class BufferUnreadableError(Exception):
    """There is no readable buffer file; the message says why."""


def read_stats(path: Path) -> BufferStats:
    """The file's figures. Raises BufferUnreadableError."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            file.execute("BEGIN")  # one moment of the file, not one for each question
            return Store(file).stats()
    except (sqlite3.Error, DamagedError) as error:
        raise BufferUnreadableError(
            f"{path}: {error}; the gateway makes the file when it first runs, and mends it when it starts"
        ) from error
