"""The two transactions of the batch line in the records database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select

from collector.intake.opening import Opened
from collector.records import Records, StreamKey, StreamMarks, alerts, streams
from collector.records.tables import morning_checks
from collector.scenarios import EventRule
from telemetry.ranges import RangeSet
from telemetry.records import MorningCheck


class Marks:
    """The marks of every stream in memory; changed only after their transaction has committed."""

    def __init__(self) -> None:
        self._marks: dict[StreamKey, StreamMarks] = {}

    def load(self, marks: dict[StreamKey, StreamMarks]) -> None:
        self._marks = marks

    def of(self, key: StreamKey) -> StreamMarks:
        return self._marks.setdefault(key, StreamMarks())


class Committed(NamedTuple):
    """How much a transaction added."""

    records: int
    alerts: int


def _key(batch: Opened) -> StreamKey:
    header = batch.header
    return StreamKey(header.school, header.gateway, header.stream, header.generation)


async def commit_received(
    records: Records,
    marks: Marks,
    batches: Sequence[Opened],
    rules: Sequence[EventRule],
    now_ms: int,
) -> Committed:
    """One transaction: records, findings of the event rules, and the marks `received`.

    Raises RecordsUnavailableError; then nothing has changed.
    """
    check_rows = [row for batch in batches for row in _check_rows(batch)]
    alert_rows = [row for batch in batches for row in _alert_rows(batch, rules, now_ms)]
    after = _after(marks, batches, "received", now_ms)

    def work(connection: Connection) -> Committed:
        fresh = _fresh_checks(connection, check_rows)
        if fresh:
            connection.execute(insert(morning_checks), fresh)
        added = alerts.add(connection, alert_rows) if alert_rows else 0
        for key, changed in after.items():
            streams.save(connection, key, changed)
        return Committed(len(fresh), added)

    committed = await records.run(work)
    _keep(marks, after)
    return committed


async def commit_stored(records: Records, marks: Marks, batches: Sequence[Opened], now_ms: int) -> None:
    """One transaction: the marks `stored`, and the gaps that the headers declare."""
    after = _after(marks, batches, "stored", now_ms)
    gaps = [
        (batch.header.school, batch.header.gateway, batch.header.gaps)
        for batch in batches
        if batch.header.gaps
    ]

    def work(connection: Connection) -> None:
        for key, changed in after.items():
            streams.save(connection, key, changed)
        for school, gateway, declared in gaps:
            streams.add_gaps(connection, school, gateway, declared)

    await records.run(work)
    _keep(marks, after)


def _after(marks: Marks, batches: Sequence[Opened], what: str, now_ms: int) -> dict[StreamKey, StreamMarks]:
    """The marks as they will be; the ones in memory stay as they are until the commit."""
    by_key: dict[StreamKey, list[int]] = defaultdict(list)
    for batch in batches:
        by_key[_key(batch)].append(batch.header.sequence)
    after: dict[StreamKey, StreamMarks] = {}
    for key, sequences in by_key.items():
        now = marks.of(key)
        changed = StreamMarks(RangeSet(now.received), RangeSet(now.stored), now_ms)
        target: RangeSet = getattr(changed, what)
        for sequence in sequences:
            target.add(sequence)
        after[key] = changed
    return after


def _keep(marks: Marks, after: dict[StreamKey, StreamMarks]) -> None:
    for key, changed in after.items():
        now = marks.of(key)
        now.received, now.stored, now.last_ms = changed.received, changed.stored, changed.last_ms


def _check_rows(batch: Opened) -> list[dict[str, Any]]:
    header = batch.header
    return [
        {
            "school": header.school,
            "gateway": header.gateway,
            "stream": header.stream,
            "generation": header.generation,
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


def _fresh_checks(connection: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leaves out what a commit before a crash has inserted already."""
    table = morning_checks.c
    fresh = []
    for row in rows:
        same = select(table.id).where(
            table.school == row["school"],
            table.gateway == row["gateway"],
            table.stream == row["stream"],
            table.generation == row["generation"],
            table.sequence == row["sequence"],
            table.position == row["position"],
        )
        if connection.scalar(same) is None:
            fresh.append(row)
    return fresh


def _alert_rows(batch: Opened, rules: Sequence[EventRule], now_ms: int) -> list[dict[str, Any]]:
    header = batch.header
    batch_cause = f"{header.school}/{header.gateway}/{header.stream}/{header.generation}/{header.sequence}"
    return [
        {
            **finding._asdict(),
            "cause": f"{batch_cause}/{finding.kind}/{finding.cause}",
            "state": "open",
            "school": header.school,
            "gateway": header.gateway,
            "opened_ms": now_ms,
        }
        for rule in rules
        for finding in rule.findings(batch.body)
    ]
