"""Somebody has to be forgotten: their records leave the buffer, and only theirs."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.buffer import Item, Leased, SqliteBuffer
from telemetry.batch import Header, decode_body, encode_body, erase_records
from telemetry.quality import ClockQuality
from telemetry.records import MorningCheck
from tests.buffer.conftest import TIME_BASE_MS

Open = Callable[..., Awaitable[SqliteBuffer]]


def record(pseudonym: str | None, number: int = 0) -> MorningCheck:
    return MorningCheck(TIME_BASE_MS + number, "station-1", "main/gate", "ear", 36.5, pseudonym=pseudonym)


def batch(*pseudonyms: str | None, alarm: bool = False) -> Item:
    body = encode_body([], [record(one, at * at % 9_973) for at, one in enumerate(pseudonyms)], TIME_BASE_MS)
    return Item(
        "urgent", body, 0, len(pseudonyms), TIME_BASE_MS, ClockQuality.SYNCED, "boot-1", 7, "policy-1", alarm
    )


def pseudonyms_in(item: Item) -> list[str | None]:
    header = Header(
        1, "", "", item.stream, "-", 1, item.time_base_ms, item.clock, "", "", item.readings, item.records
    )
    return [one.pseudonym for one in decode_body(header, item.body).records]


def files_with(part: bytes, folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if part in file.read_bytes()]


async def everything(buffer: SqliteBuffer) -> list[Leased]:
    await buffer.keep()
    return await buffer.lease(1_000)


async def test_records_go_and_the_batches_stay(open_sqlite: Open, make_item: Callable[..., Item]) -> None:
    buffer = await open_sqlite()
    ids = await buffer.append([batch("P", alarm=True), batch("P", "Q", None), batch("Q"), make_item(1)])
    before = buffer.stats()
    await buffer.received("urgent", buffer.generation, [(2, 2)])
    await buffer.lease(1)
    assert await buffer.erase({"P", "R"}) == 2
    found = await everything(buffer)
    assert [one.id for one in found] == ids, "an emptied batch keeps its number, so that none seems lost"
    assert [pseudonyms_in(one.item) for one in found[:3]] == [[], ["Q", None], ["Q"]]
    assert [one.item.records for one in found] == [0, 2, 1, 0]
    assert found[0].item.alarm
    assert found[1].received
    assert found[3].item == make_item(1)
    assert buffer.stats().size_bytes < before.size_bytes
    assert await buffer.erase({"P"}) == 0
    assert not await buffer.gaps(10)


async def test_many_batches_are_gone_through_step_by_step(open_sqlite: Open) -> None:
    buffer = await open_sqlite()
    for _ in range(3):
        await buffer.append([batch("P", "Q") for _ in range(32)])
    assert await buffer.erase({"P"}) == 96
    assert all(pseudonyms_in(one.item) == ["Q"] for one in await everything(buffer))


async def test_what_is_erased_is_not_on_the_disk_any_more(open_sqlite: Open, tmp_path: Path) -> None:
    buffer = await open_sqlite()
    # Larger than a page, so that it has pages of its own.
    lost = batch(*["P"] * 3_000)
    await buffer.append([lost, batch("Q")])
    part = lost.body[-40:]
    assert files_with(part, tmp_path)
    (tmp_path / "buffer.db.damaged-1").write_bytes(lost.body)
    assert await buffer.erase({"P"}) == 3_000
    assert not files_with(part, tmp_path)


async def test_a_restarted_buffer_holds_what_was_left(open_sqlite: Open) -> None:
    buffer = await open_sqlite()
    await buffer.append([batch("P", "Q")])
    await buffer.erase({"P"})
    await buffer.close()
    again = await open_sqlite()
    assert [pseudonyms_in(one.item) for one in await everything(again)] == [["Q"]]
    assert again.stats() == buffer.stats()


async def test_a_damaged_batch_does_not_keep_the_others(open_sqlite: Open, tmp_path: Path) -> None:
    buffer = await open_sqlite()
    await buffer.append([batch("P"), batch("P")])
    await buffer.close()
    with closing(sqlite3.connect(tmp_path / "buffer.db", isolation_level=None)) as connection:
        connection.execute("UPDATE batch SET body = x'00' WHERE sequence = 1")
    again = await open_sqlite()
    assert await again.erase({"P"}) == 1
    assert [one.id.sequence for one in await everything(again)] == [2]


@given(st.lists(st.sampled_from(["P", "Q", "R", None])), st.sets(st.sampled_from(["P", "Q", "S"])))
def test_a_body_loses_the_records_of_these_and_nothing_else(
    pseudonyms: list[str | None], erased: set[str]
) -> None:
    found = [record(one, number) for number, one in enumerate(pseudonyms)]
    packed, count = erase_records(encode_body([], found, TIME_BASE_MS), erased)
    kept = [one for one in found if one.pseudonym not in erased]
    assert count == len(found) - len(kept)
    assert packed == encode_body([], kept, TIME_BASE_MS)
