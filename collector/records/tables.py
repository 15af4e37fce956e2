"""The tables of the records database (SQLAlchemy Core). Times are ms UTC."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

SCHEMA_VERSION: Final = 1

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

gateways = Table(
    "gateways",
    metadata,
    Column("school", String(63), primary_key=True),
    Column("id", String(63), primary_key=True),
    Column("public_key", String(44), nullable=False),
    Column("key_id", String(16), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("added_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)

streams = Table(
    "streams",
    metadata,
    Column("school", String(63), primary_key=True),
    Column("gateway", String(63), primary_key=True),
    Column("stream", String(8), primary_key=True),
    Column("generation", String(64), primary_key=True),
    # ranges of sequence numbers, msgpack
    Column("received", LargeBinary, nullable=False),
    Column("stored", LargeBinary, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
)

gaps = Table(
    "gaps",
    metadata,
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    Column("stream", String(8), nullable=False),
    Column("generation", String(64), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("readings", BigInteger, nullable=False),
    UniqueConstraint("school", "gateway", "stream", "generation", "first", "last", "reason"),
)
GAPS_KEPT_MAX: Final = 10_000
"""Of one gateway."""

_batch_columns = ("school", "gateway", "stream", "generation", "sequence", "position")

morning_checks = Table(
    "morning_checks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    Column("stream", String(8), nullable=False),
    Column("generation", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("time_ms", BigInteger, nullable=False, index=True),
    Column("device", String(256), nullable=False),
    Column("place", String(256), nullable=False),
    Column("site", String(16), nullable=False),
    Column("temperature_c", Float, nullable=False),
    Column("ambient_c", Float),
    Column("symptoms", String(256), nullable=False),
    Column("pseudonym", String(64)),
    Column("class_id", String(64)),
    Column("clock", Integer, nullable=False),
    UniqueConstraint(*_batch_columns),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    # What the alert was raised from, so that the same finding cannot raise it twice.
    Column("cause", String(300), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    Column("device", String(256), nullable=False),
    Column("place", String(256), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("pseudonym", String(64)),
    Column("class_id", String(64)),
    Column("site", String(16)),
    Column("value", Float, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("limit", Float),
    Column("doubtful", Boolean, nullable=False),
    Column("acknowledged_ms", BigInteger),
    Column("acknowledged_by", String(64)),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("detail", String(256), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    # The signed envelope, kept for repair while it is among the newest: both bounds below hold.
    Column("envelope", LargeBinary, nullable=False),
)
DEAD_LETTERS_MAX: Final = 1_000
DEAD_LETTERS_BYTES_MAX: Final = 64 * 1024 * 1024
