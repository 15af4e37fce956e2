"""The line to the vault: what it says is kept, and trouble harms nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.records import tables
from collector.vault import VaultError
from telemetry.credential_map import Lesson
from telemetry.exchange import Order
from tests.collector.conftest import PSEUDONYM, SCHOOL
from tests.collector.kept_records import counts
from tests.collector.record_databases import RecordsDatabase, on_both
from tests.collector.vault_bench import CLASS_LISTS, OTHER, Bench, fill
from tests.collector.vault_double import Answer, VaultDouble, empty_directory

pytestmark = on_both


@pytest.fixture
async def bench(tmp_path: Path, database: RecordsDatabase) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, database)
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
    await fill(bench)
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
