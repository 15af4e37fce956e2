"""Statement 10: raw heart rate deleted after ≤30 d, raw thermometer readings after ≤7 d; video is never
stored; a query proves it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, Table, insert, select, update

from collector.config import load_config
from collector.intake.line import wall_ms
from collector.records import Records, retention
from collector.records import alerts as alert_rows
from collector.records.all_tables import SEALED_COLUMNS, metadata
from collector.records.sealing import Sealed
from collector.records.tables import RECORD_TABLES, alerts, dead_letters
from collector.retention import Sweeper
from collector.service import Service
from foundation.keyfiles import create_signing_key, load_signing_key
from telemetry.quantities import QUANTITIES
from telemetry.records import RECORD_TYPES, HeartRateWindow, MorningCheck
from tests.collector.kept_records import counts, keep
from tests.collector.record_databases import RecordsDatabase, make_database, on_both, open_records

NOW_MS = 1_788_220_862_500
DAY_MS = 86_400_000
PSEUDONYM = "7K3M9PXA2QH5RT8WZ4CB6DFG1E"
LIMITS_D = {"morning_check": 7, "heart_rate_window": 30}

CHECK = MorningCheck(
    NOW_MS, "station-gate", "gate/east", "forehead", 38.25, pseudonym=PSEUDONYM, class_id="3-2"
)
WINDOW = HeartRateWindow(NOW_MS, "sports", 151.5, 140.0, 163.0, 15, pseudonym=PSEUDONYM, class_id="3-2")


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> RecordsDatabase:
    return make_database(request, tmp_path)


def oldest_days(connection: Connection, name: str, now_ms: int) -> float:
    """The query: how old the oldest row of a record type is."""
    table = RECORD_TABLES[name]
    oldest_ms = connection.scalar(select(table.c.time_ms).order_by(table.c.time_ms).limit(1))
    return 0.0 if oldest_ms is None else (now_ms - oldest_ms) / DAY_MS


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize(("name", "days"), LIMITS_D.items())
def test_10_the_registered_retention_is_within_the_limit(name: str, days: int) -> None:
    assert RECORD_TYPES[name].retention_days <= days


@on_both
async def test_10_a_month_of_records_swept_hourly_never_holds_one_that_is_too_old(
    database: RecordsDatabase,
) -> None:
    records = database.open()
    clock = [NOW_MS]
    sweeper = Sweeper(records, CollectorRegistry(), lambda: clock[0])
    for day in range(40):
        at_ms = NOW_MS + day * DAY_MS
        some = [
            msgspec.structs.replace(one, time_ms=at_ms + hour * 3_600_000)
            for one in (CHECK, WINDOW)
            for hour in (0, 12, 23)
        ]
        await keep(records, some, at_ms, sequence=day + 1)
        for hour in (0, 23):
            clock[0] = at_ms + hour * 3_600_000
            await sweeper.sweep()
            # Until the next sweep an hour later.
            for name, days in LIMITS_D.items():
                worst_ms = clock[0] + retention.PERIOD_S * 1_000
                found = await records.run(partial(oldest_days, name=name, now_ms=worst_ms))
                assert found <= days, (name, day, hour)
    left = await counts(records)
    assert 0 < left["morning_check"] <= 3 * 8
    assert 3 * 28 < left["heart_rate_window"] <= 3 * 31
    await records.close()


@on_both
async def test_10_alerts_and_dead_letters_keep_no_temperature_longer(database: RecordsDatabase) -> None:
    records = database.open()
    clock = [NOW_MS]
    fever = {
        "cause": "c", "kind": "fever", "state": "open", "school": "example-primary", "gateway": "gw-1",
        "device": "station-gate", "place": "gate/east", "at_ms": NOW_MS, "opened_ms": NOW_MS,
        "pseudonym": PSEUDONYM, "class_id": "3-2", "site": "forehead", "value": 38.25, "unit": "Cel",
        "limit": 37.3, "doubtful": False, "record_type": "morning_check",
    }  # fmt: skip
    letter = {
        "at_ms": NOW_MS, "school": "example-primary", "gateway": "gw-1", "reason": "r", "detail": "d",
        "size_bytes": 3, "envelope": b"abc",
    }  # fmt: skip
    smoke = fever | {"cause": "d", "kind": "smoke", "value": 1.0, "record_type": None}
    await records.run(lambda connection: alert_rows.add(connection, [fever, smoke]))
    await records.run(lambda connection: connection.execute(insert(dead_letters), [letter]))
    registry = CollectorRegistry()
    sweeper = Sweeper(records, registry, lambda: clock[0])
    await sweeper.sweep()
    assert {one.value for one in await records.find_alerts()} == {38.25, 1.0}
    clock[0] = NOW_MS + 7 * DAY_MS
    await sweeper.sweep()
    rows = await records.run(
        lambda connection: connection.execute(select(alerts).order_by(alerts.c.id)).mappings().all()
    )
    assert (rows[0]["value"], rows[0]["pseudonym"], rows[0]["class_id"]) == (None, None, None)
    assert rows[0]["at_ms"] == NOW_MS, "when it was stays, for response times"
    assert rows[1]["value"] == 1.0
    assert await records.dead_letters() == []
    assert registry.get_sample_value("campus_retention_stripped_alerts_total") == 1
    assert registry.get_sample_value("campus_retention_deleted_total", {"record_type": "dead_letter"}) == 1
    await records.close()


async def test_10_nothing_of_a_deleted_row_is_left_in_the_files(tmp_path: Path) -> None:
    records = open_records(tmp_path / "records.db")
    await keep(records, [CHECK, WINDOW], NOW_MS)
    assert PSEUDONYM.encode() in everything_in(tmp_path)
    await Sweeper(records, CollectorRegistry(), lambda: NOW_MS + 31 * DAY_MS).sweep()
    assert PSEUDONYM.encode() not in everything_in(tmp_path)
    await records.close()


@on_both
async def test_10_a_backlog_goes_in_small_transactions(
    database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = database.open()
    await keep(records, [CHECK] * 2_500, NOW_MS)
    largest: list[int] = []
    delete_due = retention.delete_due

    def watched(connection: Connection, record_type: str, now_ms: int) -> int:
        largest.append(delete_due(connection, record_type, now_ms))
        return largest[-1]

    monkeypatch.setattr(retention, "delete_due", watched)
    assert await Sweeper(records, CollectorRegistry(), lambda: NOW_MS + 8 * DAY_MS).sweep() == 2_500
    assert max(largest) == retention.ROWS_AT_ONCE
    await records.close()


async def test_10_a_collector_sweeps_by_itself(tmp_path: Path) -> None:
    create_signing_key(tmp_path / "collector.key")
    file = tmp_path / "collector.toml"
    file.write_text(
        '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[mqtt]\nhost = "127.0.0.1"\nport = 1\n'
        "[web]\nport = 0\n",
        "utf-8",
    )
    config = load_config(file)
    records = Records.open(config.records_place, load_signing_key(config.collector.key_file))
    await keep(records, [CHECK, WINDOW], NOW_MS)
    old_ms = wall_ms() - 31 * DAY_MS
    for name in LIMITS_D:
        table = RECORD_TABLES[name]
        await records.run(partial(_set_time, table=table, time_ms=old_ms))
    await records.close()
    service = Service(config)
    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        group.create_task(service.run(), name="service")
        await service.running.wait()
        assert service.records is not None
        while any((await counts(service.records)).values()):  # noqa: ASYNC110  # state, not an event
            await asyncio.sleep(0.01)
        service.stop()


def _set_time(connection: Connection, table: Table, time_ms: int) -> None:
    connection.execute(update(table).values(time_ms=time_ms))


def test_10_there_is_no_place_for_video(tmp_path: Path) -> None:
    """No quantity, no field and no column could hold a picture: what is binary is named here."""
    words = ("video", "image", "photo", "picture", "frame_")
    names = [*QUANTITIES, *RECORD_TYPES]
    names += [field.name for one in RECORD_TYPES.values() for field in msgspec.structs.fields(one.type)]
    assert not [name for name in names if any(word in name for word in words)]
    Records.open(tmp_path / "records.db").close_now()
    with sqlite3.connect(tmp_path / "records.db") as connection:
        binary = {
            (table, column[1])
            for table in metadata.tables
            for column in connection.execute(f"PRAGMA table_info({table})")
            if column[2] == "BLOB"
        }
    connection.close()
    sealed = {(table, column) for table, columns in SEALED_COLUMNS.items() for column in columns}
    sealed_bytes = {
        ("dead_letters", "envelope"), ("order_reports", "report"), ("accounts", "totp_secret"),
        ("invitations", "code_key"), ("gateway_configurations", "sections"),
    }  # fmt: skip
    numbers_and_texts = sealed - sealed_bytes
    for table, column in numbers_and_texts:
        kind = metadata.tables[table].c[column].type
        assert isinstance(kind, Sealed)
        assert kind.form in {"number", "text"}
    assert binary - numbers_and_texts == sealed_bytes | {
        ("streams", "received"), ("streams", "stored"), ("sealing_keys", "salt"), ("sealing_keys", "proof"),
        ("sessions", "digest"), ("api_tokens", "digest"), ("recovery_codes", "digest"), ("account_audit", "link"),
        ("gateway_certificates", "certificate"),
    }  # fmt: skip
