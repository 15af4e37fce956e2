"""What says how somebody is, is sealed; Alembic's table takes the place of `schema_version`.

Down: the same values in clear again, and nothing is lost. A column goes by way of another one beside it,
filled in parts of `_ROWS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic import context, op

from collector.records import key_table
from collector.records.errors import RecordsFileError
from collector.records.sealing import FORMS, Form, Keyring

revision = "0003"
down_revision = "0002"

_ROWS: Final = 1_000
_CLEAR: Final[dict[Form, sa.types.TypeEngine[Any]]] = {
    "number": sa.Float(),
    "text": sa.String(256),
    "bytes": sa.LargeBinary(),
}
_COLUMNS: Final[tuple[tuple[str, str, tuple[tuple[str, Form, bool], ...]], ...]] = (
    ("morning_checks", "id", (("temperature_c", "number", False), ("symptoms", "text", False))),
    ("heart_rate_windows", "id", (
        ("mean_bpm", "number", False), ("min_bpm", "number", False), ("max_bpm", "number", False),
        ("above_limit_s", "number", True),
    )),
    ("meal_records", "id", (("mass_g", "number", True),)),
    ("alerts", "id", (("value", "number", True),)),
    ("dead_letters", "id", (("envelope", "bytes", False),)),
    ("order_reports", "order_id", (("report", "bytes", False),)),
)  # fmt: skip
"""Table, key, and of each column name, form and whether it may be NULL."""


def upgrade() -> None:
    keyring = _keyring()
    op.create_table(
        "sealing_keys",
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("proof", sa.LargeBinary, nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
    )
    key_table.begin(op.get_bind(), keyring, context.config.attributes["now_ms"])
    _rewrite(keyring, seal=True)
    op.drop_table("schema_version")


def downgrade() -> None:
    _rewrite(_keyring(), seal=False)
    op.drop_table("sealing_keys")
    version = op.create_table("schema_version", sa.Column("version", sa.Integer, nullable=False))
    op.bulk_insert(version, [{"version": 2}])


def _keyring() -> Keyring:
    keyring: Keyring = context.config.attributes["keyring"]
    if not keyring.has_seed:
        raise RecordsFileError(
            "sealed columns need the collector's key file; run this with its configuration"
        )
    return keyring


def _rewrite(keyring: Keyring, *, seal: bool) -> None:
    for table, key, columns in _COLUMNS:
        with op.batch_alter_table(table) as batch:
            for name, form, _ in columns:
                batch.add_column(sa.Column(f"{name}_new", sa.LargeBinary() if seal else _CLEAR[form]))
        for name, form, _ in columns:
            _convert(keyring, table, key, name, form, seal=seal)
        # In two steps: SQLite writes the table anew for each, and cannot do both at once.
        with op.batch_alter_table(table) as batch:
            for name, _, _ in columns:
                batch.drop_column(name)
        with op.batch_alter_table(table) as batch:
            for name, form, nullable in columns:
                batch.alter_column(
                    f"{name}_new",
                    new_column_name=name,
                    existing_type=sa.LargeBinary() if seal else _CLEAR[form],
                    nullable=nullable,
                )


def _convert(keyring: Keyring, table: str, key: str, name: str, form: Form, *, seal: bool) -> None:
    codec, about = FORMS[form], f"{table}.{name}"
    there = sa.table(
        table,
        sa.column(key),
        sa.column(name, _CLEAR[form] if seal else sa.LargeBinary()),
        sa.column(f"{name}_new", sa.LargeBinary() if seal else _CLEAR[form]),
    )
    change = (
        sa.update(there)
        .where(there.c[key] == sa.bindparam("_key"))
        .values({f"{name}_new": sa.bindparam("_value")})
    )
    for rows in _parts(there, key, name):
        op.get_bind().execute(
            change,
            [
                {
                    "_key": id_,
                    "_value": keyring.seal(codec.pack(value), about)
                    if seal
                    else codec.unpack(keyring.open(bytes(value), about)),
                }
                for id_, value in rows
            ],
        )


def _parts(there: sa.TableClause, key: str, name: str) -> Iterator[list[tuple[Any, Any]]]:
    """Keys and values that are not NULL, in order of the key."""
    query = sa.select(there.c[key], there.c[name]).where(there.c[name].is_not(None)).order_by(there.c[key])
    part = query.limit(_ROWS)
    while rows := [(row[0], row[1]) for row in op.get_bind().execute(part)]:
        yield rows
        part = query.where(there.c[key] > rows[-1][0]).limit(_ROWS)
