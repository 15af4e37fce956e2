"""The two transactions of the batch line in the records database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection

from collector.intake.marks import Marks
from collector.intake.metrics import LineMetrics
from collector.intake.opening import Opened
from collector.records import Records, alerts, personal, retention, streams, tombstones
from collector.scenarios import EventRule
from foundation.logs import FirstOnly

log = structlog.get_logger()


class Committed(NamedTuple):
    """How much a transaction added, and the records it left out, by reason."""

    records: int
    alerts: int
    dropped: Counter[str]


class Commits:
    """Writes batches to the records database. Both methods raise RecordsUnavailableError, and
    RowsRefusedError for a row that cannot be written; then nothing has changed.
    """

    def __init__(
        self, records: Records, marks: Marks, rules: Sequence[EventRule], metrics: LineMetrics
    ) -> None:
        self._records = records
        self._marks = marks
        self._rules = rules
        self._metrics = metrics
        self._reported = FirstOnly()

    async def received(self, batches: Sequence[Opened], now_ms: int) -> Committed:
        """One transaction: records, findings of the event rules, and the marks."""
        rows = [
            personal.rows_of(batch.key, batch.header.sequence, batch.header.clock, batch.body.records)
            for batch in batches
            if batch.body.records
        ]
        found = [row for batch in batches for row in self._alert_rows(batch, now_ms)]
        marks = self._marks.after("received", batches)

        def work(connection: Connection) -> Committed:
            added = personal.add(connection, rows, now_ms)
            raised = alerts.add(connection, _nobody_erased(connection, found, now_ms)) if found else 0
            for key, ranges in marks.items():
                streams.save(connection, key, "received", ranges, now_ms)
            return Committed(added.rows, raised, added.dropped)

        committed = await self._records.run(work)
        self._marks.keep("received", marks)
        return committed

    async def stored(self, batches: Sequence[Opened], now_ms: int) -> None:
        """One transaction: the marks, and the gaps that the headers declare."""
        marks = self._marks.after("stored", batches)
        gaps = [
            (batch.key.school, batch.key.gateway, batch.header.gaps) for batch in batches if batch.header.gaps
        ]

        def work(connection: Connection) -> None:
            for key, ranges in marks.items():
                streams.save(connection, key, "stored", ranges, now_ms)
            for school, gateway, declared in gaps:
                streams.add_gaps(connection, school, gateway, declared)

        await self._records.run(work)
        self._marks.keep("stored", marks)

    def _alert_rows(self, batch: Opened, now_ms: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for rule in self._rules:
            try:
                rows += _findings(batch, rule, now_ms)
            except Exception as error:  # noqa: BLE001  # a faulty rule must not cost the record, or other rules
                name = type(rule).__name__
                self._metrics.rule_failures.labels(name).inc()
                if self._reported.first(name):
                    log.error(
                        "event rule failed, its alerts are missing", rule=name, error=type(error).__name__
                    )
        return rows


def _findings(batch: Opened, rule: EventRule, now_ms: int) -> list[dict[str, Any]]:
    batch_cause = "/".join(map(str, (*batch.key, batch.header.sequence)))
    return [
        {
            **finding._asdict(),
            "cause": f"{batch_cause}/{finding.kind}/{finding.cause}",
            "state": "open",
            "school": batch.key.school,
            "gateway": batch.key.gateway,
            "opened_ms": now_ms,
        }
        for finding in rule.findings(batch.body)
    ]


def _nobody_erased(
    connection: Connection, rows: Sequence[dict[str, Any]], now_ms: int
) -> list[dict[str, Any]]:
    """An alarm is raised in any case, but it names nobody of whom nothing may be kept."""
    erased = tombstones.find(connection, {row["pseudonym"] for row in rows})

    def may_stay(row: dict[str, Any]) -> bool:
        record_type = row["record_type"]
        due = record_type is not None and row["at_ms"] < retention.oldest_kept_ms(record_type, now_ms)
        return not due and not erased.covers(row["pseudonym"], row["at_ms"])

    return [row if may_stay(row) else row | retention.STRIPPED for row in rows]
