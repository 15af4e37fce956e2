"""The tables of enrolment: open invitations, certificates given out, keys of every time. Times are ms UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, String, Table

from collector.records.tables import Id, metadata, sealed_column

invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    # what grows from the code (telemetry.enrolment.code_key); the code itself is nowhere
    sealed_column("invitations", "code_key", "bytes"),
    # in the place of a gateway that is registered
    Column("replaces", Boolean, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
)

gateway_certificates = Table(
    "gateway_certificates",
    metadata,
    # hexadecimal
    Column("serial", String(40), primary_key=True),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    # SHA-256 of the certificate (DER), hexadecimal
    Column("fingerprint", String(64), nullable=False, unique=True),
    # itself (DER), for the same answer to a question that is repeated
    Column("certificate", LargeBinary, nullable=False),
    Column("issued_ms", BigInteger, nullable=False),
    Column("not_after_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)

gateway_keys = Table(
    "gateway_keys",
    metadata,
    # of a key that was somebody's once: it never comes back
    Column("key_id", String(16), primary_key=True),
    Column("public_key", String(44), nullable=False),
    Column("school", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    # until then it is believed, beside the one that takes its place
    Column("until_ms", BigInteger, nullable=False),
)

enrolment_failures = Table(
    "enrolment_failures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    # IPv4, or the network of 64 bits that an IPv6 address is of
    Column("address", String(45), nullable=False),
)
"""Wrong codes, so that a restart does not give a guesser a fresh start."""
