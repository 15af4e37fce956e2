"""The version of a records file: made anew, or brought up to this program's from the one before."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, Table, case, insert, inspect, select, update

from collector.records import tables

_ALERTS_BEFORE: Final = "alerts_version_1"


class RecordsFileError(Exception):
    """The database cannot be used; the message names file, cause and remedy."""


def prepare(connection: Connection, path: Path) -> None:
    """Makes the tables or adds what an older file lacks, in the caller's transaction.

    Raises RecordsFileError for a file of another version.
    """
    found = inspect(connection).get_table_names()
    if not found:
        tables.metadata.create_all(connection)
        connection.execute(insert(tables.schema_version), [{"version": tables.SCHEMA_VERSION}])
        return
    version = (
        connection.scalar(select(tables.schema_version.c.version)) if "schema_version" in found else None
    )
    if version == 1:
        _from_version_1(connection)
    elif version != tables.SCHEMA_VERSION:
        raise RecordsFileError(
            f"{path} has schema version {version}, this program needs {tables.SCHEMA_VERSION}; use the "
            "program version that wrote it, or another file"
        )


def _from_version_1(connection: Connection) -> None:
    """Adds the tables of further record types and of the vault. Alerts get the type of their record, and
    may lose their value; SQLite changes that of a column only by writing the table anew.
    """
    connection.exec_driver_sql(f"ALTER TABLE alerts RENAME TO {_ALERTS_BEFORE}")
    connection.exec_driver_sql("DROP INDEX ix_alerts_state")
    tables.metadata.create_all(connection)
    for index in tables.morning_checks.indexes:
        index.create(connection, checkfirst=True)
    before = Table(_ALERTS_BEFORE, MetaData(), autoload_with=connection)
    names = [column.name for column in before.c]
    record_type = case((before.c.kind == "fever", "morning_check"), else_=None)
    connection.execute(
        insert(tables.alerts).from_select([*names, "record_type"], select(before, record_type))
    )
    before.drop(connection)
    connection.execute(update(tables.schema_version).values(version=2))
