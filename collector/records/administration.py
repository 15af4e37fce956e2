"""What an administrator asks of a records database while no collector has to be running."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, func, inspect, select, table, text
from sqlalchemy.exc import StatementError

from collector.records import key_table, schema, sealing, upgrading
from collector.records.engine import Place, begin_reading, begin_writing
from collector.records.errors import RecordsFileError, RecordsUnavailableError
from collector.records.key_table import WrongKeyFileError
from collector.records.sealing import Keyring


class Status(NamedTuple):
    """What there is. revision: None for an empty database. key: generation of the key that new values are
    sealed under, 0 for none; key_fits: whether the key file is the one of this database.
    """

    database: str
    revision: str | None
    size_bytes: int
    rows: dict[str, int]
    key: int
    key_fits: bool


class Migrated(NamedTuple):
    """From which revision to which, and the copy that was made before, of an SQLite file."""

    before: str
    after: str
    copy: Path | None


def status(where: Path | str, key: Ed25519PrivateKey) -> Status:
    """Looks and changes nothing. Raises RecordsFileError."""
    with _administering(where, key) as (connection, place, keyring):
        revision = schema.look(connection, place)
        names = sorted(inspect(connection).get_table_names()) if revision else []
        rows = {
            name: connection.scalar(select(func.count()).select_from(table(name))) or 0
            for name in names
            if name not in {"records_revision", "schema_version", "sealing_keys"}
        }
        fits = True
        if revision == schema.HEAD:
            try:
                key_table.load(connection, keyring)
            except WrongKeyFileError:
                fits = False
        size = "pg_database_size(current_database())"
        if place.is_sqlite:
            size = "page_count * page_size FROM pragma_page_count, pragma_page_size"
        size_bytes = connection.scalar(text(f"SELECT {size}")) or 0
        return Status(place.shown, revision, size_bytes, rows, keyring.current, fits)


def losses(where: Path | str, key: Ed25519PrivateKey, target: str) -> dict[str, int]:
    """Rows by table that would go on the way down to a revision. Raises RecordsFileError."""
    with _administering(where, key) as (connection, place, _):
        found = schema.look(connection, place)
        return upgrading.losses(connection, found, target) if found else {}


def migrate(where: Path | str, key: Ed25519PrivateKey, target: str) -> Migrated | None:
    """Up or down to a revision; None when there was nothing to do. Raises RecordsFileError."""
    with _administering(where, key) as (connection, place, _):
        found = schema.look(connection, place)
    if found is None:
        raise RecordsFileError(f"{place.shown} is empty; the collector makes its tables at its first start")
    if found == target:
        return None
    now_ms = time.time_ns() // 1_000_000
    with _administering(where, key, target) as (connection, place, keyring):
        if schema.look(connection, place) == schema.HEAD:
            schema.load_keys(connection, keyring, place, now_ms)
        return Migrated(found, target, upgrading.migrate(connection, place, keyring, target, now_ms))


@contextmanager
def _administering(
    where: Path | str, key: Ed25519PrivateKey, target: str | None = None
) -> Iterator[tuple[Connection, Place, Keyring]]:
    """One transaction: that of a migration to `target`, or, without one, one that only reads."""
    place, keyring = Place(where), Keyring(key.private_bytes_raw())
    if place.file is not None and not place.file.exists():
        raise RecordsFileError(f"there is no {place.file} yet; the collector makes it at its first start")
    engine = place.engine()
    sealing.attach(engine, keyring)
    try:
        with engine.begin() as connection:
            (begin_writing if target else begin_reading)(connection)
            place.check_server(connection)
            yield connection, place, keyring
        if target:
            upgrading.clean(engine, place, target)
    except RecordsUnavailableError as error:
        raise RecordsFileError(f"{place.shown} stays as it was: {error}") from error
    except (StatementError, sqlite3.Error) as error:
        raise place.explain(error) from error
    finally:
        engine.dispose()
