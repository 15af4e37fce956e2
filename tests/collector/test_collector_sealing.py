"""Sealed columns: what a copy of the database tells without the key file, and how the key changes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from collector.intake.line import wall_ms
from collector.records import (
    DeadLetter,
    RecordsFileError,
    RowsRefusedError,
    SealingError,
    administration,
    erasure,
)
from collector.records import rekey as rekeying
from collector.records.all_tables import SEALED_COLUMNS
from collector.records.errors import RecordsChangedError
from collector.records.rekey import rekey
from collector.records.schema import HEAD
from collector.records.sealing import FORMS, Keyring, generation_of
from collector.records.tables import RECORD_TABLES, morning_checks
from telemetry.exchange import Order
from tests.collector.conftest import NOW_MS, PSEUDONYM, SCHOOL, check
from tests.collector.kept_records import RECORDS, keep
from tests.collector.old_records import content, fill
from tests.collector.record_databases import KEY, OTHER_KEY, RecordsDatabase, on_both, open_records


def sealed_values(database: RecordsDatabase) -> dict[str, list[bytes]]:
    """What lies in each sealed column."""
    return {
        f"{table}.{name}": [
            bytes(row[0]) for row in database.rows(f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL")
        ]
        for table, names in SEALED_COLUMNS.items()
        for name in names
    }


def generations(database: RecordsDatabase) -> set[int]:
    return {generation_of(one) for some in sealed_values(database).values() for one in some}


def test_what_says_how_somebody_is_is_sealed() -> None:
    assert SEALED_COLUMNS == {
        "morning_checks": ("temperature_c", "symptoms"),
        "heart_rate_windows": ("mean_bpm", "min_bpm", "max_bpm", "above_limit_s"),
        "meal_records": ("mass_g",),
        "alerts": ("value",),
        "dead_letters": ("envelope",),
        "order_reports": ("report",),
        "accounts": ("totp_secret",),
        "invitations": ("code_key",),
        "gateway_configurations": ("sections",),
    }


@on_both
async def test_a_copy_without_the_key_file_tells_none_of_it(database: RecordsDatabase) -> None:
    records = database.open()
    await fill(records)
    await keep(records, [check(36.5, symptoms=()), check(38.2, symptoms=("cough", "rash"))], NOW_MS, 2)
    found = sealed_values(database)
    assert all(found.values()), "something in every column"
    for some in found.values():
        assert len(set(some)) == len(some), "equal values look different"
        for clear in (
            b"cough",
            b"envelope",
            b"report",
            b"totp",
            b"code",
            b"sections",
            struct.pack("<d", 38.2),
            struct.pack(">d", 38.2),
        ):
            assert not any(clear in one for one in some)
    for name, some in found.items():
        if name.split(".")[0] != "dead_letters":
            assert len({len(one) for one in some}) == 1, "nor does the size tell"
    await records.close()

    without = database.open(key=None)
    assert [one.id for one in await without.gateways()] == []
    assert await without.look(lambda connection: connection.scalar(select(morning_checks.c.pseudonym)))
    with pytest.raises(SealingError, match="sealed and the collector's key file was not given"):
        await without.find_alerts()
    with pytest.raises(SealingError, match="key file was not given"):
        await keep(without, RECORDS, NOW_MS, 3)
    await without.close()


async def test_no_file_beside_the_database_holds_it_in_clear(tmp_path: Path) -> None:
    records = open_records(tmp_path / "records.db")
    await keep(records, RECORDS, NOW_MS)
    files = list(tmp_path.iterdir())  # noqa: ASYNC240  # one look
    data = b"".join(file.read_bytes() for file in files)
    assert PSEUDONYM.encode() in data
    for clear in (b"cough", struct.pack(">d", 38.2), struct.pack(">d", 151.5), struct.pack(">d", 180.5)):
        assert clear not in data
    assert {file.stat().st_mode & 0o077 for file in files} == {0}
    await records.close()


@on_both
async def test_another_key_file_is_told_at_the_start(database: RecordsDatabase) -> None:
    records = database.open()
    await keep(records, RECORDS, NOW_MS)
    await records.close()
    with pytest.raises(RecordsFileError, match=r"sealed under another key file.*rekey CONFIG --old-key-file"):
        database.open(key=OTHER_KEY)
    assert not administration.status(database.where, OTHER_KEY).key_fits
    with pytest.raises(RecordsFileError, match="another key file"):
        administration.migrate(database.where, OTHER_KEY, "0002")
    assert administration.status(database.where, KEY).key_fits
    assert len(sealed_values(database)["morning_checks.temperature_c"]) == 1


@given(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    | st.binary()
)
def test_a_value_opens_as_it_was_sealed(value: Any) -> None:
    ring = Keyring(bytes(32)).single(1, b"salt")[0]
    form = {float: "number", str: "text", bytes: "bytes"}[type(value)]
    codec = FORMS[form]  # type: ignore[index]  # one of them
    sealed = ring.seal(codec.pack(value), "t.c")
    assert codec.unpack(ring.open(sealed, "t.c")) == value
    for spoilt, about in ((sealed, "t.d"), (sealed[:-1], "t.c"), (sealed[:14], "t.c"), (b"", "t.c")):
        with pytest.raises(SealingError):
            ring.open(spoilt, about)


@on_both
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "38.2", 10**400], ids=str)
async def test_what_is_no_number_is_refused_and_not_sealed(database: RecordsDatabase, value: Any) -> None:
    records = database.open()
    with pytest.raises(RowsRefusedError):
        await keep(records, [check(value)], NOW_MS)
    assert database.rows("SELECT count(*) FROM morning_checks") == [(0,)]
    await records.close()


@on_both
async def test_a_damaged_value_names_its_column_and_stops_nothing_else(database: RecordsDatabase) -> None:
    records = database.open()
    await keep(records, RECORDS, NOW_MS)
    await records.add_dead_letters([DeadLetter(NOW_MS, SCHOOL, "gw-1", "r", "d", b"x")])
    database.change("UPDATE morning_checks SET temperature_c = symptoms")
    spoilt = "x'0001'" if database.is_sqlite else "'\\x0001'"
    database.change(f"UPDATE dead_letters SET envelope = {spoilt}")
    with pytest.raises(SealingError, match=r"a value of morning_checks.temperature_c is damaged"):
        await records.look(lambda connection: connection.execute(select(morning_checks)).all())
    await keep(records, RECORDS, NOW_MS, 2)
    report = await records.run(
        lambda connection: erasure.execute(connection, Order("o", "erase", [PSEUDONYM]), NOW_MS)
    )
    assert report.deleted["morning_checks"] == 2
    assert report.deleted["dead_letters"] == 1, "nobody can read whom it was about"
    await records.close()


@on_both
async def test_a_new_key_reaches_every_value_beside_a_running_collector(
    database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying, "_ROWS", 2)
    records = database.open()
    await fill(records)
    await keep(records, [check(36.0 + n) for n in range(5)], NOW_MS, 2)
    before = await records.look(content)
    other = database.open()
    assert rekey(other, wall_ms()) == 15
    assert generations(database) == {2}
    assert database.rows("SELECT generation FROM sealing_keys") == [(2,)]
    assert await records.look(content) == before, "who runs notices"
    await keep(records, RECORDS, NOW_MS, 3)
    assert generations(database) == {2}
    await other.close()
    await records.close()


@on_both
async def test_a_rekeying_that_was_interrupted_goes_on(
    database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = database.open()
    await fill(records)
    before = await records.look(content)
    reseal = rekeying._reseal
    tables_done: list[int] = []

    def stopping(*arguments: Any) -> int:
        if len(tables_done) == 3:
            raise KeyboardInterrupt
        tables_done.append(reseal(*arguments))
        return tables_done[-1]

    monkeypatch.setattr(rekeying, "_reseal", stopping)
    both = database.open(key=OTHER_KEY, old_key=KEY)
    with pytest.raises(KeyboardInterrupt):
        rekey(both, wall_ms())
    await both.close()
    monkeypatch.undo()
    assert generations(database) == {1, 2}
    with pytest.raises(RecordsChangedError, match="under another key file meanwhile; start the program"):
        await keep(records, RECORDS, NOW_MS, 2)
    await records.close()

    halfway = database.open(key=OTHER_KEY)
    await keep(halfway, [check()], NOW_MS, 2)
    with pytest.raises(SealingError, match=r"key 1 is not at hand.*rekey --old-key-file"):
        await halfway.look(content)
    both = database.open(key=OTHER_KEY, old_key=KEY)
    rekey(both, wall_ms())
    assert generations(database) == {2}
    found = await halfway.look(content)
    assert len(found.pop("morning_checks")) == len(before.pop("morning_checks")) + 1
    assert found == before
    await both.close()
    await halfway.close()


@on_both
async def test_a_migration_beside_a_running_collector_makes_it_wait_and_refuse_nothing(
    database: RecordsDatabase,
) -> None:
    records = database.open()
    administration.migrate(database.where, KEY, "0002")
    for _ in range(2):
        with pytest.raises(RecordsChangedError, match="taken to another revision meanwhile; start"):
            await keep(records, RECORDS, NOW_MS)
    administration.migrate(database.where, KEY, HEAD)
    await keep(records, RECORDS, NOW_MS)
    await records.close()
    # The way down and up again has made another key of the same number.
    records = database.open()
    assert len((await records.look(content))["morning_checks"]) == 1
    await records.close()


def test_every_record_type_is_sealed_or_says_nothing_of_how_somebody_is() -> None:
    """What may stand in clear, by name: a new field is to be thought about."""
    clear = {
        name: set(table.c.keys()) - set(SEALED_COLUMNS.get(table.name, ()))
        for name, table in RECORD_TABLES.items()
    }
    always = {
        "id", "school", "gateway", "stream", "generation", "sequence", "position", "time_ms", "place",
        "pseudonym", "class_id", "clock",
    }  # fmt: skip
    assert {name: columns - always for name, columns in clear.items()} == {
        "morning_check": {"device", "site", "ambient_c"},
        "access_event": {"device", "door"},
        "heart_rate_window": {"samples", "contact"},
        "meal_record": {"device", "meal"},
        "safety_event": {"device", "danger"},
    }
