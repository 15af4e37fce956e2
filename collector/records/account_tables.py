"""The tables of accounts: who may sign in, who is signed in, and what they did. Times are ms UTC.

A secret that somebody shows (a session's, a token's, a recovery code) is here as its SHA-256 only: it is
256 random bits, a recovery code 80, so nobody finds it from that.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, String, Table, Text

from collector.records.tables import Id, metadata, sealed_column

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("username", String(64), nullable=False, unique=True),
    # a member of staff, as the page greets them
    Column("display_name", String(120), nullable=False),
    Column("role", String(16), nullable=False),
    # JSON lists; None: all. A class is written school/code
    Column("schools", String(4000)),
    Column("classes", Text),
    # argon2id, encoded with its parameters; None: signs in through OIDC only
    Column("password", String(200)),
    sealed_column("accounts", "totp_secret", "bytes", nullable=True),
    # the last time step whose code was taken: a code works once
    Column("totp_step", BigInteger),
    # issuer and subject of the sign-in service, a space between
    Column("oidc_subject", String(520), unique=True),
    Column("state", String(16), nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("account", BigInteger, nullable=False, index=True),
    # towards the vault; no secret
    Column("name", String(22), nullable=False),
    # how far it has come (collector.accounts.model.Step)
    Column("step", String(16), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("account", BigInteger, nullable=False, index=True),
)
"""Those that are left."""

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", BigInteger, nullable=False, index=True),
    Column("name", String(64), nullable=False),
    # JSON list of permissions
    Column("scopes", String(1000), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Column("revoked_ms", BigInteger),
)

account_audit = Table(
    "account_audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("actor", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(130), nullable=False),
    Column("detail", String(500), nullable=False),
    # HMAC over the row and the link before
    Column("link", LargeBinary(32), nullable=False),
)
"""Rows are added and never changed; each is chained to the one before. The oldest go after years."""
