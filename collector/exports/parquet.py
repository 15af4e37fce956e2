"""Points as an Apache Parquet file, written by DuckDB in a thread, piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from collector.exports.columns import ABOUT_COLUMNS, Labelled
from telemetry.quality import PACKED_NAMES

ROWS_MAX: Final = 20_000_000
"""About 200 MB of file."""
_MEMORY: Final = "256MB"


class TooManyRowsError(ValueError):
    """More points than one file may have."""


class ParquetFile:
    """One file in the making; `close` ends it, after which it is whole, or gone.

    folder: where the file and what does not fit in memory lie. Not for the event loop.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "export.parquet"
        self._rows = 0
        self._connection = duckdb.connect(
            str(folder / "export.duckdb"), config={"memory_limit": _MEMORY, "threads": 1}
        )
        texts = ", ".join(f"{name} VARCHAR" for name in ABOUT_COLUMNS)
        self._connection.execute(
            f"CREATE TABLE points (time TIMESTAMP_MS, {texts}, value DOUBLE, packed UTINYINT, count BIGINT)"
        )
        self._connection.execute("CREATE TABLE words (packed UTINYINT, quality VARCHAR, clock VARCHAR)")
        self._connection.executemany(
            "INSERT INTO words VALUES (?, ?, ?)", [(packed, *words) for packed, words in PACKED_NAMES.items()]
        )

    def add(self, piece: Labelled) -> None:
        """Raises TooManyRowsError."""
        points = piece.points
        self._rows += len(points.time_ms)
        if self._rows > ROWS_MAX:
            raise TooManyRowsError(f"more than {ROWS_MAX:,} points; ask for a shorter range or for windows")
        columns = {
            "time_ms": np.array(points.time_ms, np.int64),
            "value": np.array(points.value, np.float64),
            "packed": np.array(points.quality, np.uint8),
            "count": np.array(points.counts, np.int64),
        }
        self._connection.register("piece", columns)
        texts = ", ".join("?" for _ in piece.about)
        self._connection.execute(
            f"INSERT INTO points SELECT epoch_ms(time_ms)::TIMESTAMP_MS, {texts}, value, packed, count FROM piece",  # noqa: S608  # marks only
            list(piece.about),
        )
        self._connection.unregister("piece")

    def finish(self) -> Path:
        """Writes the file; where it is."""
        self._connection.execute(
            f"COPY (SELECT * EXCLUDE (packed, count), count FROM points JOIN words USING (packed) "  # noqa: S608  # a path of ours
            f"ORDER BY ALL) TO '{self.file}' (FORMAT parquet, COMPRESSION zstd)"
        )
        return self.file

    def close(self) -> None:
        self._connection.close()
