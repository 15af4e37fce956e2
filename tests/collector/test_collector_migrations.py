"""Databases of older programs go on under this one, and back, with everything that was in them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, insert, text
from sqlalchemy.engine import Engine

from collector.classes import SchoolClass
from collector.records import (
    Gateway,
    Records,
    RecordsFileError,
    account_tables,
    accounts,
    administration,
    alerts,
    all_tables,
    key_table,
    upgrading,
)
from collector.records.schema import HEAD, REVISIONS
from tests.collector.conftest import NOW_MS, PSEUDONYM, SCHOOL
from tests.collector.kept_records import RECORDS, keep
from tests.collector.old_records import FEVER, NOT_IN_VERSION_3, content, fill, shape, write_old_file
from tests.collector.record_databases import KEY, RecordsDatabase, on_both, open_records


def files_at(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_the_program_knows_its_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", "collector.records:migrations")
    script = ScriptDirectory.from_config(config)
    assert [one.revision for one in script.walk_revisions()] == list(reversed(REVISIONS))
    assert script.get_current_head() == HEAD


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_a_file_of_an_older_program_goes_on_with_its_rows(tmp_path: Path, revision: str) -> None:
    file = tmp_path / "records.db"
    write_old_file(file, revision)
    before = file.read_bytes()
    records, new = open_records(file), open_records(tmp_path / "new.db")
    assert await records.look(shape) == await new.look(shape)
    found = await records.look(content)
    (check,) = found["morning_checks"]
    assert (check["temperature_c"], check["symptoms"], check["pseudonym"]) == (38.2, "cough,rash", PSEUDONYM)
    fever = next(one for one in found["alerts"] if one["kind"] == "fever" and one["value"])
    assert (fever["value"], fever["record_type"]) == (38.2, "morning_check")
    assert [one.id for one in await records.gateways()] == ["gw-1"]
    if revision >= "0002":
        assert [one["mean_bpm"] for one in found["heart_rate_windows"]] == [151.5]
        assert [one["mass_g"] for one in found["meal_records"]] == [180.5]
        assert [one["envelope"] for one in found["dead_letters"]] == [b"\x00envelope\xff"]
        assert len(found["erased_pseudonyms"]) == len(found["class_pseudonyms"]) == 1
        assert sorted(str(one["value"]) for one in found["alerts"]) == ["1.0", "38.2", "None"]

    if revision >= "0004":
        assert {one["username"]: one["classes"] for one in found["accounts"]} == {
            "zhang": None,
            "li": '["example-primary/3-2"]',
            "wang": '["other-example/3-2","other-example/4/1"]',
            "zhao": None,
        }

    copy = tmp_path / f"records.db.before-{revision}"
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as old, sqlite3.connect(":memory:") as original:
        original.deserialize(before)
        assert list(old.iterdump()) == list(original.iterdump())
    old.close()
    original.close()
    assert (b"cough,rash" in copy.read_bytes()) == (revision < "0003"), "sealed since"
    # Beside it nothing of the columns in clear is left, and the copy goes with the first row that must.
    assert files_at(tmp_path).count(b"cough,rash") == copy.read_bytes().count(b"cough,rash")
    await records.empty_journal()
    await new.close()
    assert not copy.exists()
    assert b"cough,rash" not in files_at(tmp_path)
    await records.close()
    again = open_records(file)
    assert await again.look(content) == found
    assert not copy.exists(), "nothing is migrated twice"
    await again.close()


@on_both
async def test_down_and_up_again_keeps_what_the_older_program_knows(database: RecordsDatabase) -> None:
    records = database.open()
    await fill(records)
    # More than one part of a migration.
    await keep(records, [RECORDS[3]] * 1_050, NOW_MS, 2)
    before = await records.look(content)
    before.update({table.name: [] for table in NOT_IN_VERSION_3})
    await records.close()

    gone = {"accounts": 1, "gateway_configurations": 1}
    assert administration.losses(database.where, KEY, "0003") == gone
    assert administration.losses(database.where, KEY, "0002") == gone
    assert administration.migrate(database.where, KEY, "0002")
    rows = database.rows("SELECT temperature_c, symptoms FROM morning_checks")
    assert rows == [(38.2, "cough,rash")], "in clear for the program of that time"
    assert database.rows("SELECT version FROM schema_version") == [(2,)]
    assert database.rows("SELECT report FROM order_reports") == [(b"report",)]
    # An older program that went from 1 to 2 by itself has not told Alembic.
    database.change("UPDATE records_revision SET version_num = '0001'")
    records = database.open(upgrade="auto")
    assert await records.look(content) == before
    new_ids = [{**row, "cause": "new"} for row in [FEVER]]
    assert await records.run(lambda connection: alerts.add(connection, new_ids)) == 1
    await records.close()

    lost = administration.losses(database.where, KEY, "0001")
    assert lost == {
        "access_events": 1, "heart_rate_windows": 1, "meal_records": 1_051, "safety_events": 1,
        "order_reports": 1, "alerts": 2,
    }  # fmt: skip
    assert administration.migrate(database.where, KEY, "0001")
    assert database.rows("SELECT version FROM schema_version") == [(1,)]
    assert database.rows("SELECT count(*) FROM alerts WHERE value = 38.2") == [(2,)]
    records = database.open(upgrade="auto")
    after = await records.look(content)
    assert after["morning_checks"] == before["morning_checks"]
    assert after["dead_letters"] == before["dead_letters"]
    assert {one["cause"] for one in after["alerts"]} == {"c", "new"}
    assert after["meal_records"] == []
    await records.close()


@on_both
async def test_classes_know_their_school_from_revision_0005_on(database: RecordsDatabase) -> None:
    records = database.open()
    records.add_gateway(Gateway(SCHOOL, "gw-1", "cHVibGlj", "01", "active", NOW_MS))
    records.add_gateway(Gateway("second-example", "gw-1", "cHVibGlk", "02", "active", NOW_MS))
    rows = [
        NOT_IN_VERSION_3[account_tables.accounts]
        | {
            "username": name,
            "schools": None if schools is None else json.dumps(schools),
            "classes": None if name == "all" else '["a/3-2","a/4/1"]',
        }
        for name, schools in (("everywhere", None), ("two", ["a", "b"]), ("all", None))
    ]
    await records.run(lambda connection: connection.execute(insert(account_tables.accounts), rows))
    await records.close()
    assert administration.migrate(database.where, KEY, "0004")
    query = "SELECT username, classes FROM accounts ORDER BY username"
    assert database.rows(query) == [("all", None), ("everywhere", '["3-2","4/1"]'), ("two", '["3-2","4/1"]')]
    records = database.open(upgrade="auto")
    found = {one.username: one.classes for one in await records.look(accounts.find_all)}
    assert found == {
        "all": None,
        "everywhere": tuple(SchoolClass(s, c) for s in (SCHOOL, "second-example") for c in ("3-2", "4/1")),
        "two": tuple(SchoolClass(s, c) for s in ("a", "b") for c in ("3-2", "4/1")),
    }
    await records.close()
    # Where no school is known, nobody is shown a class that may be another's.
    database.change("DELETE FROM gateways")
    administration.migrate(database.where, KEY, "0004")
    administration.migrate(database.where, KEY, HEAD)
    records = database.open()
    assert {one.username: one.classes for one in await records.look(accounts.find_all)}["everywhere"] == ()
    await records.close()


@on_both
async def test_tables_and_migrations_never_drift_apart(database: RecordsDatabase) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"version_table": "records_revision", "compare_type": True, "compare_server_default": True}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), all_tables.metadata)
        )

    records = database.open()
    made = await records.look(shape)
    assert await records.look(differences) == []
    await records.close()
    administration.migrate(database.where, KEY, "0001")
    administration.migrate(database.where, KEY, HEAD)
    records = database.open()
    assert await records.look(shape) == made
    assert await records.look(differences) == []
    await records.run(lambda connection: connection.execute(text("ALTER TABLE gaps ADD COLUMN more FLOAT")))
    assert len(await records.look(differences)) == 1, "the comparison can find something"
    await records.close()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_program_killed_while_it_migrates_leaves_the_file_as_it_was(tmp_path: Path, revision: str) -> None:
    original = tmp_path / "original"
    write_old_file(original, revision)
    file = tmp_path / "records.db"
    statements, died = 10, 0
    while True:
        shutil.copy(original, file)
        if _open_and_die(file, statements) == 0:
            break
        died += 1
        with sqlite3.connect(file) as left, sqlite3.connect(original) as before:
            assert list(left.iterdump()) == list(before.iterdump())
        left.close()
        before.close()
        statements += 60 if revision < "0003" else 5  # a short way
    assert died > 2
    open_records(file).close_now()
    assert list(tmp_path.glob("*.part")) == []


def _open_and_die(file: Path, statements: int) -> int:
    """Opens in a process of its own that kills itself before so many statements; how it ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = [statements]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        event.listen(Engine, "before_cursor_execute", count)
        open_records(file).close_now()
        code = 0
    finally:
        os._exit(code)


@on_both
async def test_a_step_that_fails_leaves_the_database_as_it_was(
    database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = database.open()
    await fill(records)
    before = await records.look(content)
    before.update({table.name: [] for table in NOT_IN_VERSION_3})
    await records.close()
    administration.migrate(database.where, KEY, "0002")

    def fail(*_: object) -> None:
        raise RecordsFileError("made to fail")

    monkeypatch.setattr(key_table, "begin", fail)
    with pytest.raises(RecordsFileError, match="made to fail"):
        database.open(upgrade="auto")
    monkeypatch.undo()
    assert database.rows("SELECT version FROM schema_version") == [(2,)]
    records = database.open(upgrade="auto")
    assert await records.look(content) == before
    await records.close()


@on_both
def test_who_starts_waits_for_the_command_where_that_is_wanted(
    database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.open().close_now()
    administration.migrate(database.where, KEY, "0002")
    words = "is at revision 0002, this program needs 0005; make a backup.*campus collector database upgrade"
    with pytest.raises(RecordsFileError, match=words):
        database.open(upgrade="command")
    monkeypatch.setattr(upgrading, "AUTO_BYTES_MAX", 0)
    with pytest.raises(RecordsFileError, match=words):
        database.open()
    monkeypatch.undo()
    if database.is_sqlite:
        database.open().close_now()
    else:
        with pytest.raises(RecordsFileError, match=words):
            database.open()
        assert administration.migrate(database.where, KEY, HEAD) == ("0002", HEAD, None)
    assert administration.status(database.where, KEY).revision == HEAD
    assert administration.migrate(database.where, KEY, HEAD) is None


@on_both
def test_databases_of_others_are_left_alone(database: RecordsDatabase) -> None:
    database.open().close_now()
    database.change("UPDATE records_revision SET version_num = '0099'")
    newer = "has revision 0099, this program knows those up to 0005; install the newer program"
    with pytest.raises(RecordsFileError, match=newer):
        database.open()
    with pytest.raises(RecordsFileError, match=newer):
        administration.migrate(database.where, KEY, "0001")
    database.change("DROP TABLE records_revision")
    with pytest.raises(RecordsFileError, match="tables of another program; name another database"):
        database.open()


def test_a_disk_without_room_for_the_copy_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "records.db"
    write_old_file(file, "0001")
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(RecordsFileError, match="its disk needs 1 MiB free; make room"):
        open_records(file)
    monkeypatch.undo()
    open_records(file).close_now()


def test_columns_are_not_sealed_without_the_key_file(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    write_old_file(file, "0002")
    with pytest.raises(RecordsFileError, match="need the collector's key file"):
        Records.open(file)
    open_records(file).close_now()
