"""Readings and records as they come, collected into the body of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.batch import encode_body
from telemetry.packed import make_compressor

if TYPE_CHECKING:
    from telemetry.readings import Chunk, SeriesTable
    from telemetry.records import Record


class BatchBuilder:
    """Collects chunks and records until the batch is closed; then encodes the body and starts anew.

    Of readings of one series that come at the same time each is moved on to a millisecond of its own, from one
    batch to the next too: some stores keep one point a series and millisecond. Who comes with an older
    time keeps it.
    """

    def __init__(self, table: SeriesTable) -> None:
        self._table = table
        self._compressor = make_compressor()
        self._runs: dict[int, list[int]] = {}
        self._clear()

    def _clear(self) -> None:
        self._columns: dict[int, tuple[list[int], list[float], list[int]]] = {}
        self._records: list[Record] = []
        self.readings = 0

    @property
    def records(self) -> int:
        return len(self._records)

    def __bool__(self) -> bool:
        return bool(self.readings or self._records)

    def add(self, chunk: Chunk) -> None:
        by_series, runs = self._columns, self._runs
        for series, time_ms, value, quality in zip(
            chunk.series, chunk.time_ms, chunk.value, chunk.quality, strict=True
        ):
            # First and last of the milliseconds, one after another, that are taken.
            run = runs.get(series)
            if run is None:
                runs[series] = [time_ms, time_ms]
            elif time_ms > run[1]:
                if time_ms > run[1] + 1:
                    run[0] = time_ms
                run[1] = time_ms
            elif time_ms >= run[0]:
                time_ms = run[1] = run[1] + 1  # noqa: PLW2901  # said above
            column = by_series.get(series)
            if column is None:
                column = by_series[series] = ([], [], [])
            column[0].append(time_ms)
            column[1].append(value)
            column[2].append(quality)
        self.readings += len(chunk)

    def add_record(self, record: Record) -> None:
        self._records.append(record)

    def close(self, time_base_ms: int) -> bytes:
        """The encoded body of everything added so far; the builder is empty afterwards."""
        table, found = self._table, self._columns
        body = encode_body(
            [(table[series], *column) for series, column in found.items()],
            self._records,
            time_base_ms,
            self._compressor,
        )
        self._clear()
        return body
