"""Bare stores, the peers of ours: they take the same points by the plainest means, which is the least that any
program has to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np

from collector.series.append_columns import Columns
from collector.series.contract import SeriesBatch


def plain_columns(call: Sequence[SeriesBatch]) -> Columns:
    """Columns of batches whose series are numbered in order."""
    bodies = [batch.body for batch in call]
    return {
        "series": np.concatenate(
            [np.repeat(np.arange(1, len(one.counts) + 1), one.counts) for one in bodies]
        ),
        "ts": np.concatenate([np.array(one.time_ms, np.int64) for one in bodies]),
        "value": np.concatenate([np.array(one.value, np.float64) for one in bodies]),
        "quality": np.concatenate([np.array(one.quality, np.uint8) for one in bodies]),
    }


def insert_all(path: Path, calls: Iterable[Columns]) -> float:
    """CPU-seconds of a bare DuckDB; `calls` may be made while it is measured."""
    with duckdb.connect(str(path), config={"memory_limit": "256MB", "threads": 2}) as connection:
        connection.execute("CREATE TABLE points(series INTEGER, ts BIGINT, value DOUBLE, quality UTINYINT)")
        started = time.process_time()
        for columns in calls:
            _insert(connection, columns)
        return time.process_time() - started


def _insert(connection: duckdb.DuckDBPyConnection, columns: Columns) -> None:  # noqa: ARG001  # found by name
    connection.execute("INSERT INTO points FROM columns")


def plain_lines(call: Sequence[SeriesBatch]) -> bytes:
    """Lines of batches, with all that names a series."""
    lines: list[str] = []
    for batch in call:
        at = 0
        for key, count in zip(batch.body.series, batch.body.counts, strict=True):
            building, _, room = key.place.partition("/")
            head = (
                f"environment,school={batch.key.school},gateway={batch.key.gateway},building={building},"
                f"room={room},device={key.device},model={key.model} {key.quantity}"
            )
            rows = zip(batch.body.time_ms[at : at + count], batch.body.value[at : at + count], strict=True)
            lines += [f"{head}={value} {time_ms}" for time_ms, value in rows]
            at += count
    return "\n".join(lines).encode()
