"""The tables of the vault's database (SQLAlchemy Core). Times are ms UTC, dates ISO 8601.

What names a person is in columns called `sealed` only (`identity_vault.fields`); what has to be found
again has a keyed index beside it. A copy of the database without the key file names nobody.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION: Final = 1
ID_CHARS: Final = 16
"""Internal ids: random hexadecimal digits, which say nothing about anybody."""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    # schema_version, school, map_version (rises with every change that gateways must learn)
    Column("key", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)

epochs = Table(
    "epochs",
    metadata,
    # A school year, such as "2026-27".
    Column("id", String(16), primary_key=True),
    # current: pseudonyms are made for it. open: its pseudonyms still lead to names. closed: only those
    # of kept cases do.
    Column("state", String(8), nullable=False),
    Column("began_ms", BigInteger, nullable=False),
)

kept_cases = Table(
    "kept_cases",
    metadata,
    Column("pseudonym", String(32), primary_key=True),
    Column("pupil", String(ID_CHARS), ForeignKey("pupils.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("kept_ms", BigInteger, nullable=False),
)

classes = Table(
    "classes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("zh", String(60), nullable=False),
    Column("en", String(60), nullable=False),
    Column("room", String(256), nullable=False, default=""),
)

pupils = Table(
    "pupils",
    metadata,
    Column("id", String(ID_CHARS), primary_key=True),
    # Numbers pupils in the maps of gateways; never used again for another.
    Column("slot", Integer, nullable=False, unique=True),
    Column("class_id", String(64), ForeignKey("classes.id"), nullable=False, index=True),
    # active, left
    Column("state", String(8), nullable=False),
    Column("number_index", LargeBinary, nullable=False, unique=True),
    # identity_vault.roster.PupilDetails
    Column("sealed", LargeBinary, nullable=False),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "pupil", String(ID_CHARS), ForeignKey("pupils.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    # card, band, station
    Column("kind", String(8), nullable=False),
    Column("index", LargeBinary, nullable=False, unique=True),
    # the credential, normalised
    Column("sealed", LargeBinary, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),
)

guardians = Table(
    "guardians",
    metadata,
    Column("id", String(ID_CHARS), primary_key=True),
    Column(
        "pupil", String(ID_CHARS), ForeignKey("pupils.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("phone_index", LargeBinary, index=True),
    # identity_vault.roster.GuardianDetails
    Column("sealed", LargeBinary, nullable=False),
)

consents = Table(
    "consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "pupil", String(ID_CHARS), ForeignKey("pupils.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("purpose", String(16), nullable=False),
    # guardian, pupil
    Column("given_by", String(8), nullable=False),
    Column("guardian", String(ID_CHARS)),
    Column("given_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),
    Column("withdrawn_ms", BigInteger),
    Column("recorded_ms", BigInteger, nullable=False),
    # how it was given: where the signed form is
    Column("sealed", LargeBinary, nullable=False),
)

lessons = Table(
    "lessons",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("class_id", String(64), ForeignKey("classes.id", ondelete="CASCADE"), nullable=False, index=True),
    # 1 is Monday
    Column("weekday", Integer, nullable=False),
    # local time, HH:MM
    Column("starts", String(5), nullable=False),
    Column("ends", String(5), nullable=False),
    # "pe" or another
    Column("subject", String(32), nullable=False),
    Column("place", String(256), nullable=False),
    # valid from and to, both included; without one: always
    Column("from_date", String(10)),
    Column("to_date", String(10)),
)

calendar_days = Table(
    "calendar_days",
    metadata,
    Column("date", String(10), primary_key=True),
    # school, holiday
    Column("kind", String(8), nullable=False),
    # whose timetable holds on a school day that makes up for a holiday; 1 is Monday
    Column("follows_weekday", Integer),
    Column("note", String(60), nullable=False, default=""),
)

bookings = Table(
    "bookings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("place", String(256), nullable=False),
    Column("starts_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
    Column("class_id", String(64)),
    Column("subject", String(32), nullable=False),
    # the UID of an event of a calendar file, so that it can be imported again
    Column("uid", String(256), nullable=False, unique=True),
)

gateways = Table(
    "gateways",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("public_key", String(44), nullable=False),
    Column("key_id", String(16), nullable=False, unique=True),
    # which purposes it may have pseudonyms for, with commas between
    Column("purposes", String(100), nullable=False),
    # changes the blinding key: a gateway that was stolen and replaced
    Column("generation", Integer, nullable=False),
    # active, revoked
    Column("state", String(8), nullable=False),
    Column("added_ms", BigInteger, nullable=False),
    Column("asked_ms", BigInteger),
    Column("confirmed_version", BigInteger, nullable=False, default=0),
    Column("confirmed_ms", BigInteger),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    # a command's operating-system user, "gateway:…", "collector", "session:…", "guardian:…"
    Column("actor", String(80), nullable=False),
    Column("action", String(32), nullable=False),
    Column("purpose", String(16)),
    # the internal id of a pupil
    Column("pupil", String(ID_CHARS), index=True),
    # JSON: counts, roles, grants; never a name
    Column("detail", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
Index("audit_by_action", audit.c.action, audit.c.at_ms)

break_glass = Table(
    "break_glass",
    metadata,
    Column("id", String(ID_CHARS), primary_key=True),
    Column("session", String(64), nullable=False, index=True),
    Column("role", String(32), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("granted_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    # the reason
    Column("sealed", LargeBinary, nullable=False),
    Column("reviewed_ms", BigInteger),
    Column("reviewed_by", String(64)),
    Column("accepted", Boolean),
)

orders = Table(
    "orders",
    metadata,
    Column("id", String(ID_CHARS), primary_key=True),
    # erase, export
    Column("kind", String(8), nullable=False),
    Column("receipt", String(32), nullable=False, index=True),
    Column("made_ms", BigInteger, nullable=False),
    # the version of the map that tells gateways of an erasure
    Column("map_version", BigInteger, nullable=False),
    # telemetry.exchange.Order
    Column("sealed", LargeBinary, nullable=False),
    Column("collector_done_ms", BigInteger),
    # telemetry.exchange.OrderReport
    Column("sealed_report", LargeBinary),
    # when every gateway had confirmed; the pseudonyms are forgotten then
    Column("closed_ms", BigInteger),
)

receipts = Table(
    "receipts",
    metadata,
    # what a guardian is given, readable aloud
    Column("code", String(32), primary_key=True),
    # export, correction, withdrawal, consent, erasure
    Column("kind", String(12), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    # null once the pupil is deleted
    Column("pupil", String(ID_CHARS)),
    # JSON: what was done when, counts; never a name
    Column("detail", Text, nullable=False),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pupil", String(ID_CHARS), ForeignKey("pupils.id", ondelete="CASCADE"), nullable=False),
    Column("receipt", String(32), nullable=False),
    # asked, done, declined
    Column("state", String(8), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger),
    # field, value wanted
    Column("sealed", LargeBinary, nullable=False),
)

links = Table(
    "links",
    metadata,
    # keyed index of the secret in the address
    Column("index", LargeBinary, primary_key=True),
    Column("guardian", String(ID_CHARS), ForeignKey("guardians.id", ondelete="CASCADE"), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    # opened: the browser that opened it first got a session of its own
    Column("opened_ms", BigInteger),
    Column("session_index", LargeBinary, unique=True),
)
