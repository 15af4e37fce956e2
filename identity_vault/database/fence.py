"""Triggers that refuse to change or remove a row of the audit: a second fence before the chain.

Who may write the file can take them away; mistakes and ordinary programs cannot get past.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

_SQLITE: Final = tuple(
    f"CREATE TRIGGER IF NOT EXISTS audit_no_{word.lower()} BEFORE {word} ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END"
    for word in ("UPDATE", "DELETE")
)
_POSTGRESQL: Final = (
    """CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit is only added to'; END $$""",
    """CREATE OR REPLACE TRIGGER audit_fence BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
)


def put_up_fence(connection: Connection) -> None:
    """In the transaction that makes the tables; does nothing where it stands already."""
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL:
        connection.exec_driver_sql(statement)


@contextlib.contextmanager
def open_fence(connection: Connection) -> Iterator[None]:
    """Lets rows be removed until the end of the block; a transaction that fails leaves it shut."""
    sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql(
        "DROP TRIGGER IF EXISTS audit_no_delete" if sqlite else "DROP TRIGGER IF EXISTS audit_fence ON audit"
    )
    yield
    put_up_fence(connection)
