"""Accounts, enrolment, remote configuration, the outbox of notifications: new tables, nothing changes.

Down: they go, with what is in them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _accounts()
    _enrolment()
    _configurations()
    op.create_table(
        "notices",
        _id(),
        sa.Column("alert", sa.BigInteger, nullable=False),
        _text("notifier", 64),
        _text("state", 16, index=True),
        sa.Column("tries", sa.Integer, nullable=False),
        _time("next_ms"),
        _time("done_ms", nullable=True),
        _text("error", 256, nullable=True),
        sa.UniqueConstraint("alert", "notifier"),
    )


def downgrade() -> None:
    for name in (
        "notices", "configuration_states", "gateway_configurations", "enrolment_failures", "gateway_keys",
        "gateway_certificates", "invitations", "account_audit", "api_tokens", "recovery_codes", "sessions",
        "accounts",
    ):  # fmt: skip
        op.drop_table(name)


def _id() -> sa.Column[Any]:
    return sa.Column("id", _ID, primary_key=True)


def _text(name: str, chars: int, *, nullable: bool = False, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.String(chars), nullable=nullable, **more)


def _time(name: str, *, nullable: bool = False, index: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=nullable, index=index)


def _sealed(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary, nullable=nullable)


def _accounts() -> None:
    op.create_table(
        "accounts",
        _id(),
        _text("username", 64, unique=True),
        _text("display_name", 120),
        _text("role", 16),
        _text("schools", 4000, nullable=True),
        _text("classes", 4000, nullable=True),
        _text("password", 200, nullable=True),
        _sealed("totp_secret", nullable=True),
        sa.Column("totp_step", sa.BigInteger),
        _text("oidc_subject", 520, nullable=True, unique=True),
        _text("state", 16),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        _time("locked_until_ms", nullable=True),
        _time("created_ms"),
        _time("changed_ms"),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        _time("account", index=True),
        _text("name", 22),
        _text("step", 16),
        _time("created_ms"),
        _time("seen_ms"),
        _time("expires_ms"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        _time("account", index=True),
    )
    op.create_table(
        "api_tokens",
        _id(),
        _time("account", index=True),
        _text("name", 64),
        _text("scopes", 1000),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        _time("created_ms"),
        _time("expires_ms"),
        _time("used_ms", nullable=True),
        _time("revoked_ms", nullable=True),
    )
    op.create_table(
        "account_audit",
        _id(),
        _time("at_ms", index=True),
        _text("actor", 64),
        _text("action", 32),
        _text("subject", 130),
        _text("detail", 500),
        sa.Column("link", sa.LargeBinary(32), nullable=False),
    )


def _enrolment() -> None:
    op.create_table(
        "invitations",
        _id(),
        _text("school", 63),
        _text("gateway", 63),
        _sealed("code_key"),
        sa.Column("replaces", sa.Boolean, nullable=False),
        _text("made_by", 64),
        _time("made_ms"),
        _time("expires_ms"),
        _time("used_ms", nullable=True),
    )
    op.create_table(
        "gateway_certificates",
        sa.Column("serial", sa.String(40), primary_key=True),
        _text("school", 63),
        _text("gateway", 63),
        _text("fingerprint", 64, unique=True),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        _time("issued_ms"),
        _time("not_after_ms"),
        _time("revoked_ms", nullable=True),
    )
    op.create_table(
        "gateway_keys",
        sa.Column("key_id", sa.String(16), primary_key=True),
        _text("public_key", 44),
        _text("school", 63),
        _text("gateway", 63),
        _time("until_ms"),
    )
    op.create_table(
        "enrolment_failures",
        _id(),
        _time("at_ms", index=True),
        _text("address", 45),
    )


def _configurations() -> None:
    op.create_table(
        "gateway_configurations",
        _id(),
        _text("school", 63),
        _text("gateway", 63),
        sa.Column("version", sa.Integer, nullable=False),
        _sealed("sections"),
        _text("digest", 64),
        _text("note", 200),
        _text("made_by", 64),
        _time("made_ms"),
        sa.UniqueConstraint("school", "gateway", "version"),
    )
    op.create_table(
        "configuration_states",
        _text("school", 63),
        _text("gateway", 63),
        sa.Column("running", sa.Integer, nullable=False),
        _text("digest", 64),
        sa.Column("refused", sa.Integer),
        _text("reason", 1000, nullable=True),
        _time("reported_ms"),
        sa.PrimaryKeyConstraint("school", "gateway"),
    )
