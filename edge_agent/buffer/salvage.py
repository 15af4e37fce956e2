"""Carries every row that is still sound from a damaged file into a new one."""

from __future__ import annotations

import secrets
import sqlite3
from collections import defaultdict
from typing import Any, Final

import structlog

from edge_agent.buffer.disk import means_full
from edge_agent.buffer.gap_table import GapTable
from edge_agent.buffer.layout import TABLE_COLUMNS, Row, is_sound, small_crc, split_key, write_generation
from edge_agent.buffer.pages import Image
from telemetry.batch import Gap, Stream
from telemetry.ranges import RangeSet

log = structlog.get_logger()

_COMMIT_ROWS: Final = 256
_HOLES_MAX: Final = 1_000
_STREAMS: Final[tuple[Stream, ...]] = ("urgent", "bulk")
# A row may be found twice, as it was and thinned; the thinned one is the newer.
_INSERT: Final = (
    f"INSERT INTO batch VALUES ({', '.join('?' * len(Row._fields))}) ON CONFLICT(key) DO UPDATE"  # noqa: S608  # no input
    " SET (readings, thinned, crc, body) = (excluded.readings, excluded.thinned, excluded.crc, excluded.body)"
    " WHERE excluded.thinned > thinned"
)


def new_name() -> str:
    """A generation's name: 16 random hexadecimal digits."""
    return secrets.token_hex(8)


class Salvage:
    """One salvage, from an image of the damaged file into a new, laid-out one.

    Urgent rows go first. With `part_is_enough` a full disk ends it early; otherwise the sqlite3
    error is passed on.
    """

    def __init__(self, connection: sqlite3.Connection, image: Image, *, part_is_enough: bool) -> None:
        self._connection = connection
        self._image = image
        self._part_is_enough = part_is_enough
        self._names: dict[int, str] = {}
        self._last: dict[tuple[int, Stream], int] = defaultdict(int)
        self._present: dict[tuple[int, Stream], RangeSet] = defaultdict(RangeSet)
        self._gaps: dict[int, Gap] = {}
        self._counters: dict[str, int] = {}
        self._received: list[tuple[int, int]] = []
        self._batches = 0

    def run(self, so_far: int) -> None:
        """`so_far`: how many files were damaged, this one included, should that counter be lost."""
        self._copy_batches("urgent")
        self._copy_batches("bulk")
        self._connection.execute("BEGIN")
        self._write_small_tables(so_far)
        missing = self._declare_missing()
        self._connection.execute("COMMIT")
        log.error("buffer file was damaged", batches_salvaged=self._batches, ranges_missing=missing)

    def _copy_batches(self, stream: Stream) -> None:
        pending: list[Row] = []
        try:
            for rowid, values in self._image.rows():
                table = TABLE_COLUMNS.get(len(values))
                if table == "batch":
                    row = Row(rowid, *values[1:])
                    if row.stream == stream and is_sound(row):
                        pending.append(row)
                elif table and stream == "urgent":
                    self._note(table, rowid, values)
                if len(pending) >= _COMMIT_ROWS:
                    self._insert(pending)
                    pending.clear()
            self._insert(pending)
        except sqlite3.Error as error:
            if not (self._part_is_enough and means_full(error)):
                raise
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _insert(self, rows: list[Row]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(_INSERT, rows)
        self._connection.execute("COMMIT")
        for row in rows:
            ordinal = split_key(row.key)[1]
            place = (ordinal, row.stream)
            self._names[ordinal] = row.generation
            self._batches += row.sequence not in self._present[place]
            self._present[place].add(row.sequence)
            self._last[place] = max(self._last[place], row.sequence)

    def _note(self, table: str, rowid: int, values: list[Any]) -> None:
        *content, crc = values[1:]
        named = [rowid, *content] if table in ("generation", "received") else content
        if crc != small_crc(table, *named):
            return
        if table == "generation":
            name, *last = content
            self._names[rowid] = name
            for stream, number in zip(_STREAMS, last, strict=True):
                self._last[rowid, stream] = max(self._last[rowid, stream], number)
        elif table == "gap":
            self._gaps[rowid] = Gap(*content)
        elif table == "counter":
            name, value = content
            self._counters[name] = max(value, self._counters.get(name, 0))
        else:
            self._received.append((rowid, crc))

    def _write_small_tables(self, so_far: int) -> None:
        execute = self._connection.execute
        for ordinal, name in self._names.items():
            write_generation(
                self._connection, ordinal, name, self._last[ordinal, "urgent"], self._last[ordinal, "bulk"]
            )
        write_generation(self._connection, max(self._names, default=0) + 1, new_name(), 0, 0)
        self._counters["quarantined"] = max(self._counters.get("quarantined", 0) + 1, so_far)
        for name, value in self._counters.items():
            execute(
                "INSERT INTO counter VALUES (NULL, ?, ?, ?)", (name, value, small_crc("counter", name, value))
            )
        self._connection.executemany("INSERT OR IGNORE INTO received VALUES (?, ?)", self._received)
        execute("DELETE FROM received WHERE key NOT IN (SELECT key FROM batch)")

    def _declare_missing(self) -> int:
        """Declares all numbers that are neither here nor already declared. Those that the collector
        has stored are among them: nobody here can tell any more, and to it that changes nothing.
        """
        table = GapTable(self._connection)
        for _, gap in sorted(self._gaps.items()):
            table.add(gap)
            if gap.reason != "thinned":
                for ordinal, name in self._names.items():
                    if name == gap.generation:
                        self._present[ordinal, gap.stream].add(gap.first, gap.last)
        count = 0
        for (ordinal, stream), last in self._last.items():
            holes = self._present[ordinal, stream].holes(1, last)
            if len(holes) > _HOLES_MAX:
                # Bounded: what is declared too much still comes, and is then known not to be lost.
                holes[_HOLES_MAX - 1 :] = [(holes[_HOLES_MAX - 1][0], holes[-1][1])]
            for first, end in holes:
                table.add(Gap(stream, self._names[ordinal], first, end, "damaged", -1))
            count += len(holes)
        return count
