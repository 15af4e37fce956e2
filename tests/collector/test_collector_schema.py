"""A records file of version 1 goes on under this program, with everything that was in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect

from collector.records import Records, RecordsFileError, schema, tables

VERSION_1 = Path(__file__).with_name("records_v1.sql")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "records.db"
    with sqlite3.connect(found) as connection:
        connection.executescript(VERSION_1.read_text("utf-8"))
    connection.close()
    return found


def _shape(connection: Connection) -> dict[str, object]:
    seen = inspect(connection)
    return {
        table: (
            sorted((one["name"], str(one["type"]), one["nullable"]) for one in seen.get_columns(table)),
            sorted(str(one["name"]) for one in seen.get_indexes(table)),
            sorted(sorted(one["column_names"]) for one in seen.get_unique_constraints(table)),
        )
        for table in seen.get_table_names()
    }


async def test_a_file_of_version_1_is_brought_up_and_keeps_its_rows(file: Path, tmp_path: Path) -> None:
    records, new = Records.open(file), Records.open(tmp_path / "new.db")
    assert await records.run(_shape) == await new.run(_shape)
    fever, smoke = sorted(await records.find_alerts(), key=lambda one: one.id)
    assert (fever.id, fever.state, fever.value, fever.record_type) == (
        7,
        "acknowledged",
        38.2,
        "morning_check",
    )
    assert (smoke.id, smoke.state, smoke.pseudonym, smoke.record_type) == (8, "open", None, None)
    rows = await records.run(lambda connection: connection.execute(tables.morning_checks.select()).all())
    assert [(row.temperature_c, row.symptoms) for row in rows] == [(38.2, "cough,rash")]
    assert [one.id for one in await records.gateways()] == ["gw-1"]
    await records.close()
    await new.close()
    again = Records.open(file)
    assert len(await again.find_alerts()) == 2
    await again.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RecordsFileError("made to fail")

    monkeypatch.setattr(schema, "case", fail)
    with pytest.raises(RecordsFileError):
        Records.open(file)
    monkeypatch.undo()
    with sqlite3.connect(file) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert "alerts" in names
    assert "meal_records" not in names
    Records.open(file).close_now()
