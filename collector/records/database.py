"""Opens the records database and runs its transactions, one at a time, off the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError, StatementError

from collector.records import alerts, dead_letters, enrolment, gateways, schema, sealing, streams, upgrading
from collector.records.alert_sight import AlertSight
from collector.records.alerts import Alert, AlertState
from collector.records.all_tables import ABOUT_PEOPLE
from collector.records.dead_letters import DeadLetter
from collector.records.engine import (
    Place,
    begin_reading,
    begin_writing,
    empty_journal,
    in_words,
    is_of_a_row,
    is_without_table,
    vacuum,
)
from collector.records.errors import (
    RecordsChangedError,
    RecordsFileError,
    RecordsUnavailableError,
    RowsRefusedError,
)
from collector.records.gateways import Gateway
from collector.records.schema import HEAD
from collector.records.sealing import Keyring
from collector.records.streams import StreamKey, StreamMarks
from collector.records.tables import records_revision, sealing_keys
from collector.records.upgrading import Upgrade

Result = TypeVar("Result")

log = structlog.get_logger()

AWAY_S: Final = 0.5
"""For so long after a connection that failed none is tried."""
_STATE: Final = select(
    select(records_revision.c.version_num).scalar_subquery(),
    select(sealing_keys.c.salt).order_by(sealing_keys.c.generation.desc()).limit(1).scalar_subquery(),
)
"""The revision and the newest key: asked in every transaction, for they can change beside us. Of the key
its salt, for numbers begin anew after a way down and up again.
"""


class Records:
    """The records database of one collector.

    `run` executes a function in one transaction, `look` one that only reads; the named methods are what
    the web and the commands need. Every method raises RecordsUnavailableError when the transaction
    failed, and RowsRefusedError when it failed for what was to be written.
    """

    def __init__(self, engine: Engine, place: Place, keyring: Keyring) -> None:
        self._engine = engine
        self._place = place
        self.keyring = keyring
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records")
        self._away_until_s, self._away_for = float("-inf"), ""

    @classmethod
    def open(
        cls,
        where: Path | str,
        key: Ed25519PrivateKey | None = None,
        upgrade: Upgrade | None = None,
        old_key: Ed25519PrivateKey | None = None,
    ) -> Self:
        """Opens or creates the database: an SQLite file, or an address as in the configuration.

        key: the collector's; without it everything works except the sealed columns. upgrade: what to do
        about an older revision; None: as `upgrading.refuse_to_start` says. old_key: opens what was sealed
        before the key file was replaced. Raises RecordsFileError.
        """
        place, now_ms = Place(where), time.time_ns() // 1_000_000
        keyring = Keyring(*(one.private_bytes_raw() for one in (key, old_key) if one))
        engine = place.engine()
        sealing.attach(engine, keyring)
        copy = migrated = None
        try:
            with engine.begin() as connection:
                # Now, and not with the first row: a program killed here leaves all tables or none.
                begin_writing(connection)
                place.check_server(connection)
                found = schema.look(connection, place)
                if found is None:
                    schema.create(connection, keyring, now_ms)
                elif found != HEAD:
                    upgrading.refuse_to_start(place, found, upgrade)
                    copy = upgrading.migrate(connection, place, keyring, HEAD, now_ms)
                    migrated = found
                schema.load_keys(connection, keyring, place, now_ms)
            if migrated:
                log.info(
                    "records database upgraded",
                    database=place.shown,
                    before=migrated,
                    after=HEAD,
                    copy=str(copy) if copy else None,
                )
                upgrading.clean(engine, place, HEAD)
        except (StatementError, sqlite3.Error) as error:
            engine.dispose()
            raise place.explain(error) from error
        except RecordsFileError:
            engine.dispose()
            raise
        return cls(engine, place, keyring)

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """`work` in one transaction, durable when this returns; nobody else writes meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.run_now, work)

    async def look(self, work: Callable[[Connection], Result]) -> Result:
        """`work`, which only reads, on one moment of the database, whoever writes meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.look_now, work)

    def run_now(self, work: Callable[[Connection], Result]) -> Result:
        """`run` for commands without an event loop."""
        return self._transact(begin_writing, work)

    def look_now(self, work: Callable[[Connection], Result]) -> Result:
        """`look` for commands without an event loop."""
        return self._transact(begin_reading, work)

    def _transact(self, begin: Callable[[Connection], None], work: Callable[[Connection], Result]) -> Result:
        try:
            with self._connect() as connection, connection.begin():
                begin(connection)
                self._notice_changes(connection)
                return work(connection)
        except StatementError as error:
            if isinstance(error.orig, RecordsUnavailableError):  # on the way in
                raise error.orig from None
            if is_of_a_row(error):
                raise RowsRefusedError(in_words(error)) from error
            raise RecordsUnavailableError(in_words(error)) from error
        except (OverflowError, UnicodeEncodeError) as error:
            # An integer beyond 64 bits, half a character: the driver lets them through.
            raise RowsRefusedError(type(error).__name__) from error

    def _connect(self) -> Connection:
        """After a failure nobody tries for a moment: those who wait would wait for the time-out in turns."""
        if time.monotonic() < self._away_until_s:
            raise RecordsUnavailableError(self._away_for)
        try:
            return self._engine.connect()
        except DBAPIError as error:
            self._away_until_s, self._away_for = time.monotonic() + AWAY_S, in_words(error)
            raise

    def _notice_changes(self, connection: Connection) -> None:
        """A migration or another key beside a running collector: what it wrote would be lost."""
        try:
            revision, salt = connection.execute(_STATE).one()
        except DBAPIError as error:
            if not is_without_table(error):
                raise
            revision = salt = None
        if revision != HEAD:
            raise RecordsChangedError(
                f"{self._place.shown} was taken to another revision meanwhile; start the program anew"
            )
        if (salt or b"") != self.keyring.salt:
            try:
                schema.load_keys(connection, self.keyring, self._place, 0)
            except RecordsFileError:
                raise RecordsChangedError(
                    f"{self._place.shown} was sealed under another key file meanwhile; start the program anew "
                    "with that one"
                ) from None

    async def empty_journal(self) -> None:
        """Overwrites what else the database's files hold of deleted rows, and deletes the copy that a
        migration made: the journal of SQLite, at the next call if somebody reads at the moment; the free
        rows of PostgreSQL, as far as VACUUM goes (docs/decisions/0022).
        """
        # PostgreSQL does it beside the writers, SQLite between them.
        thread = self._thread if self._place.is_sqlite else None
        await asyncio.get_running_loop().run_in_executor(thread, self.clean)

    def clean(self) -> None:
        """`empty_journal` for commands without an event loop."""
        upgrading.forget_copies(self._place)
        try:
            if self._place.is_sqlite:
                empty_journal(self._engine)
            else:
                vacuum(self._engine, ABOUT_PEOPLE)
        except StatementError as error:
            raise RecordsUnavailableError(in_words(error)) from error

    async def close(self) -> None:
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """The same for commands without an event loop."""
        self._thread.shutdown(wait=True)
        self._engine.dispose()

    async def find_alerts(
        self,
        state: AlertState | None = None,
        before_id: int | None = None,
        limit: int = 50,
        sight: AlertSight | None = None,
    ) -> list[Alert]:
        """Newest first; `before_id` pages on. sight: only what somebody sees, None: all."""
        return await self.look(lambda connection: alerts.find(connection, state, before_id, limit, sight))

    async def count_open_alerts(self, sight: AlertSight | None = None) -> int:
        return await self.look(lambda connection: alerts.count_open(connection, sight))

    async def acknowledge_alert(
        self, alert_id: int, by: str, at_ms: int, sight: AlertSight | None = None
    ) -> Alert | None:
        """The alert afterwards, None for an unknown id or one out of sight; the first acknowledgement counts."""
        return await self.run(lambda connection: alerts.acknowledge(connection, alert_id, by, at_ms, sight))

    async def gateways(self) -> list[Gateway]:
        return await self.look(gateways.find_all)

    async def load_streams(self) -> dict[StreamKey, StreamMarks]:
        """Raises RecordsFileError when they are damaged: without them nothing may be acknowledged."""
        try:
            return await self.look(streams.load)
        except (msgspec.MsgspecError, ValueError) as error:
            raise RecordsFileError(
                f"the stream marks in {self._place.shown} are damaged; restore it from a backup"
            ) from error

    async def last_data(self) -> dict[tuple[str, str], int]:
        """When the last good batch of each (school, gateway) came."""
        return await self.look(streams.last_data)

    async def given_up(self) -> dict[tuple[str, str], dict[str, int]]:
        """Readings given up by (school, gateway) and reason, as the gateways declared them."""
        return await self.look(streams.given_up)

    def list_gateways(self) -> list[Gateway]:
        """`gateways` for commands without an event loop."""
        return self.look_now(gateways.find_all)

    def add_gateway(self, gateway: Gateway) -> None:
        """Raises GatewayExistsError."""
        self.run_now(lambda connection: gateways.add(connection, replace(gateway, state="active")))

    def revoke_gateway(self, school: str, id_: str, at_ms: int) -> bool:
        """False when there is no such active gateway."""
        return self.run_now(lambda connection: enrolment.revoke_gateway(connection, school, id_, at_ms))

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keeps what was refused for good; the oldest go beyond a number and a size."""
        await self.run(lambda connection: dead_letters.add(connection, letters))

    async def dead_letters(self, limit: int = 50) -> list[DeadLetter]:
        """Newest first."""
        return await self.look(lambda connection: dead_letters.find(connection, limit))
