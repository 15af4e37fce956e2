"""Where the records are, SQLite or PostgreSQL: connections, the beginning of transactions, faults in words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, StatementError

from collector.records.errors import RecordsFileError

WRITTEN_ANEW_BYTES_MAX: Final = 32 * 1024**2
"""A second's work at most."""

log = structlog.get_logger()

_LOCK: Final = 0x43_50_52_45
"""Names the one writer's lock in PostgreSQL, "CPRE"."""
_POSTGRESQL_OPTIONS: Final = {
    "connect_timeout": 10,
    # A server that went away without a word is noticed within a minute.
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "campus-collector",
    "client_encoding": "utf8",
}
_SESSION: Final = (
    "SELECT set_config('lock_timeout', '10s', false), set_config('statement_timeout', '60s', false), "
    # Who has waited for the writers' lock has to see what was written meanwhile.
    "set_config('default_transaction_isolation', 'read committed', false), "
    # With "off" a commit would be answered before it is durable; stronger settings stay.
    "CASE WHEN current_setting('synchronous_commit') = 'off' "
    "THEN set_config('synchronous_commit', 'on', false) END"
)


class Place:
    """Which database it is. `shown` names it in messages, without a password."""

    def __init__(self, where: Path | str) -> None:
        """A file, or an address as in `[records] database`. Raises RecordsFileError."""
        try:
            self.url = (
                URL.create("sqlite", database=str(where)) if isinstance(where, Path) else make_url(where)
            )
        except ArgumentError:
            raise RecordsFileError(
                "the address of the records database cannot be read; write sqlite:///file or "
                "postgresql+psycopg://user@host/name"
            ) from None
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.file = Path(self.url.database or "") if self.is_sqlite else None
        self.shown = str(self.file) if self.file else self.url.render_as_string(hide_password=True)

    def engine(self) -> Engine:
        """Connects nowhere yet. Raises RecordsFileError."""
        if self.file is not None:
            try:
                self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise RecordsFileError(
                    f"{self.file.parent} cannot be made a folder: {error.strerror}; name another"
                ) from error
            # Before SQLite makes it: what it makes beside the file gets the same rights.
            with contextlib.suppress(OSError):
                self.file.touch(mode=0o600)
        options = {"check_same_thread": False, "timeout": 10} if self.is_sqlite else _POSTGRESQL_OPTIONS
        wanted = {name: value for name, value in options.items() if name not in self.url.query}
        try:
            engine = create_engine(
                self.url,
                connect_args=wanted,
                pool_pre_ping=not self.is_sqlite,
                hide_parameters=True,  # a traceback would show whom a row is about
            )
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise RecordsFileError(
                f"{self.shown} needs a driver: install 'campus-pulse[postgresql]', and write postgresql+psycopg://"
            ) from error
        except ArgumentError as error:
            raise RecordsFileError(f"{self.shown} is no address of a database: {error}") from error
        event.listen(engine, "connect", _prepare_sqlite if self.is_sqlite else _prepare_postgresql)
        return engine

    def check_server(self, connection: Connection) -> None:
        """Raises RecordsFileError for a PostgreSQL database that would not keep what it is given."""
        if self.is_sqlite:
            return
        encoding = connection.scalar(text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise RecordsFileError(
                f"{self.shown} has the encoding {encoding}; create one with: createdb --encoding=UTF8 NAME"
            )
        for setting in ("fsync", "full_page_writes"):
            if connection.scalar(text(f"SHOW {setting}")) != "on":
                log.warning("the server of the records database may lose what it has confirmed", off=setting)

    def explain(self, error: StatementError | sqlite3.Error) -> RecordsFileError:
        """Why the database cannot be used, with a remedy."""
        cause = in_words(error)
        for words, remedy in _REMEDIES_SQLITE if self.is_sqlite else _REMEDIES_POSTGRESQL:
            if words in cause:
                return RecordsFileError(f"{self.shown} cannot be used: {cause}; {remedy}")
        remedy = "move it away or restore it from a backup" if self.is_sqlite else "see the server's log"
        return RecordsFileError(f"{self.shown} cannot be used as a records database: {cause}; {remedy}")


_REMEDIES_SQLITE: Final = (
    ("locked", "another program does not let go of it; stop that one first"),
    ("disk is full", "make room on its disk"),
    # What a full disk leads to where not even the shared memory beside the file can be made.
    ("disk I/O error", "make room on its disk, and see in the system's log whether it fails"),
    ("readonly", "give this user the right to write it and its folder"),
    ("unable to open", "is it a folder, or may this user not write there? Name another file"),
)
_REMEDIES_POSTGRESQL: Final = (
    ("password", "put the password into the file that PGPASSFILE names (chmod 600), not into the address"),
    ("no pg_hba.conf entry", "allow this host and user in the server's pg_hba.conf"),
    ('role "', "create it: createuser --pwprompt NAME"),
    ("does not exist", "create it: createdb --owner=USER --encoding=UTF8 NAME"),
    ("permission denied", "make this user the database's owner: ALTER DATABASE name OWNER TO user"),
    ("read-only", "name the primary server, not a standby"),
    ("No space left", "make room on the server's disk"),
    ("lock timeout", "another program does not let go of it; stop that one first"),
    ("resolve host", "correct the host in [records] database"),
    ("connection to server", "start the server, or correct the address in [records] database"),
    ("connection timeout", "start the server, or correct the address in [records] database"),
)


def check_address(text: str) -> None:
    """Whether a configuration may name this database. Raises RecordsFileError, which does not quote it."""
    url = Place(text).url
    if url.drivername not in {"sqlite", "postgresql+psycopg"} or not url.database:
        raise RecordsFileError("write sqlite:///file or postgresql+psycopg://user@host/name")
    if url.password or "password" in url.query:
        raise RecordsFileError(
            "holds a password; leave it out and put it into the file that PGPASSFILE names (chmod 600)"
        )


def begin_writing(connection: Connection) -> None:
    """The caller's transaction becomes the only one that writes, also among other programs."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def begin_reading(connection: Connection) -> None:
    """The caller's transaction sees one moment of the database and changes nothing."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def in_words(error: StatementError | sqlite3.Error) -> str:
    """What the database says, without the values of the statement or of a row."""
    cause = error.orig if isinstance(error, StatementError) else error
    if isinstance(cause, sqlite3.Error):
        return str(cause)
    if isinstance(error, StatementError) and is_of_a_row(error):
        return type(cause).__name__  # its words quote the value
    return (str(cause).splitlines() or [type(cause).__name__])[0]


def is_of_a_row(error: StatementError) -> bool:
    """Whether a transaction failed for what was to be written, and would fail so again."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return isinstance(
            cause,
            sqlite3.DataError | sqlite3.IntegrityError | sqlite3.InterfaceError | sqlite3.ProgrammingError,
        )
    state = getattr(cause, "sqlstate", None)
    if isinstance(state, str):
        return state[:2] in {"22", "23"}  # data exception, integrity constraint violation
    # Without a state: a value that the driver cannot pass on, or no connection.
    return not isinstance(error, DBAPIError) or type(cause).__name__ == "DataError"


def is_without_table(error: DBAPIError) -> bool:
    """Whether a statement failed for a table that is not there."""
    if isinstance(error.orig, sqlite3.Error):
        return str(error.orig).startswith("no such table")
    return getattr(error.orig, "sqlstate", None) == "42P01"  # undefined_table


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What is deleted is overwritten: a free page would still hold it.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _prepare_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)
    connection.commit()


def empty_journal(engine: Engine) -> None:
    """Folds the write-ahead log of SQLite into the file and leaves it empty."""
    with engine.connect() as connection:
        # Read to the end: a statement in progress would keep the next one from committing.
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()


def vacuum(engine: Engine, names: Iterable[str], *, all_anew: bool = False) -> None:
    """Frees the deleted rows of PostgreSQL tables. A small table is written anew, unless somebody is at it
    at the moment: then nothing of them is left in its file. A large one would keep writers out too long.
    all_anew: where nobody writes, whatever the size.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Not given back to the pool: the others keep their time limits.
        connection.detach()
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET lock_timeout = '200ms'"))
        for name in names:
            small = connection.scalar(text(f"SELECT pg_table_size('{name}')")) <= WRITTEN_ANEW_BYTES_MAX
            if not (small or all_anew) or not _vacuumed(connection, f"VACUUM FULL {name}"):
                _vacuumed(connection, f"VACUUM (INDEX_CLEANUP ON) {name}")


def _vacuumed(connection: Connection, statement: str) -> bool:
    try:
        connection.execute(text(statement))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":  # lock_not_available
            return False
        raise
    return True
