"""Opens the vault's database, SQLite or PostgreSQL, and runs its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from identity_vault.database import tables
from identity_vault.database.fence import put_up_fence

_LOCK: Final = 0x43_50_56_41
"""Names the one writer's lock in PostgreSQL, "CPVA"."""


class DatabaseError(Exception):
    """The database cannot be used; the message names it, the cause and the remedy."""


class VaultUnavailableError(Exception):
    """A transaction failed and changed nothing (disk full, locked, connection lost); try again later."""


class Database:
    """The vault's database. Writers are one at a time, also those of other processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(self._engine.url.database or "") if self.is_sqlite else None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One write transaction, durable when left. Raises VaultUnavailableError."""
        try:
            with self._engine.begin() as connection:
                if self.is_sqlite:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                else:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                yield connection
        except DBAPIError as error:
            raise VaultUnavailableError(_in_words(error)) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Looks at one moment of the database. Raises VaultUnavailableError."""
        try:
            with self._engine.connect() as connection:
                if self.is_sqlite:
                    connection.exec_driver_sql("BEGIN")
                else:
                    connection = connection.execution_options(  # noqa: PLW2901  # its own fluent style
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                yield connection
        except DBAPIError as error:
            raise VaultUnavailableError(_in_words(error)) from error

    def forget_deleted(self) -> None:
        """Folds the write-ahead log into the file, so that what was deleted is in neither."""
        if self.is_sqlite:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._engine.dispose()


def create_database(url: str, school: str, epoch: str, now_ms: int) -> Database:
    """A new, empty database. Raises DatabaseError, also when there is one already."""
    database = _connect(url)
    try:
        if database.file is not None:
            # Before SQLite makes it, whose files get the rights of this one.
            database.file.touch(mode=0o600)
        with database.begin() as connection:
            _create(connection, url, school, epoch, now_ms)
    except (DatabaseError, VaultUnavailableError) as error:
        database.close()
        raise DatabaseError(str(error)) from error
    except OSError as error:
        database.close()
        raise DatabaseError(f"{_shown(url)} cannot be made: {error.strerror}") from error
    return database


def _create(connection: Connection, url: str, school: str, epoch: str, now_ms: int) -> None:
    if inspect(connection).get_table_names():
        raise DatabaseError(f"{_shown(url)} has tables already; name an empty database")
    tables.metadata.create_all(connection)
    put_up_fence(connection)
    rows = {"schema_version": str(tables.SCHEMA_VERSION), "school": school, "map_version": "1"}
    connection.execute(insert(tables.meta), [{"key": key, "value": value} for key, value in rows.items()])
    connection.execute(insert(tables.epochs), [{"id": epoch, "state": "current", "began_ms": now_ms}])


def open_database(url: str, school: str) -> Database:
    """Raises DatabaseError: none there, another program version's, another school's."""
    database = _connect(url)
    try:
        _check(database, url, school)
    except (DatabaseError, VaultUnavailableError) as error:
        database.close()
        raise DatabaseError(str(error)) from error
    return database


def _check(database: Database, url: str, school: str) -> None:
    if database.file is not None and not database.file.exists():
        raise DatabaseError(f"{database.file} does not exist; run `campus vault init` first")
    with database.read() as connection:
        if "meta" not in inspect(connection).get_table_names():
            raise DatabaseError(f"{_shown(url)} is not a vault's; run `campus vault init` first")
        rows = connection.execute(select(tables.meta.c.key, tables.meta.c.value))
        found = {key: value for key, value in rows if key in {"schema_version", "school"}}
    if found.get("schema_version") != str(tables.SCHEMA_VERSION):
        raise DatabaseError(
            f"{_shown(url)} has schema version {found.get('schema_version')}, this program needs "
            f"{tables.SCHEMA_VERSION}; use the program version that wrote it"
        )
    if found.get("school") != school:
        raise DatabaseError(f"{_shown(url)} is the vault of {found.get('school')}, not of {school}")


def _connect(url: str) -> Database:
    sqlite = url.startswith("sqlite")
    try:
        if sqlite and (path := make_url(url).database):
            Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = create_engine(
            url,
            connect_args={"check_same_thread": False, "timeout": 10} if sqlite else {"connect_timeout": 10},
            pool_pre_ping=not sqlite,
            # A traceback has the statement, and nobody's values.
            hide_parameters=True,
        )
    except OSError as error:
        raise DatabaseError(f"{_shown(url)} cannot be made: {error.strerror}; name another folder") from error
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise DatabaseError(f"{_shown(url)} needs a driver: install 'campus-pulse[postgresql]'") from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
    return Database(engine)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What is deleted about somebody is overwritten, not left in free pages.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _in_words(error: DBAPIError) -> str:
    """What the database says, without the values of the statement."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return str(cause)
    return (str(cause).splitlines() or [type(error).__name__])[0]
