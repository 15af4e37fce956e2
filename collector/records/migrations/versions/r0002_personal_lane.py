"""Further record types, and what the vault tells; alerts may lose whom they are about.

Down: an alert that was freed of its value, or is of something carried, has no place in version 1, nor has
any record but a morning check.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _record_table(
        "access_events", sa.Column("device", sa.String(256), nullable=False), sa.Column("door", sa.Integer)
    )
    _record_table(
        "heart_rate_windows",
        sa.Column("mean_bpm", sa.Float, nullable=False),
        sa.Column("min_bpm", sa.Float, nullable=False),
        sa.Column("max_bpm", sa.Float, nullable=False),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.Column("contact", sa.Float),
        sa.Column("above_limit_s", sa.Float),
    )
    _record_table(
        "meal_records",
        sa.Column("device", sa.String(256), nullable=False),
        sa.Column("meal", sa.String(16), nullable=False),
        sa.Column("mass_g", sa.Float),
    )
    _record_table(
        "safety_events",
        sa.Column("device", sa.String(256)),
        sa.Column("danger", sa.String(16), nullable=False),
    )
    op.create_index("ix_morning_checks_pseudonym", "morning_checks", ["pseudonym"])
    with op.batch_alter_table("alerts") as alerts:
        alerts.alter_column("device", existing_type=sa.String(256), nullable=True)
        alerts.alter_column("value", existing_type=sa.Float, nullable=True)
        alerts.add_column(sa.Column("record_type", sa.String(32)))
    op.execute("UPDATE alerts SET record_type = 'morning_check' WHERE kind = 'fever'")
    _vault_tables()
    op.execute("UPDATE schema_version SET version = 2")


def downgrade() -> None:
    for name in (
        "order_reports", "erased_pseudonyms", "school_days", "lessons", "class_pseudonyms", "class_lists",
        "vault_directory", "safety_events", "meal_records", "heart_rate_windows", "access_events",
    ):  # fmt: skip
        op.drop_table(name)
    op.execute("DELETE FROM alerts WHERE value IS NULL OR device IS NULL")
    with op.batch_alter_table("alerts") as alerts:
        alerts.drop_column("record_type")
        alerts.alter_column("value", existing_type=sa.Float, nullable=False)
        alerts.alter_column("device", existing_type=sa.String(256), nullable=False)
    op.drop_index("ix_morning_checks_pseudonym", "morning_checks")
    op.execute("UPDATE schema_version SET version = 1")


def _record_table(name: str, *fields: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", _ID, primary_key=True),
        sa.Column("school", sa.String(63), nullable=False),
        sa.Column("gateway", sa.String(63), nullable=False),
        sa.Column("stream", sa.String(8), nullable=False),
        sa.Column("generation", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False, index=True),
        *fields,
        sa.Column("place", sa.String(256), nullable=False),
        sa.Column("pseudonym", sa.String(64), index=True),
        sa.Column("class_id", sa.String(64)),
        sa.Column("clock", sa.Integer, nullable=False),
        sa.UniqueConstraint("school", "gateway", "stream", "generation", "sequence", "position"),
    )


def _vault_tables() -> None:
    op.create_table(
        "vault_directory",
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("issued_ms", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "class_lists",
        sa.Column("class_id", sa.String(64), primary_key=True),
        sa.Column("zh", sa.String(256), nullable=False),
        sa.Column("en", sa.String(256), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
    )
    op.create_table(
        "class_pseudonyms",
        sa.Column("pseudonym", sa.String(64), primary_key=True),
        sa.Column("class_id", sa.String(64), nullable=False, index=True),
    )
    op.create_table(
        "lessons",
        sa.Column("class_id", sa.String(64), nullable=False, index=True),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("place", sa.String(256), nullable=False),
    )
    op.create_table(
        "school_days",
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "erased_pseudonyms",
        sa.Column("pseudonym", sa.String(64), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("until_ms", sa.BigInteger),
    )
    op.create_table(
        "order_reports",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("report", sa.LargeBinary, nullable=False),
    )
