"""Opens the records database and runs its transactions, one at a time, off the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError

from collector.records import alerts, dead_letters, gateways, schema, streams
from collector.records.alerts import Alert, AlertState
from collector.records.dead_letters import DeadLetter
from collector.records.gateways import Gateway
from collector.records.schema import RecordsFileError
from collector.records.streams import StreamKey, StreamMarks

Result = TypeVar("Result")


class RecordsUnavailableError(Exception):
    """A transaction failed and changed nothing (disk full, locked, damaged); try again later."""


class RowsRefusedError(Exception):
    """A transaction failed for a row that the database will never take; it changed nothing."""


_ROW_ERRORS: Final = (DataError, IntegrityError, InterfaceError, ProgrammingError)


class Records:
    """The records database of one collector.

    `run` executes a function in one transaction; the named methods are what the web and the
    commands need. Every method raises RecordsUnavailableError when the transaction failed, and
    RowsRefusedError when it failed for what was to be written.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens or creates the SQLite file, its folder the owner's alone. Raises RecordsFileError."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RecordsFileError(
                f"{path.parent} cannot be made a folder: {error.strerror}; name another"
            ) from error
        engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 10})
        event.listen(engine, "connect", _prepare_sqlite)
        try:
            with engine.begin() as connection:
                # Now, and not with the first row: a program killed here leaves all tables or none.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                schema.prepare(connection, path)
        except (DBAPIError, sqlite3.Error) as error:
            engine.dispose()
            raise RecordsFileError(_explain(path, error)) from error
        except RecordsFileError:
            engine.dispose()
            raise
        return cls(engine)

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """`work` in one transaction, durable when this returns."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.run_now, work)

    def run_now(self, work: Callable[[Connection], Result]) -> Result:
        """The same for commands without an event loop."""
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except _ROW_ERRORS as error:
            raise RowsRefusedError(str(error.orig)) from error
        except OverflowError as error:  # an integer beyond 64 bits, which the driver lets through
            raise RowsRefusedError(str(error)) from error
        except DBAPIError as error:
            raise RecordsUnavailableError(str(error.orig)) from error

    async def empty_journal(self) -> None:
        """Overwrites what the write-ahead log still holds of deleted rows; at the next call if somebody
        reads at the moment.
        """
        # Its answer is read to the end: a statement in progress would keep the next one from committing.
        await self.run(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all())

    async def close(self) -> None:
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """The same for commands without an event loop."""
        self._thread.shutdown(wait=True)
        self._engine.dispose()

    async def find_alerts(
        self, state: AlertState | None = None, before_id: int | None = None, limit: int = 50
    ) -> list[Alert]:
        """Newest first; `before_id` pages on."""
        return await self.run(lambda connection: alerts.find(connection, state, before_id, limit))

    async def count_open_alerts(self) -> int:
        return await self.run(alerts.count_open)

    async def acknowledge_alert(self, alert_id: int, by: str, at_ms: int) -> Alert | None:
        """The alert afterwards, None for an unknown id; the first acknowledgement counts."""
        return await self.run(lambda connection: alerts.acknowledge(connection, alert_id, by, at_ms))

    async def gateways(self) -> list[Gateway]:
        return await self.run(gateways.find_all)

    async def load_streams(self) -> dict[StreamKey, StreamMarks]:
        """Raises RecordsFileError when they are damaged: without them nothing may be acknowledged."""
        try:
            return await self.run(streams.load)
        except (msgspec.MsgspecError, ValueError) as error:
            raise RecordsFileError(
                f"the stream marks in {self._engine.url.database} are damaged; restore the file from a backup"
            ) from error

    async def given_up(self) -> dict[tuple[str, str], dict[str, int]]:
        """Readings given up by (school, gateway) and reason, as the gateways declared them."""
        return await self.run(streams.given_up)

    def list_gateways(self) -> list[Gateway]:
        """`gateways` for commands without an event loop."""
        return self.run_now(gateways.find_all)

    def add_gateway(self, gateway: Gateway) -> None:
        """Raises GatewayExistsError."""
        self.run_now(lambda connection: gateways.add(connection, replace(gateway, state="active")))

    def revoke_gateway(self, school: str, id_: str, at_ms: int) -> bool:
        """False when there is no such active gateway."""
        return self.run_now(lambda connection: gateways.revoke(connection, school, id_, at_ms))

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keeps what was refused for good; the oldest go beyond a number and a size."""
        await self.run(lambda connection: dead_letters.add(connection, letters))

    async def dead_letters(self, limit: int = 50) -> list[DeadLetter]:
        """Newest first."""
        return await self.run(lambda connection: dead_letters.find(connection, limit))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What is deleted is overwritten: a free page would still hold it.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _explain(path: Path, error: DBAPIError | sqlite3.Error) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if "locked" in str(cause):
        return f"{path} is in use by another program that does not let go of it; stop that one first"
    return f"{path} cannot be used as a records database: {cause}; move it away or restore it from a backup"
