"""The line to the vault: lists kept, orders carried out once and reported, trouble that harms nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, Table, insert, select

from collector.hub import Hub
from collector.intake.line import wall_ms
from collector.records import DeadLetter, Records, tables, tombstones
from collector.records import alerts as alert_rows
from collector.vault import VaultError, VaultLink, VaultMetrics, open_link
from collector.vault.settings import VaultSection
from telemetry.credential_map import Lesson
from telemetry.envelope import Signer
from telemetry.exchange import ClassList, Order
from telemetry.records import AccessEvent
from tests.collector.conftest import PSEUDONYM, SCHOOL, Sender, check
from tests.collector.kept_records import RECORDS, counts, keep
from tests.collector.vault_double import Answer, VaultDouble, empty_directory

OTHER = PSEUDONYM[::-1]
CLASS_LISTS = [
    ClassList("3-1", "三（1）班", "Class 3-1", 40, []),
    ClassList("3-2", "三（2）班", "Class 3-2", 42, [PSEUDONYM, OTHER]),
]


class Bench:
    """A link over a real file and a real socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.vault = VaultDouble(self.signer.public_key)
        self.records = Records.open(folder / "records.db")
        self.registry = CollectorRegistry()
        self.hub = Hub()
        self.link = self.make_link()

    def make_link(self, public_key: str = "") -> VaultLink:
        section = VaultSection(
            school=SCHOOL, url=self.vault.url, public_key=public_key or self.vault.public_key
        )
        return open_link(
            section,
            signer=self.signer,
            records=self.records,
            hub=self.hub,
            metrics=VaultMetrics(CollectorRegistry()) if public_key else VaultMetrics(self.registry),
            now_ms=wall_ms,
        )

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        def work(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(select(table)).mappings()]

        return await self.records.run(work)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def files(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.folder.iterdir())


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await asyncio.to_thread(bench.vault.close)
    await bench.records.close()


async def test_class_lists_lessons_and_school_days_are_kept_and_replaced(bench: Bench) -> None:
    lesson = Lesson(1_000, 2_000, "pe", "sports")
    bench.vault.directory = empty_directory(
        5, classes=CLASS_LISTS, lessons={"3-2": [lesson]}, school_days=[(500, 9_000)]
    )
    await bench.link.refresh()
    assert bench.link.lists_of_ms is not None
    assert await bench.rows(tables.class_lists) == [
        {"class_id": "3-1", "zh": "三（1）班", "en": "Class 3-1", "size": 40},
        {"class_id": "3-2", "zh": "三（2）班", "en": "Class 3-2", "size": 42},
    ]
    members = {row["pseudonym"]: row["class_id"] for row in await bench.rows(tables.class_pseudonyms)}
    assert members == {PSEUDONYM: "3-2", OTHER: "3-2"}
    assert await bench.rows(tables.lessons) == [{"class_id": "3-2", **msgspec.structs.asdict(lesson)}]
    assert await bench.rows(tables.school_days) == [{"start_ms": 500, "end_ms": 9_000}]
    assert bench.link.class_names == {"3-1": ("三（1）班", "Class 3-1"), "3-2": ("三（2）班", "Class 3-2")}
    await bench.link.refresh()
    assert bench.vault.haves == [0, 5]
    assert len(await bench.rows(tables.class_lists)) == 2, "an answer without lists changes none"
    bench.vault.directory = empty_directory(6, classes=CLASS_LISTS[:1])
    await bench.link.refresh()
    assert [row["class_id"] for row in await bench.rows(tables.class_lists)] == ["3-1"]
    assert await bench.rows(tables.class_pseudonyms) == []
    assert await bench.rows(tables.lessons) == []


async def _fill(bench: Bench) -> None:
    """Records of every type of one pupil, one of another, alerts, a class list, dead letters."""
    now_ms = wall_ms()
    some = [msgspec.structs.replace(one, time_ms=now_ms - 1_000) for one in RECORDS]
    other = AccessEvent(now_ms - 500, "gate-1", "gate/east", pseudonym=OTHER, class_id="3-2")
    await keep(bench.records, [*some, other], now_ms)
    alert = {
        "cause": "c", "kind": "fever", "state": "open", "school": SCHOOL, "gateway": "gw-1",
        "device": "station-gate", "place": "gate/east", "at_ms": now_ms, "opened_ms": now_ms,
        "pseudonym": PSEUDONYM, "class_id": "3-2", "site": "forehead", "value": 38.2, "unit": "Cel",
        "limit": 37.3, "doubtful": False, "record_type": "morning_check",
    }  # fmt: skip
    others = alert | {"cause": "d", "pseudonym": OTHER, "value": 37.9}
    await bench.records.run(lambda connection: alert_rows.add(connection, [alert, others]))
    sender = Sender()
    letters = {
        "his": sender.batch(1, stream="urgent", records=[check()]).data,
        "another's": sender.batch(2, stream="urgent", records=[check(pseudonym=OTHER)]).data,
        "nobody's": sender.batch(3).data,
        "unreadable": b"rubbish",
    }
    await bench.records.add_dead_letters(
        [DeadLetter(now_ms, SCHOOL, "gw-1", reason, "", data) for reason, data in letters.items()]
    )
    bench.vault.directory = empty_directory(2, classes=CLASS_LISTS)
    await bench.link.refresh()


async def test_an_erasure_reaches_every_place_and_leaves_everybody_else(bench: Bench) -> None:
    await _fill(bench)
    assert PSEUDONYM.encode() in bench.files()
    bench.vault.directory = empty_directory(
        3, classes=[CLASS_LISTS[0]], orders=[Order("order-1", "erase", [PSEUDONYM])]
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
    assert PSEUDONYM.encode() not in bench.files()


async def test_an_order_is_carried_out_once_and_reported_until_the_vault_has_heard(bench: Bench) -> None:
    await _fill(bench)
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
    await _fill(bench)
    bench.vault.directory = empty_directory(3, orders=[Order("o", "erase", [OTHER], ["access"])])
    await bench.link.refresh()
    (stone,) = await bench.rows(tables.erased_pseudonyms)
    assert stone["until_ms"] == stone["at_ms"] + tombstones.UNHEARD_MS


async def test_an_export_hands_over_the_rows_by_type(bench: Bench) -> None:
    await _fill(bench)
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


def _other_signature(_: Answer) -> Answer:
    stranger = VaultDouble(Ed25519PrivateKey.generate().public_key())
    stranger.close()
    return 200, "application/vnd.campus-pulse.envelope", stranger.signer.wrap(5, b"x")  # type: ignore[arg-type]  # a number of an enum


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: (200, answer[1], b"rubbish"),
        lambda answer: (200, "text/html", b"<html>"),
        lambda answer: (200, answer[1], answer[2][:-1] + b"\x00\x01"),
        lambda answer: (403, "application/problem+json", b'{"title": "no", "status": 403}'),
        lambda answer: (503, "application/problem+json", b"{}"),
        _other_signature,
    ],
    ids=["rubbish", "a page", "damaged", "refused", "later", "somebody else's signature"],
)
async def test_an_answer_that_is_none_changes_nothing(bench: Bench, spoil: Any) -> None:
    await _fill(bench)
    lists, before_ms = await bench.rows(tables.class_pseudonyms), bench.link.lists_of_ms
    bench.vault.directory = empty_directory(9, orders=[Order("o", "erase", [PSEUDONYM])])
    bench.vault.spoil = spoil
    await bench.link.refresh()
    assert bench.link.trouble
    assert bench.link.lists_of_ms == before_ms
    assert await bench.rows(tables.class_pseudonyms) == lists
    assert (await counts(bench.records))["morning_check"] == 1


async def test_a_vault_of_another_key_is_not_believed(bench: Bench) -> None:
    stranger = VaultDouble(Ed25519PrivateKey.generate().public_key())
    link = bench.make_link(stranger.public_key)
    stranger.close()
    await link.refresh()
    assert "signature" in link.trouble
    assert await bench.rows(tables.vault_directory) == []


async def test_a_vault_that_was_away_is_asked_for_everything_again(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.vault.directory = empty_directory(4, classes=CLASS_LISTS)
    await bench.link.refresh()
    await asyncio.to_thread(bench.vault.close)
    for _ in range(3):
        await bench.link.refresh()
    assert bench.count("campus_vault_questions_total", outcome="away") == 3
    assert capsys.readouterr().out.count("vault gives no class lists") == 1
    assert len(await bench.rows(tables.class_lists)) == 2
    bench.vault.open()
    await bench.link.refresh()
    assert bench.vault.haves == [0, 0]
    assert bench.link.trouble == ""
    await bench.link.refresh()
    assert bench.vault.haves[-1] == 4


async def test_a_start_knows_of_when_its_lists_are_although_the_vault_is_away(bench: Bench) -> None:
    bench.vault.directory = empty_directory(4, classes=CLASS_LISTS)
    await bench.link.refresh()
    await asyncio.to_thread(bench.vault.close)
    again = bench.make_link(bench.vault.public_key)
    await again.refresh()
    assert again.lists_of_ms == bench.link.lists_of_ms
    assert again.class_names == bench.link.class_names != {}


async def test_a_directory_that_cannot_be_kept_is_no_end(bench: Bench) -> None:
    twice = [CLASS_LISTS[0], CLASS_LISTS[0]]
    bench.vault.directory = empty_directory(4, classes=twice)
    await bench.link.refresh()
    assert "IntegrityError" not in bench.link.trouble
    assert bench.count("campus_vault_questions_total", outcome="not_kept") == 1
    bench.vault.directory = empty_directory(5, classes=CLASS_LISTS)
    await bench.link.refresh()
    assert len(await bench.rows(tables.class_lists)) == 2


async def test_joins_are_asked_and_counted(bench: Bench) -> None:
    found = await bench.link.join("health", [PSEUDONYM], "nutrition", {"dish-1": [OTHER]})
    assert found.exposures["dish-1"].cases_exposed == 6
    (asked,) = bench.vault.joins
    assert (asked.school, asked.case_purpose, asked.cases) == (SCHOOL, "health", [PSEUDONYM])
    await asyncio.to_thread(bench.vault.close)
    with pytest.raises(VaultError):
        await bench.link.join("health", [], "nutrition", {})


async def test_tombstones_go_after_sixty_days(bench: Bench) -> None:
    rows = [{"pseudonym": str(n), "at_ms": n * 86_400_000, "until_ms": None} for n in range(70)]
    await bench.records.run(lambda connection: connection.execute(insert(tables.erased_pseudonyms), rows))
    gone = await bench.records.run(lambda connection: tombstones.forget_old(connection, 69 * 86_400_000))
    assert gone == 9
