"""PostgreSQL under the records: killed, away, locked, not to be used; nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import msgspec
import psycopg
import pytest
from sqlalchemy import Connection, LargeBinary, event, select, text, type_coerce
from sqlalchemy.exc import DBAPIError

from collector.intake import line as line_module
from collector.records import (
    Records,
    RecordsFileError,
    RecordsUnavailableError,
    administration,
    alerts,
    erasure,
    key_table,
    tables,
)
from collector.records.engine import in_words, is_of_a_row
from collector.records.sealing import generation_of
from telemetry.exchange import Order
from tests.collector.conftest import NOW_MS, PSEUDONYM, MakeLab, Sender, check, eventually
from tests.collector.kept_records import RECORDS, counts, keep
from tests.collector.old_records import FEVER
from tests.collector.record_databases import KEY, RecordsDatabase, on_both
from tests.collector.vault_bench import OTHER
from tests.postgresql import PostgreSql, running_postgresql

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def mortal() -> Iterator[PostgreSql]:
    """A server of the test's own, to be killed."""
    with running_postgresql() as server:
        yield server


@pytest.mark.parametrize("database", ["mortal"], indirect=True)
async def test_a_killed_server_loses_nothing_that_was_acknowledged(
    mortal: PostgreSql, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "UNAVAILABLE_PAUSE_S", 0.01)
    sender = Sender()
    lab = await make_lab(sender)
    batches = {n: sender.batch(n, stream="urgent", records=[check(), *RECORDS]) for n in range(1, 61)}

    async def send_until_stored() -> None:
        """As a gateway: what is not acknowledged is sent again."""
        while missing := sorted(set(batches) - lab.stored()):
            for number in missing[:10]:
                await lab.send(batches[number])
            await asyncio.sleep(0.01)

    sending = asyncio.create_task(send_until_stored(), name="gateway")
    for done in (10, 25, 40):
        await eventually(lambda n=done: len(lab.received()) >= n)  # type: ignore[misc]
        promised = lab.received()
        await asyncio.to_thread(mortal.kill)
        await eventually(lambda: lab.line.health()["records"] != "ok")
        await asyncio.to_thread(mortal.start)
        await eventually(lambda n=promised: lab.line.health()["records"] == "ok" and lab.received() >= n)  # type: ignore[misc]
    await asyncio.wait_for(sending, 60)
    assert lab.rejected() == {}, "what the database could not take then is not refused for good"
    found = await lab.records.look(
        lambda connection: connection.scalars(
            tables.meal_records.select().with_only_columns(tables.meal_records.c.sequence)
        ).all()
    )
    assert sorted(found) == sorted(batches), "each once"
    assert (await counts(lab.records))["morning_check"] == 2 * len(batches)
    assert len(await lab.records.find_alerts(limit=1_000)) == 3 * len(batches)


@on_postgresql
async def test_a_lost_connection_costs_one_transaction_at_most(database: RecordsDatabase) -> None:
    records = database.open()
    await keep(records, RECORDS, NOW_MS)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'campus-collector'"
    database.rows(cut)
    await keep(records, RECORDS, NOW_MS, 2)
    with pytest.raises(RecordsUnavailableError):
        await records.run(lambda connection: (database.rows(cut), connection.execute(text("SELECT 1"))))
    await keep(records, RECORDS, NOW_MS, 3)
    assert (await counts(records))["meal_record"] == 3
    await records.close()


async def test_while_the_server_is_away_nobody_waits_for_it_in_turns(
    mortal: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.records.database.AWAY_S", 1_000)
    records = Records.open(mortal.new_schema(), KEY)
    mortal.kill()
    tries = []
    event.listen(records._engine, "do_connect", lambda *_: tries.append(1))
    for _ in range(20):
        with pytest.raises(RecordsUnavailableError, match=r"connection|server"):
            await records.gateways()
    assert len(tries) <= 2
    mortal.start()
    records._away_until_s = 0
    assert await records.gateways() == []
    await records.close()


@on_postgresql
async def test_writers_are_one_at_a_time_and_readers_do_not_wait(database: RecordsDatabase) -> None:
    records, other = database.open(), database.open()
    await records.run(lambda connection: connection.execute(text("SET lock_timeout = '50ms'")))

    def meanwhile(_: object) -> None:
        with pytest.raises(RecordsUnavailableError, match="lock timeout"):
            records.run_now(lambda connection: connection.execute(text("SELECT 1")))
        assert records.look_now(alerts.count_open) == 0

    await asyncio.to_thread(other.run_now, meanwhile)
    await keep(records, RECORDS, NOW_MS)
    with pytest.raises(RecordsUnavailableError, match="read-only"):
        await records.look(lambda connection: connection.execute(tables.gaps.delete()))
    await records.close()
    await other.close()


async def test_a_commit_is_durable_whatever_the_database_is_set_to(postgresql: PostgreSql) -> None:
    where = postgresql.new_database()
    RecordsDatabase(where).change(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$"
    )
    records = Records.open(where, KEY)
    shown = await records.look(lambda connection: connection.scalar(text("SHOW synchronous_commit")))
    assert shown == "on"
    await records.close()


async def test_who_waits_for_the_lock_seals_under_the_key_that_was_made_meanwhile(
    postgresql: PostgreSql,
) -> None:
    """Whatever transactions the database is set to: the key before is forgotten at the end of rekey."""
    where = f"{postgresql.new_schema()}%20-cdefault_transaction_isolation%3Dserializable"
    records, other = Records.open(where, KEY), Records.open(where, KEY)
    waiting = []

    def work(connection: Connection) -> None:
        key_table.begin(connection, other.keyring, NOW_MS)
        waiting.append(asyncio.run_coroutine_threadsafe(keep(records, RECORDS, NOW_MS), loop))
        blocked = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while not connection.scalar(blocked):
            time.sleep(0.005)

    loop = asyncio.get_running_loop()
    await other.run(work)
    await asyncio.wrap_future(waiting[0])
    sealed = select(type_coerce(tables.meal_records.c.mass_g, LargeBinary()))
    found = await records.look(lambda connection: connection.scalars(sealed).all())
    assert [generation_of(one) for one in found] == [2]
    await records.close()
    await other.close()


@on_postgresql
async def test_of_deleted_rows_nothing_is_left_in_a_small_table(
    database: RecordsDatabase, postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_the_file(pseudonym: str) -> int:
        postgresql.run("CHECKPOINT")
        ((path,),) = database.rows("SELECT pg_relation_filepath('meal_records')")
        return (postgresql.folder / "data" / str(path)).read_bytes().count(pseudonym.encode())

    records = database.open()
    meal, other = RECORDS[3], msgspec.structs.replace(RECORDS[3], pseudonym=OTHER)
    await keep(records, [meal, *[other] * 9] * 20, NOW_MS)
    assert in_the_file(PSEUDONYM) == 20
    order = Order("o", "erase", [PSEUDONYM])
    await records.run(lambda connection: erasure.execute(connection, order, NOW_MS))
    monkeypatch.setattr("collector.records.engine.WRITTEN_ANEW_BYTES_MAX", 0)
    await records.empty_journal()
    dead = "SELECT count(*) FROM pg_class WHERE relname = 'meal_records' AND reltuples = 180"
    assert (0,) not in database.rows(f"{dead} AND relnamespace = current_schema()::regnamespace")
    monkeypatch.undo()
    await records.empty_journal()
    assert in_the_file(OTHER) >= 180
    assert in_the_file(PSEUDONYM) == 0
    # Who has a look at the table at that moment is not waited for, nor does anybody wait.
    await records.run(lambda connection: connection.execute(tables.meal_records.delete()))
    with database.looking() as reading:
        reading.execute(text("SELECT count(*) FROM meal_records"))
        await records.empty_journal()
    await keep(records, [meal], NOW_MS, 2)
    await records.close()


@on_postgresql
async def test_nothing_in_clear_is_left_where_columns_were_sealed(
    database: RecordsDatabase, postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.records.engine.WRITTEN_ANEW_BYTES_MAX", 0)

    def in_the_file() -> int:
        postgresql.run("CHECKPOINT")
        ((path,),) = database.rows("SELECT pg_relation_filepath('morning_checks')")
        return (postgresql.folder / "data" / str(path)).read_bytes().count(b"cough,rash")

    records = database.open()
    await keep(records, [RECORDS[0]], NOW_MS)
    await records.close()
    for revision, in_clear in (("0002", True), ("0003", False)):
        administration.migrate(database.where, KEY, revision)
        assert (in_the_file() > 0) == in_clear


@on_both
async def test_pages_of_alerts_are_the_same_on_both(database: RecordsDatabase) -> None:
    records = database.open()
    rows = [
        FEVER | {"cause": str(n), "doubtful": n % 2 == 0, "site": None if n % 3 else "ear", "limit": None}
        for n in range(7)
    ]
    await records.run(lambda connection: alerts.add(connection, rows))
    await records.acknowledge_alert(3, "nurse", NOW_MS)
    first = await records.find_alerts(limit=4)
    second = await records.find_alerts(before_id=first[-1].id, limit=4)
    assert [one.id for one in first + second] == [7, 6, 5, 4, 3, 2, 1]
    assert [one.cause for one in first] == ["6", "5", "4", "3"]
    assert [one.doubtful for one in first] == [True, False, True, False]
    assert [one.site for one in second] == [None, None, "ear"]
    assert {type(one.value) for one in first} == {float}
    assert [one.id for one in await records.find_alerts("acknowledged")] == [3]
    assert await records.count_open_alerts() == 6
    await records.close()


def test_servers_that_cannot_be_used_are_told_with_a_remedy(postgresql: PostgreSql) -> None:
    postgresql.run("CREATE ROLE somebody LOGIN")
    ascii_only = postgresql.new_database("ENCODING SQL_ASCII TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    other = postgresql.new_database()
    engine_tables = RecordsDatabase(other)
    engine_tables.change("CREATE TABLE something(x integer)")
    empty = postgresql.new_database()
    for where, words in (
        ("postgresql+psycopg://campus@/x?host=/nowhere", "start the server, or correct the address"),
        (postgresql.url("missing"), 'database "missing" does not exist; create it: createdb'),
        (
            postgresql.url("postgres", "nobody_here"),
            'role "nobody_here" does not exist; create it: createuser',
        ),
        (empty.replace("postgres@", "somebody@"), "permission denied for schema public; make this user"),
        (f"{empty}&options=-cdefault_transaction_read_only%3Don", "name the primary server, not a standby"),
        (ascii_only, "has the encoding SQL_ASCII; create one with: createdb --encoding=UTF8"),
        (other, "has tables of another program; name another database"),
        ("postgresql+psycopg2://campus@/x", "needs a driver: install 'campus-pulse"),
        ("oracle9://campus@/x", "needs a driver"),
        ("rubbish", "the address of the records database cannot be read; write sqlite:///file or"),
        (f"{empty}&no_such_option=1", "cannot be used"),
    ):
        with pytest.raises(RecordsFileError, match=words):
            Records.open(where, KEY)


def test_a_password_in_the_address_is_shown_to_nobody() -> None:
    with pytest.raises(RecordsFileError) as caught:
        Records.open("postgresql+psycopg://campus:geheim@/x?host=/nowhere", KEY)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "of_a_row"),
    [
        (psycopg.errors.DiskFull, False),
        (psycopg.errors.UndefinedTable, False),
        (psycopg.errors.InsufficientPrivilege, False),
        (psycopg.errors.SerializationFailure, False),
        (psycopg.errors.DeadlockDetected, False),
        (psycopg.errors.AdminShutdown, False),
        (psycopg.InterfaceError, False),
        (psycopg.OperationalError, False),
        (psycopg.errors.NumericValueOutOfRange, True),
        (psycopg.errors.UniqueViolation, True),
        (psycopg.DataError, True),
    ],
)
def test_only_what_a_row_is_to_blame_for_is_refused_for_good(
    error: type[psycopg.Error],
    of_a_row: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    found = DBAPIError("INSERT", {}, error(f"key ({PSEUDONYM}) exists\nDETAIL: {PSEUDONYM}"))
    assert is_of_a_row(found) == of_a_row
    assert PSEUDONYM not in in_words(found) or not of_a_row
