"""The tables of remote configuration: every version for every gateway, and what each one runs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, String, Table, UniqueConstraint

from collector.records.tables import Id, metadata, sealed_column

gateway_configurations = Table(
    "gateway_configurations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    Column("version", Integer, nullable=False),
    # the sections, as telemetry.configuration writes them
    sealed_column("gateway_configurations", "sections", "bytes"),
    Column("digest", String(64), nullable=False),
    Column("note", String(200), nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    UniqueConstraint("school", "gateway", "version"),
)

configuration_states = Table(
    "configuration_states",
    metadata,
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    # 0: the one of its own file
    Column("running", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("refused", Integer),
    Column("reason", String(1000)),
    Column("reported_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("school", "gateway"),
)
"""What each gateway said last."""
