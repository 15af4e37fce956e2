"""The gaps still to be declared: neighbours are merged, so that a long loss stays one row."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from edge_agent.buffer.layout import small_crc
from telemetry.batch import Gap


class GapTable:
    """Table `gap`. A gap that has been handed out is not merged any more, because its delivery is
    reported by its exact content; at most as many as one `oldest` returns are in that state.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._handed_out: set[int] = set()

    def add(self, gap: Gap) -> None:
        """Adds a gap inside the caller's transaction."""
        first, last, readings = gap.first, gap.last, gap.readings
        neighbours = self._connection.execute(
            "SELECT id, first, last, readings FROM gap WHERE stream = ? AND generation = ? AND reason = ?"
            " AND first <= ? AND last >= ? AND (readings < 0) = ? ORDER BY id",
            (gap.stream, gap.generation, gap.reason, last + 1, first - 1, readings < 0),
        ).fetchall()
        merged = [row for row in neighbours if row[0] not in self._handed_out]
        for _, other_first, other_last, other_readings in merged:
            first, last = min(first, other_first), max(last, other_last)
            readings = -1 if readings < 0 else readings + other_readings
        for id_, *_ in merged[1:]:
            self._connection.execute("DELETE FROM gap WHERE id = ?", (id_,))
        row = (gap.stream, gap.generation, first, last, gap.reason, readings)
        self._connection.execute(
            "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (merged[0][0] if merged else None, *row, small_crc("gap", *row)),
        )

    def oldest(self, limit: int) -> tuple[Gap, ...]:
        """The oldest gaps; rows that fail their checksum are left out (a header with them would be
        refused whole).
        """
        gaps: list[Gap] = []
        handed_out: set[int] = set()
        for id_, *row, crc in self._connection.execute("SELECT * FROM gap ORDER BY id"):
            if len(gaps) >= limit:
                break
            if crc == small_crc("gap", *row):
                gaps.append(Gap(*row))
                handed_out.add(id_)
        self._handed_out |= handed_out
        return tuple(gaps)

    def forget(self, gaps: Sequence[Gap]) -> None:
        """Deletes exactly these, inside the caller's transaction; unknown ones are fine."""
        for gap in gaps:
            found = self._connection.execute(
                "SELECT id FROM gap WHERE stream = ? AND generation = ? AND first = ? AND last = ?"
                " AND reason = ? AND readings = ? LIMIT 1",
                (gap.stream, gap.generation, gap.first, gap.last, gap.reason, gap.readings),
            ).fetchone()
            if found:
                self._connection.execute("DELETE FROM gap WHERE id = ?", found)
                self._handed_out.discard(found[0])
