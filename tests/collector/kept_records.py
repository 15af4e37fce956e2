"""Puts records into a records database without a gateway, and counts what is left."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from collector.records import Records, StreamKey, personal
from collector.records.tables import RECORD_TABLES
from telemetry.quality import ClockQuality
from telemetry.records import AccessEvent, HeartRateWindow, MealRecord, Record, SafetyEvent
from tests.collector.conftest import NOW_MS, PSEUDONYM, check

WHO: dict[str, str] = {"pseudonym": PSEUDONYM, "class_id": "3-2"}
RECORDS: tuple[Record, ...] = (
    check(symptoms=("cough", "rash")),
    AccessEvent(NOW_MS, "gate-1", "gate/east", 2, **WHO),
    HeartRateWindow(NOW_MS, "sports", 151.5, 140.0, 163.0, 15, 0.9, 4.5, **WHO),
    MealRecord(NOW_MS, "counter-1", "canteen/1", "lunch", 180.5, **WHO),
    SafetyEvent(NOW_MS, "main/301", "panic", None, **WHO),
)
"""One record of every type, with everything a record can have."""


async def keep(records: Records, some: Sequence[Record], now_ms: int, sequence: int = 1) -> None:
    """As one batch, committed."""
    key = StreamKey("example-primary", "gw-1", "urgent", "g1")
    batch = personal.rows_of(key, sequence, ClockQuality.SYNCED, some)
    await records.run(lambda connection: personal.add(connection, [batch], now_ms))


async def counts(records: Records) -> dict[str, int]:
    """Rows by record type."""

    def work(connection: Connection) -> dict[str, int]:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in RECORD_TABLES.items()
        }

    return await records.run(work)
