"""The records database: what it refuses, and that what it refuses changes nothing."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from collector.records import (
    Gateway,
    Records,
    RecordsFileError,
    RecordsUnavailableError,
    RowsRefusedError,
    streams,
    tables,
)
from collector.records import alerts as alert_rows
from collector.records.engine import Place
from telemetry.batch import Gap
from tests.collector.conftest import NOW_MS, SCHOOL
from tests.collector.record_databases import RecordsDatabase, on_both, open_records


def _row(at_ms: int) -> dict[str, object]:
    return {
        "school": SCHOOL, "gateway": "gw-1", "stream": "bulk", "generation": "g", "received": b"",
        "stored": b"", "last_ms": at_ms,
    }  # fmt: skip


@on_both
@pytest.mark.parametrize(
    "wrong",
    [{"last_ms": 2**63}, {"last_ms": None}, {"generation": "\ud800"}],
    ids=["beyond 64 bits", "missing", "half a character"],
)
async def test_a_row_that_can_never_be_written_is_told_apart(
    database: RecordsDatabase, wrong: dict[str, Any]
) -> None:
    records = database.open()
    with pytest.raises(RowsRefusedError):
        await records.run(
            lambda connection: connection.execute(insert(tables.streams), [_row(1), _row(2) | wrong])
        )
    assert await records.load_streams() == {}
    await records.close()


async def test_a_locked_database_is_unavailable_and_recovers(tmp_path: Path) -> None:
    records = open_records(tmp_path / "records.db")
    await records.run(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 20").all())
    other = sqlite3.connect(tmp_path / "records.db")
    other.execute("BEGIN IMMEDIATE")
    gateway = Gateway(SCHOOL, "gw-1", "k", "01", "active", 1)
    with pytest.raises(RecordsUnavailableError, match="locked"):
        await asyncio.to_thread(records.add_gateway, gateway)
    other.rollback()
    other.close()
    await asyncio.to_thread(records.add_gateway, gateway)
    assert [one.id for one in await records.gateways()] == ["gw-1"]
    await records.close()


async def test_a_page_damaged_while_running_is_unavailability(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    records = Records.open(file)
    records.add_gateway(Gateway(SCHOOL, "gw-1", "k", "01", "active", 1))
    await records.close()
    records = Records.open(file)
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(bytes([0xFF]) * (file.stat().st_size - 4096))
    with pytest.raises(RecordsUnavailableError, match="malformed"):
        await records.run(lambda connection: connection.exec_driver_sql("SELECT * FROM gateways").all())
    await records.close()


def test_files_that_are_no_records_database_are_refused_in_words(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_bytes(b"this is no database, however long one looks at it" * 100)
    blocked = tmp_path / "file"
    blocked.write_text("in the way", "utf-8")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE something(x)")
    connection.close()
    newer = tmp_path / "newer.db"
    Records.open(newer).close_now()
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE records_revision SET version_num = '0099'")
    connection.close()
    for path, words in (
        (rubbish, "move it away or restore it"),
        (blocked / "records.db", "cannot be made a folder"),
        (tmp_path, "unable to open"),
        (other, "tables of another program; name another database"),
        (newer, "has revision 0099, this program knows those up to .*; install the newer program"),
    ):
        with pytest.raises(RecordsFileError, match=words):
            Records.open(path)
    full = Place(other).explain(sqlite3.OperationalError("disk I/O error"))
    assert "make room on its disk" in str(full)


@on_both
async def test_damaged_marks_stop_the_start(database: RecordsDatabase) -> None:
    records = database.open()
    await records.run(lambda connection: connection.execute(insert(tables.streams), [_row(1)]))
    with pytest.raises(RecordsFileError, match="damaged"):
        await records.load_streams()
    await records.close()


def test_a_program_killed_while_it_creates_the_file_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from collector.records import Records
left = int(sys.argv[2])
@event.listens_for(Engine, "before_cursor_execute")
def count(*_):
    global left
    left -= 1
    if left == 0:
        os._exit(9)
Records.open(Path(sys.argv[1])).close_now()
"""
    survived = 0
    for statements in (9, 40, 200):
        file = tmp_path / f"{statements}.db"
        done = subprocess.run([sys.executable, "-c", program, file, str(statements)], check=False, timeout=60)
        survived += done.returncode == 0
        Records.open(file).close_now()
    assert survived == 1, "the last one only"


@on_both
async def test_gaps_are_written_once_and_bounded(
    database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "GAPS_KEPT_MAX", 3)
    records = database.open()
    declared = [Gap("bulk", "g", n, n, "dropped", 10) for n in range(1, 6)]
    for _ in range(2):
        await records.run(lambda connection: streams.add_gaps(connection, SCHOOL, "gw-1", declared))
    await records.run(lambda connection: streams.add_gaps(connection, SCHOOL, "gw-2", declared[:1]))
    given_up = await records.given_up()
    assert json.dumps([*given_up.values()])
    assert given_up == {
        (SCHOOL, "gw-1"): {"dropped": 30},
        (SCHOOL, "gw-2"): {"dropped": 10},
    }
    await records.close()


async def test_thousands_of_alerts_in_one_transaction(tmp_path: Path) -> None:
    """More causes than a statement may have parameters."""
    records = open_records(tmp_path / "records.db")
    rows = [
        {
            "cause": f"cause {n}", "kind": "smoke", "state": "open", "school": SCHOOL, "gateway": "gw-1",
            "device": "smoke-1", "place": "main/301", "at_ms": NOW_MS, "opened_ms": NOW_MS,
            "pseudonym": None, "class_id": None, "site": None, "value": 1.0, "unit": "bool", "limit": None,
            "doubtful": False,
        }
        for n in range(40_000)
    ]  # fmt: skip
    assert await records.run(lambda connection: alert_rows.add(connection, rows)) == len(rows)
    assert await records.run(lambda connection: alert_rows.add(connection, rows)) == 0
    await records.close()
