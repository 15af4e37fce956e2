"""How long records are kept, and the deletion of what is due.

Alerts outlive the record that they were raised from, for response times are counted over years; but
then without the measured value and without whom it was about.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, select, update

from collector.records import tombstones
from collector.records.tables import RECORD_TABLES, alerts, dead_letters
from telemetry.records import RECORD_TYPES

PERIOD_S: Final = 3_600
"""Between two sweeps."""
ROWS_AT_ONCE: Final = 1_000
"""In one transaction: intake waits no longer than that."""
_DAY_MS: Final = 86_400_000
_LETTERS_KEPT_MS: Final = min(one.retention_days for one in RECORD_TYPES.values()) * _DAY_MS
"""A dead letter may hold any record there is."""


def oldest_kept_ms(record_type: str, now_ms: int) -> int:
    """Records from before are deleted now: until the next sweep they would be over their time."""
    return now_ms - RECORD_TYPES[record_type].retention_days * _DAY_MS + PERIOD_S * 1_000


def delete_due(connection: Connection, record_type: str, now_ms: int) -> int:
    """Deletes the oldest `ROWS_AT_ONCE` records of a type that are due; how many there were."""
    table, oldest_ms = RECORD_TABLES[record_type], oldest_kept_ms(record_type, now_ms)
    due = select(table.c.id).where(table.c.time_ms < oldest_ms).order_by(table.c.time_ms).limit(ROWS_AT_ONCE)
    return connection.execute(delete(table).where(table.c.id.in_(due))).rowcount


def strip_alerts(connection: Connection, record_type: str, now_ms: int) -> int:
    """Takes value, pseudonym and class from alerts whose record's time is over; how many."""
    due = (
        select(alerts.c.id)
        .where(alerts.c.record_type == record_type, alerts.c.value.is_not(None))
        .where(alerts.c.at_ms < oldest_kept_ms(record_type, now_ms))
        .limit(ROWS_AT_ONCE)
    )
    return connection.execute(update(alerts).where(alerts.c.id.in_(due)).values(**STRIPPED)).rowcount


STRIPPED: Final = {"value": None, "pseudonym": None, "class_id": None}
"""What an alert has lost once its record is gone."""


def delete_old_letters(connection: Connection, now_ms: int) -> int:
    """Deletes dead letters and tombstones that have been kept long enough; how many letters."""
    tombstones.forget_old(connection, now_ms)
    oldest_ms = now_ms - _LETTERS_KEPT_MS + PERIOD_S * 1_000
    return connection.execute(delete(dead_letters).where(dead_letters.c.at_ms < oldest_ms)).rowcount
