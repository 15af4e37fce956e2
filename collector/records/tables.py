"""The tables of the records database (SQLAlchemy Core). Times are ms UTC.

`RECORD_TABLES` has one table a record type. Its columns are the fields of the type and, before them,
which batch the record came in and where in it, so that a batch that comes twice is written once. What
says how somebody is, is sealed (`sealing.py`).

The migrations lead to these tables; a change here needs a new one there (docs/decisions/0022).
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from collector.records.sealing import Form, Sealed

metadata = MetaData()

records_revision = Table(
    "records_revision",
    MetaData(),  # Alembic's own, of this form
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="records_revision_pkc"),
)
"""Which migration the tables are at: one row."""

Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts by itself only under this name, and to 64 bits."""


def sealed_column(table: str, name: str, form: Form, *, nullable: bool = False) -> Column[Any]:
    """A column whose values are sealed."""
    return Column(name, Sealed(f"{table}.{name}", form), nullable=nullable)


sealing_keys = Table(
    "sealing_keys",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    # something known, sealed: a wrong key file is found at the start
    Column("proof", LargeBinary, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
)

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

_BATCH_COLUMNS: Final = ("school", "gateway", "stream", "generation", "sequence", "position")


def _record_table(name: str, *fields: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Id, primary_key=True),
        Column("school", String(63), nullable=False),
        Column("gateway", String(63), nullable=False),
        Column("stream", String(8), nullable=False),
        Column("generation", String(64), nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("position", Integer, nullable=False),
        Column("time_ms", BigInteger, nullable=False, index=True),
        *fields,
        Column("place", String(256), nullable=False),
        Column("pseudonym", String(64), index=True),
        Column("class_id", String(64)),
        Column("clock", Integer, nullable=False),
        UniqueConstraint(*_BATCH_COLUMNS),
    )


morning_checks = _record_table(
    "morning_checks",
    Column("device", String(256), nullable=False),
    Column("site", String(16), nullable=False),
    sealed_column("morning_checks", "temperature_c", "number"),
    Column("ambient_c", Float),
    # with commas between
    sealed_column("morning_checks", "symptoms", "text"),
)
access_events = _record_table(
    "access_events",
    Column("device", String(256), nullable=False),
    Column("door", Integer),
)
heart_rate_windows = _record_table(
    "heart_rate_windows",
    sealed_column("heart_rate_windows", "mean_bpm", "number"),
    sealed_column("heart_rate_windows", "min_bpm", "number"),
    sealed_column("heart_rate_windows", "max_bpm", "number"),
    Column("samples", Integer, nullable=False),
    Column("contact", Float),
    sealed_column("heart_rate_windows", "above_limit_s", "number", nullable=True),
)
meal_records = _record_table(
    "meal_records",
    Column("device", String(256), nullable=False),
    Column("meal", String(16), nullable=False),
    sealed_column("meal_records", "mass_g", "number", nullable=True),
)
safety_events = _record_table(
    "safety_events",
    Column("device", String(256)),
    Column("danger", String(16), nullable=False),
)

RECORD_TABLES: Final[dict[str, Table]] = {
    "morning_check": morning_checks,
    "access_event": access_events,
    "heart_rate_window": heart_rate_windows,
    "meal_record": meal_records,
    "safety_event": safety_events,
}
"""By the names of `telemetry.records.RECORD_TYPES`."""

alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    # What the alert was raised from, so that the same finding cannot raise it twice.
    Column("cause", String(300), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    # None: somebody carries it
    Column("device", String(256)),
    Column("place", String(256), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("pseudonym", String(64)),
    Column("class_id", String(64)),
    Column("site", String(16)),
    # None once the record's time is over, as are pseudonym and class_id
    sealed_column("alerts", "value", "number", nullable=True),
    Column("unit", String(16), nullable=False),
    Column("limit", Float),
    Column("doubtful", Boolean, nullable=False),
    Column("acknowledged_ms", BigInteger),
    Column("acknowledged_by", String(64)),
    # What it was raised from; None for a reading, which is about nobody.
    Column("record_type", String(32)),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("detail", String(256), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    # The signed envelope, kept for repair while it is among the newest (both bounds below hold), and no
    # longer than the record type that is kept shortest.
    sealed_column("dead_letters", "envelope", "bytes"),
)
DEAD_LETTERS_MAX: Final = 1_000
DEAD_LETTERS_BYTES_MAX: Final = 64 * 1024 * 1024

# What the vault tells the collector; replaced as a whole when it tells something new.
vault_directory = Table(
    "vault_directory",
    metadata,
    # one row at most
    Column("version", BigInteger, nullable=False),
    Column("issued_ms", BigInteger, nullable=False),
    Column("epoch", String(64), nullable=False),
    # when it came, by the collector's clock
    Column("at_ms", BigInteger, nullable=False),
)

class_lists = Table(
    "class_lists",
    metadata,
    Column("class_id", String(64), primary_key=True),
    Column("zh", String(256), nullable=False),
    Column("en", String(256), nullable=False),
    # of the whole class, those without consent included
    Column("size", Integer, nullable=False),
)

class_pseudonyms = Table(
    "class_pseudonyms",
    metadata,
    Column("pseudonym", String(64), primary_key=True),
    Column("class_id", String(64), nullable=False, index=True),
)

lessons = Table(
    "lessons",
    metadata,
    Column("class_id", String(64), nullable=False, index=True),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("subject", String(64), nullable=False),
    Column("place", String(256), nullable=False),
)

school_days = Table(
    "school_days",
    metadata,
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
)

erased_pseudonyms = Table(
    "erased_pseudonyms",
    metadata,
    Column("pseudonym", String(64), primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    # Records up to this time are not taken; None: none is, whenever it was made.
    Column("until_ms", BigInteger),
)

order_reports = Table(
    "order_reports",
    metadata,
    Column("order_id", String(64), primary_key=True),
    # telemetry.exchange.OrderReport, msgpack; kept until the vault has it
    sealed_column("order_reports", "report", "bytes"),
)
