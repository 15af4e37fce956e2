"""The outbox of notifications: what each notifier still has to tell of which alert. Times are ms UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, UniqueConstraint

from collector.records.tables import Id, metadata

notices = Table(
    "notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alert", BigInteger, nullable=False),
    Column("notifier", String(64), nullable=False),
    # waiting, sent, given_up
    Column("state", String(16), nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    Column("error", String(256)),
    UniqueConstraint("alert", "notifier"),
)
