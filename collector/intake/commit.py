"""The two transactions of the batch line in the records database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, insert, select

from collector.intake.marks import Marks
from collector.intake.metrics import LineMetrics
from collector.intake.opening import Opened
from collector.records import Records, alerts, streams
from collector.records.tables import morning_checks
from collector.scenarios import EventRule
from foundation.logs import FirstOnly
from telemetry.records import MorningCheck

log = structlog.get_logger()


class Committed(NamedTuple):
    """How much a transaction added."""

    records: int
    alerts: int


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
        checks = [(batch, rows) for batch in batches if (rows := _check_rows(batch))]
        found = [row for batch in batches for row in self._alert_rows(batch, now_ms)]
        marks = self._marks.after("received", batches)

        def work(connection: Connection) -> Committed:
            fresh = [row for batch, rows in checks for row in _without_known(connection, batch, rows)]
            if fresh:
                connection.execute(insert(morning_checks), fresh)
            added = alerts.add(connection, found) if found else 0
            for key, ranges in marks.items():
                streams.save(connection, key, "received", ranges, now_ms)
            return Committed(len(fresh), added)

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


def _check_rows(batch: Opened) -> list[dict[str, Any]]:
    header = batch.header
    return [
        {
            **batch.key._asdict(),
            "sequence": header.sequence,
            "position": position,
            "time_ms": check.time_ms,
            "device": check.device,
            "place": check.place,
            "site": check.site,
            "temperature_c": check.temperature_c,
            "ambient_c": check.ambient_c,
            "symptoms": ",".join(check.symptoms),
            "pseudonym": check.pseudonym,
            "class_id": check.class_id,
            "clock": int(header.clock),
        }
        for position, check in enumerate(batch.body.records)
        if isinstance(check, MorningCheck)
    ]


def _without_known(connection: Connection, batch: Opened, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leaves out what is there, should marks have been lost: a batch's rows come all or none."""
    table = morning_checks.c
    same = [table[name] == value for name, value in batch.key._asdict().items()]
    query = select(table.id).where(*same, table.sequence == batch.header.sequence).limit(1)
    return [] if connection.scalar(query) is not None else rows
