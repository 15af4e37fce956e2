"""The transactions of the batch line in the records database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from collector.intake.finding import Finder, Row
from collector.intake.marks import Marks
from collector.intake.opening import Opened
from collector.records import Records, alerts, notices, personal, retention, streams, tombstones
from collector.records.notices import Outbox


class Committed(NamedTuple):
    """How much a transaction added, and the records it left out, by reason."""

    records: int
    alerts: int
    dropped: Counter[str]


class Commits:
    """Writes batches to the records database. The methods raise RecordsUnavailableError, and
    RowsRefusedError for a row that cannot be written; then nothing has changed.
    """

    def __init__(
        self,
        records: Records,
        marks: Marks,
        finder: Finder,
        outbox: Outbox,
        judges: Callable[[], bool] = lambda: True,
    ) -> None:
        """judges: whether by the clock of `now_ms` something may be called too old."""
        self._records = records
        self._marks = marks
        self._finder = finder
        self._outbox = outbox
        self._judges = judges

    async def received(self, batches: Sequence[Opened], now_ms: int) -> Committed:
        """One transaction: records, findings of the event rules, and the marks."""
        rows = [
            personal.rows_of(batch.key, batch.header.sequence, batch.header.clock, batch.body.records)
            for batch in batches
            if batch.body.records
        ]
        found = self._finder.in_events(batches, now_ms)
        due_ms = self._due_ms(now_ms)
        marks = self._marks.after("received", batches)

        def work(connection: Connection) -> Committed:
            added = personal.add(connection, rows, due_ms)
            raised = self._raise(connection, found, now_ms, due_ms)
            streams.save(connection, "received", marks, now_ms)
            return Committed(added.rows, raised, added.dropped)

        committed = await self._records.run(work)
        self._marks.keep("received", marks)
        return committed

    async def found(self, batches: Sequence[Opened], now_ms: int) -> int:
        """One transaction, if reading rules find anything: the alerts; how many are new."""
        if not self._finder.reads:
            return 0
        found = await asyncio.to_thread(self._finder.in_readings, batches, now_ms, self._due_ms(now_ms))
        if not found:
            return 0
        return await self._records.run(lambda connection: self._raise(connection, found, now_ms, now_ms))

    async def stored(self, batches: Sequence[Opened], now_ms: int) -> None:
        """One transaction: the marks, and the gaps that the headers declare."""
        marks = self._marks.after("stored", batches)
        gaps = [
            (batch.key.school, batch.key.gateway, batch.header.gaps) for batch in batches if batch.header.gaps
        ]

        def work(connection: Connection) -> None:
            streams.save(connection, "stored", marks, now_ms)
            for school, gateway, declared in gaps:
                streams.add_gaps(connection, school, gateway, declared)

        await self._records.run(work)
        self._marks.keep("stored", marks)

    def _due_ms(self, now_ms: int) -> int:
        """The time by which something is too old; 0: nothing is, while the clock is in doubt."""
        return now_ms if self._judges() else 0

    def _raise(self, connection: Connection, found: Sequence[Row], now_ms: int, due_ms: int) -> int:
        """Alerts, and with them what the notifiers have to tell; how many are new."""
        if not found:
            return 0
        fresh = alerts.add_fresh(connection, _nobody_erased(connection, found, due_ms))
        notices.add(connection, fresh, self._outbox, now_ms)
        return len(fresh)


def _nobody_erased(
    connection: Connection, rows: Sequence[dict[str, Any]], due_ms: int
) -> list[dict[str, Any]]:
    """An alarm is raised in any case, but it names nobody of whom nothing may be kept."""
    erased = tombstones.find(connection, {row["pseudonym"] for row in rows})

    def may_stay(row: dict[str, Any]) -> bool:
        record_type = row["record_type"]
        due = record_type is not None and row["at_ms"] < retention.oldest_kept_ms(record_type, due_ms)
        return not due and not erased.covers(row["pseudonym"], row["at_ms"])

    return [row if may_stay(row) else row | retention.STRIPPED for row in rows]
