"""Puts records into a records database without a gateway, and counts what is left."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from collector.records import Records, StreamKey, personal
from collector.records.tables import RECORD_TABLES
from telemetry.quality import ClockQuality
from telemetry.records import Record


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
