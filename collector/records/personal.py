"""Records about people: one table a record type, each batch's rows written once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select

from collector.records import retention, tombstones
from collector.records.streams import StreamKey
from collector.records.tables import RECORD_TABLES
from telemetry.quality import ClockQuality
from telemetry.records import Record, name_of

Row = dict[str, Any]


class BatchRows(NamedTuple):
    """The rows of one batch, by record type."""

    key: StreamKey
    sequence: int
    by_type: dict[str, list[Row]]


class Added(NamedTuple):
    """Rows written, and records that were not, by reason: "erased", "over_retention"."""

    rows: int
    dropped: Counter[str]


def rows_of(key: StreamKey, sequence: int, clock: ClockQuality, records: Sequence[Record]) -> BatchRows:
    """The rows of a batch's records."""
    by_type: dict[str, list[Row]] = {}
    for position, record in enumerate(records):
        row = {
            name: ",".join(value) if isinstance(value, tuple) else value
            for name, value in msgspec.structs.asdict(record).items()
        }
        about = {**key._asdict(), "sequence": sequence, "position": position, "clock": int(clock)}
        by_type.setdefault(name_of(record), []).append(about | row)
    return BatchRows(key, sequence, by_type)


def add(connection: Connection, batches: Sequence[BatchRows], now_ms: int) -> Added:
    """Writes rows, except those of people of whom nothing may be kept, and those too old to keep."""
    erased = tombstones.find(
        connection,
        {row["pseudonym"] for batch in batches for rows in batch.by_type.values() for row in rows},
    )
    fresh: dict[str, list[Row]] = {}
    dropped: Counter[str] = Counter()
    for batch in batches:
        for name, rows in batch.by_type.items():
            if _is_known(connection, batch, name):
                continue
            oldest_ms = retention.oldest_kept_ms(name, now_ms)
            for row in rows:
                if erased.covers(row["pseudonym"], row["time_ms"]):
                    dropped["erased"] += 1
                elif row["time_ms"] < oldest_ms:
                    dropped["over_retention"] += 1
                else:
                    fresh.setdefault(name, []).append(row)
    for name, rows in fresh.items():
        connection.execute(insert(RECORD_TABLES[name]), rows)
    return Added(sum(map(len, fresh.values())), dropped)


def _is_known(connection: Connection, batch: BatchRows, name: str) -> bool:
    """Whether rows of the batch are there, should marks have been lost: they come all or none."""
    table = RECORD_TABLES[name].c
    same = [table[column] == value for column, value in batch.key._asdict().items()]
    query = select(table.id).where(*same, table.sequence == batch.sequence).limit(1)
    return connection.scalar(query) is not None
