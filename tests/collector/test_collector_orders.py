"""Orders of the vault: carried out once, everywhere, and reported until it has heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert

from collector.intake.line import wall_ms
from collector.records import DeadLetter, tables, tombstones
from collector.records.tables import RECORD_TABLES
from telemetry.exchange import Order
from tests.collector.conftest import PSEUDONYM, SCHOOL, Sender, check
from tests.collector.kept_records import counts
from tests.collector.record_databases import RecordsDatabase, on_both
from tests.collector.vault_bench import CLASS_LISTS, OTHER, Bench, fill
from tests.collector.vault_double import empty_directory

pytestmark = on_both


@pytest.fixture
async def bench(tmp_path: Path, database: RecordsDatabase) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, database)
    yield bench
    await asyncio.to_thread(bench.vault.close)
    await bench.records.close()


async def test_an_erasure_reaches_every_place_and_leaves_everybody_else(bench: Bench) -> None:
    await fill(bench)
    on_sqlite = bench.database.is_sqlite
    assert not on_sqlite or PSEUDONYM.encode() in bench.files()
    bench.vault.directory = empty_directory(
        2, classes=CLASS_LISTS, orders=[Order("order-1", "erase", [PSEUDONYM])]
    )
    signals = bench.hub.published["alerts"]
    await bench.link.refresh()
    assert await counts(bench.records) == {
        "morning_check": 0, "access_event": 1, "heart_rate_window": 0, "meal_record": 0, "safety_event": 0,
    }  # fmt: skip
    alerts = {one.cause: one for one in await bench.records.find_alerts()}
    assert (alerts["c"].pseudonym, alerts["c"].class_id, alerts["c"].value) == (None, None, None)
    assert (alerts["d"].pseudonym, alerts["d"].value) == (OTHER, 37.9)
    assert {one.reason for one in await bench.records.dead_letters()} == {"another's", "nobody's"}
    (stone,) = await bench.rows(tables.erased_pseudonyms)
    assert (stone["pseudonym"], stone["until_ms"]) == (PSEUDONYM, None)
    assert [row["pseudonym"] for row in await bench.rows(tables.class_pseudonyms)] == [OTHER]
    assert not on_sqlite or (bench.folder / "records.db-wal").stat().st_size == 0  # one look
    assert bench.hub.published["alerts"] == signals + 1
    assert bench.count("campus_vault_orders_total", kind="erase") == 1

    await bench.link.refresh()
    (report,) = bench.vault.reports
    assert report.order == "order-1"
    assert report.deleted == {
        "morning_checks": 1, "access_events": 1, "heart_rate_windows": 1, "meal_records": 1,
        "safety_events": 1, "alerts": 1, "dead_letters": 2,
    }  # fmt: skip
    assert await bench.rows(tables.order_reports) == [], "the vault has it"

    await bench.records.run(lambda connection: tombstones.forget_old(connection, wall_ms() + 61 * 86_400_000))
    await bench.records.empty_journal()
    assert not on_sqlite or PSEUDONYM.encode() not in bench.files()


async def test_nothing_is_reported_as_erased_while_a_copy_of_it_is_left(bench: Bench) -> None:
    """The copy of a migration that cannot be deleted, and a collector that is started anew meanwhile."""
    await fill(bench)
    on_sqlite = bench.database.is_sqlite
    copy = bench.folder / "records.db.before-0002"
    copy.mkdir()
    bench.vault.directory = empty_directory(3, orders=[Order("order-1", "erase", [PSEUDONYM])])
    for link in (bench.link, bench.link, bench.make_link(bench.vault.public_key)):
        await link.refresh()
    assert await counts(bench.records) | {"access_event": 0} == dict.fromkeys(RECORD_TABLES, 0)
    assert not on_sqlite or bench.vault.reports == []
    copy.rmdir()
    copy.touch()
    await bench.make_link(bench.vault.public_key).refresh()
    assert [report.order for report in bench.vault.reports] == ["order-1"]
    assert not on_sqlite or not copy.exists()


async def test_an_order_is_carried_out_once_and_reported_until_the_vault_has_heard(bench: Bench) -> None:
    await fill(bench)
    order = Order("order-1", "erase", [PSEUDONYM])
    bench.vault.directory = empty_directory(3, orders=[order])
    await bench.link.refresh()
    bench.vault.spoil = lambda answer: (200, answer[1], answer[2][:-1])
    await bench.link.refresh()
    await bench.link.refresh()
    assert [report.order for report in bench.vault.reports] == ["order-1"] * 2
    # The answers were lost, so the collector cannot know that the vault has heard.
    assert len(await bench.rows(tables.order_reports)) == 1
    bench.vault.spoil = lambda answer: answer
    await bench.link.refresh()
    first, *rest = bench.vault.reports
    assert all(report == first for report in rest)
    assert await bench.rows(tables.order_reports) == []
    assert bench.count("campus_vault_orders_total", kind="erase") == 1


async def test_a_withdrawn_consent_erases_one_purpose_and_does_not_last_for_ever(bench: Bench) -> None:
    await fill(bench)
    bench.vault.directory = empty_directory(3, orders=[Order("o", "erase", [OTHER], ["access"])])
    await bench.link.refresh()
    (stone,) = await bench.rows(tables.erased_pseudonyms)
    assert stone["until_ms"] == stone["at_ms"] + tombstones.UNHEARD_MS


async def test_an_export_hands_over_the_rows_by_type(bench: Bench) -> None:
    await fill(bench)
    bench.vault.directory = empty_directory(
        3, orders=[Order("o", "export", [PSEUDONYM, OTHER], ["access", "health"])]
    )
    await bench.link.refresh()
    await bench.link.refresh()
    (report,) = bench.vault.reports
    found = msgspec.msgpack.decode(report.records)
    assert set(found) == {"access_event", "morning_check"}
    assert [row["pseudonym"] for row in found["access_event"]] == [PSEUDONYM, OTHER]
    (morning,) = found["morning_check"]
    assert (morning["temperature_c"], morning["symptoms"]) == (38.2, "cough,rash")
    assert (await counts(bench.records))["access_event"] == 2, "an export deletes nothing"
    assert bench.count("campus_vault_orders_total", kind="export") == 1


async def test_many_reports_go_in_several_questions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.records.directory.REPORTS_BYTES_MAX", 100)
    orders = [Order(f"o{n}", "erase", [PSEUDONYM]) for n in range(5)]
    bench.vault.directory = empty_directory(2, orders=orders)
    for _ in range(8):
        await bench.link.refresh()
    assert {report.order for report in bench.vault.reports} == {order.id for order in orders}
    assert await bench.rows(tables.order_reports) == []


async def test_tombstones_go_after_sixty_days(bench: Bench) -> None:
    rows = [{"pseudonym": str(n), "at_ms": n * 86_400_000, "until_ms": None} for n in range(70)]
    await bench.records.run(lambda connection: connection.execute(insert(tables.erased_pseudonyms), rows))
    gone = await bench.records.run(lambda connection: tombstones.forget_old(connection, 69 * 86_400_000))
    assert gone == 9


async def test_a_refused_batch_about_somebody_erased_is_not_kept_for_repair(bench: Bench) -> None:
    await fill(bench)
    bench.vault.directory = empty_directory(3, orders=[Order("o", "erase", [PSEUDONYM])])
    await bench.link.refresh()
    sender = Sender()
    late = [
        DeadLetter(wall_ms(), SCHOOL, "gw-1", who, "", sender.batch(1, records=[check(pseudonym=who)]).data)
        for who in (PSEUDONYM, OTHER)
    ]
    await bench.records.add_dead_letters(late)
    await bench.records.add_dead_letters(late[:1])
    assert {one.reason for one in await bench.records.dead_letters()} == {"another's", "nobody's", OTHER}
