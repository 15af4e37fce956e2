"""Which revision a records database is at: a new one is made, this program's is taken, others are told."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, inspect, select, text

from collector.records import all_tables, key_table, tables
from collector.records.engine import Place
from collector.records.errors import RecordsFileError
from collector.records.key_table import WrongKeyFileError
from collector.records.sealing import Keyring

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005")
"""Oldest first; the last one is this program's. Each is a file in `migrations/versions`."""
HEAD: Final = REVISIONS[-1]
_BEFORE_ALEMBIC: Final = {1: "0001", 2: "0002"}
"""By the number in the table `schema_version`, which programs before revision 0003 kept."""


def look(connection: Connection, place: Place) -> str | None:
    """The revision of a database; None for an empty one. Raises RecordsFileError when it is of another
    program, or of a newer one.
    """
    found = set(inspect(connection).get_table_names())
    if not found:
        return None
    if "schema_version" in found and "gateways" in found:
        number = connection.scalar(text("SELECT version FROM schema_version"))
        if number in _BEFORE_ALEMBIC:
            return _BEFORE_ALEMBIC[number]
        raise _too_new(place, f"schema version {number}")
    if "records_revision" not in found:
        raise RecordsFileError(f"{place.shown} has tables of another program; name another database")
    revision = connection.scalar(select(tables.records_revision.c.version_num))
    if revision not in REVISIONS:
        raise _too_new(place, f"revision {revision}")
    return str(revision)


def _too_new(place: Place, what: str) -> RecordsFileError:
    return RecordsFileError(
        f"{place.shown} has {what}, this program knows those up to {HEAD}; install the newer program that "
        "wrote it, which can also take it down to an older revision"
    )


def create(connection: Connection, keyring: Keyring, now_ms: int) -> None:
    """Makes all tables in an empty database, in the caller's transaction. What the migrations lead to is
    the same, which a test holds.
    """
    all_tables.metadata.create_all(connection)
    stamp(connection, HEAD)
    if keyring.has_seed:
        key_table.begin(connection, keyring, now_ms)


def stamp(connection: Connection, revision: str) -> None:
    """Writes down which revision the tables are at."""
    tables.records_revision.create(connection, checkfirst=True)
    connection.execute(delete(tables.records_revision))
    connection.execute(insert(tables.records_revision), [{"version_num": revision}])


def load_keys(connection: Connection, keyring: Keyring, place: Place, now_ms: int) -> None:
    """The keys of a database at this program's revision; the first one is made with the first key file
    that comes. Raises RecordsFileError for another key file than the one it was sealed under.
    """
    try:
        key_table.load(connection, keyring)
    except WrongKeyFileError:
        raise RecordsFileError(
            f"{place.shown} was sealed under another key file than this collector's; put that one back, or "
            "run: campus collector database rekey CONFIG --old-key-file FILE"
        ) from None
    if not keyring.current and keyring.has_seed:
        key_table.begin(connection, keyring, now_ms)
