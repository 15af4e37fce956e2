"""The tables of release 0.1, whose programs wrote schema version 1."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    version = op.create_table("schema_version", sa.Column("version", sa.Integer, nullable=False))
    op.bulk_insert(version, [{"version": 1}])
    op.create_table(
        "gateways",
        sa.Column("school", sa.String(63), primary_key=True),
        sa.Column("id", sa.String(63), primary_key=True),
        sa.Column("public_key", sa.String(44), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False, unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("added_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_ms", sa.BigInteger),
    )
    op.create_table(
        "streams",
        sa.Column("school", sa.String(63), primary_key=True),
        sa.Column("gateway", sa.String(63), primary_key=True),
        sa.Column("stream", sa.String(8), primary_key=True),
        sa.Column("generation", sa.String(64), primary_key=True),
        sa.Column("received", sa.LargeBinary, nullable=False),
        sa.Column("stored", sa.LargeBinary, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "gaps",
        sa.Column("school", sa.String(63), nullable=False),
        sa.Column("gateway", sa.String(63), nullable=False),
        sa.Column("stream", sa.String(8), nullable=False),
        sa.Column("generation", sa.String(64), nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("readings", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("school", "gateway", "stream", "generation", "first", "last", "reason"),
    )
    op.create_table(
        "morning_checks",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("school", sa.String(63), nullable=False),
        sa.Column("gateway", sa.String(63), nullable=False),
        sa.Column("stream", sa.String(8), nullable=False),
        sa.Column("generation", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("device", sa.String(256), nullable=False),
        sa.Column("place", sa.String(256), nullable=False),
        sa.Column("site", sa.String(16), nullable=False),
        sa.Column("temperature_c", sa.Float, nullable=False),
        sa.Column("ambient_c", sa.Float),
        sa.Column("symptoms", sa.String(256), nullable=False),
        sa.Column("pseudonym", sa.String(64)),
        sa.Column("class_id", sa.String(64)),
        sa.Column("clock", sa.Integer, nullable=False),
        sa.UniqueConstraint("school", "gateway", "stream", "generation", "sequence", "position"),
    )
    op.create_table(
        "alerts",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("cause", sa.String(300), nullable=False, unique=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("school", sa.String(63), nullable=False),
        sa.Column("gateway", sa.String(63), nullable=False),
        sa.Column("device", sa.String(256), nullable=False),
        sa.Column("place", sa.String(256), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("pseudonym", sa.String(64)),
        sa.Column("class_id", sa.String(64)),
        sa.Column("site", sa.String(16)),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("limit", sa.Float),
        sa.Column("doubtful", sa.Boolean, nullable=False),
        sa.Column("acknowledged_ms", sa.BigInteger),
        sa.Column("acknowledged_by", sa.String(64)),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("school", sa.String(63), nullable=False),
        sa.Column("gateway", sa.String(63), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("detail", sa.String(256), nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )
