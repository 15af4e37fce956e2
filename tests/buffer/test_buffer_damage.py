"""Power cuts and failing flash, imitated: files cut off and bits turned over, seeded and by hypothesis."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.buffer import BatchId, Item, SqliteBuffer
from edge_agent.buffer.layout import TABLE_COLUMNS, Row, is_sound
from edge_agent.buffer.pages import open_image
from telemetry.batch import Gap, Stream
from telemetry.quality import ClockQuality

FRAME = 24 + 4096
NAMES = ("buffer.db", "buffer.db-wal", "buffer.db-shm")


class History(NamedTuple):
    """Files as they lay on disk at one moment, and what had been promised then."""

    files: dict[str, bytes]
    live: dict[BatchId, bytes]
    accepted: set[BatchId]
    last_transaction: set[BatchId]

    def __repr__(self) -> str:
        return f"History of {len(self.live)} batches"


async def _write_history(directory: Path) -> History:
    """Some rows in the main file, some in the log, some accepted, one gap; and a last transaction."""
    chance = random.Random(4)

    def item(number: int) -> Item:
        body = chance.randbytes(chance.choice([40, 700, 700, 2_500]))
        stream: Stream = "urgent" if number % 5 == 0 else "bulk"
        return Item(stream, body, 10, 0, 10**12 + number, ClockQuality.SYNCED, "b", 0, "p")

    live: dict[BatchId, bytes] = {}
    buffer = await SqliteBuffer.open(directory / NAMES[0], bytes_max=10**8, disk_free_bytes_min=0)

    async def append(count: int) -> set[BatchId]:
        items = [item(number) for number in range(count)]
        ids = await buffer.append(items)
        live.update((id_, one.body) for id_, one in zip(ids, items, strict=True))
        return set(ids)

    for _ in range(10):
        await append(6)
    await buffer.close()
    buffer = await SqliteBuffer.open(directory / NAMES[0], bytes_max=10**8, disk_free_bytes_min=0)
    await buffer.accept("bulk", buffer.generation, [(1, 5), (12, 14)])
    await buffer.reject(BatchId("bulk", buffer.generation, 20), "reason")
    accepted = {
        id_ for id_ in live if id_.stream == "bulk" and id_.sequence in (1, 2, 3, 4, 5, 12, 13, 14, 20)
    }
    for _ in range(6):
        await append(5)
    last = await append(4)
    files = {name: (directory / name).read_bytes() for name in NAMES}
    await buffer.close()
    return History(files, {id_: body for id_, body in live.items() if id_ not in accepted}, accepted, last)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return asyncio.run(_write_history(tmp_path_factory.mktemp("history")))


class Outcome(NamedTuple):
    delivered: dict[BatchId, bytes]
    gaps: tuple[Gap, ...]
    quarantined: int
    next_id: BatchId
    sets: set[str]


def damaged_names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if ".damaged-" in path.name}


async def _open_and_drain(directory: Path) -> Outcome:
    buffer = await SqliteBuffer.open(directory / NAMES[0], bytes_max=10**8, disk_free_bytes_min=0)
    try:
        leased = []
        while found := await buffer.lease(1_000):
            leased += found
        (next_id,) = await buffer.append([Item("bulk", b"new", 1, 0, 1, ClockQuality.SYNCED, "b", 0, "p")])
        delivered = {one.id: one.item.body for one in leased}
        assert len(delivered) == len(leased), "a batch came twice"
        sets = damaged_names(directory)
        return Outcome(delivered, await buffer.gaps(10_000), buffer.stats().quarantined, next_id, sets)
    finally:
        await buffer.close()


def damage_and_open(files: dict[str, bytes]) -> Outcome:
    with tempfile.TemporaryDirectory() as name:
        for file, content in files.items():
            (Path(name) / file).write_bytes(content)
        return asyncio.run(_open_and_drain(Path(name)))


def last_commit_end(log: bytes, cut: int) -> int:
    """Where the last whole transaction before `cut` ends; older frames may be left over behind it."""
    end = 0
    for at in range(32, cut - FRAME + 1, FRAME):
        if log[at + 8 : at + 16] != log[16:24]:
            break
        if log[at + 4 : at + 8] != b"\0\0\0\0":
            end = at + FRAME
    return end


def untouched(history: History, is_whole: Callable[[str, int, int], bool]) -> set[BatchId]:
    """Batches of which every copy in the files lies in a page or frame that nothing happened to.

    Bodies over several pages are left out: their bytes are not in one place.
    """
    found = set()
    for id_, body in history.live.items():
        places = []
        for name, start, unit in ((NAMES[0], 0, 4096), (NAMES[1], 32, FRAME)):
            at = history.files[name].find(body)
            while at >= 0:
                first = start + (at - start) // unit * unit
                places.append(is_whole(name, first, first + unit))
                at = history.files[name].find(body, at + 1)
        if places and all(places):
            found.add(id_)
    return found


def check(history: History, outcome: Outcome, must_come: set[BatchId]) -> None:
    known = {**history.live, **outcome.delivered}
    for id_, body in outcome.delivered.items():
        assert id_ in history.accepted or body == history.live[id_], "not what was appended"
    assert must_come <= set(outcome.delivered)
    lost = set(history.live) - set(outcome.delivered) - history.last_transaction
    if outcome.quarantined or outcome.gaps:
        top = {
            stream: max((id_.sequence for id_ in outcome.delivered if id_.stream == stream), default=0)
            for stream in ("bulk", "urgent")
        }
        for id_ in lost:
            covered = any(
                gap.stream == id_.stream
                and gap.generation == id_.generation
                and gap.first <= id_.sequence <= gap.last
                and gap.reason == "damaged"
                and gap.readings == -1
                for gap in outcome.gaps
            )
            assert covered or id_.sequence > top[id_.stream], "lost and not declared"
    assert outcome.next_id not in known
    assert outcome.next_id not in history.accepted
    assert bool(outcome.sets) == bool(outcome.quarantined)


def flip(content: bytes, at: int, mask: int) -> bytes:
    return content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]


async def test_a_whole_file_is_not_put_aside(history: History) -> None:
    outcome = await asyncio.to_thread(damage_and_open, history.files)
    assert outcome.delivered == history.live
    assert outcome.quarantined == 0
    assert [gap.reason for gap in outcome.gaps] == ["rejected"]


@settings(max_examples=120, deadline=None)
@given(
    name=st.sampled_from(NAMES[:2]),
    position=st.integers(0, 2**32),
    bit=st.integers(0, 7),
    with_index=st.booleans(),
)
def test_one_flipped_bit_costs_one_page_at_most(
    history: History,
    name: str,
    position: int,
    bit: int,
    with_index: bool,  # noqa: FBT001  # hypothesis gives it by name
) -> None:
    at = position % len(history.files[name])
    files = {**history.files, name: flip(history.files[name], at, 1 << bit)}
    if not with_index:
        del files[NAMES[2]]
    must_come = untouched(history, lambda file, first, end: file != name or not first <= at < end)
    if not with_index and name == NAMES[1]:
        must_come -= history.last_transaction
    check(history, damage_and_open(files), must_come)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(NAMES[:2]), position=st.integers(0, 2**32))
def test_a_cut_costs_what_lies_behind_it(history: History, name: str, position: int) -> None:
    cut = position % len(history.files[name])
    files = {**history.files, name: history.files[name][:cut]}
    end = last_commit_end(history.files[name], cut) if name == NAMES[1] else cut
    outcome = damage_and_open(files)
    check(history, outcome, untouched(history, lambda file, _, stop: file != name or stop <= end))
    log = history.files[NAMES[1]]
    noticed = outcome.quarantined == 1 or any(gap.reason == "damaged" for gap in outcome.gaps)
    # What was cut off the main file may all be in the log as well.
    assert (
        noticed
        or outcome.delivered == history.live
        or (name == NAMES[1] and not 32 <= cut < last_commit_end(log, len(log)))
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_storm_of_damage_never_stops_the_start(history: History, seed: int) -> None:
    chance = random.Random(seed)
    files = dict(history.files)
    for name in NAMES:
        content = bytearray(files[name])
        for _ in range(chance.choice([1, 10, 200])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.3:
            start = chance.randrange(len(content))
            content[start : start + 9_000] = chance.randbytes(len(content[start : start + 9_000]))
        files[name] = bytes(content[: chance.randrange(len(content)) if chance.random() < 0.3 else None])
    check(history, damage_and_open(files), set())


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"not a database", bytes(range(256)) * 64])
def test_a_garbled_or_emptied_file_starts_and_the_log_is_read(history: History, content: bytes) -> None:
    outcome = damage_and_open({**history.files, NAMES[0]: content})
    assert outcome.quarantined == 1
    assert history.last_transaction <= set(outcome.delivered)
    check(history, outcome, set())


def test_a_destroyed_first_page_costs_no_batch(history: History) -> None:
    content = b"\xff" * 4096 + history.files[NAMES[0]][4096:]
    outcome = damage_and_open({**history.files, NAMES[0]: content})
    assert outcome.delivered.items() >= history.live.items()
    assert outcome.quarantined == 1


def test_garbage_inside_a_body_removes_that_batch_only(history: History) -> None:
    victim = next(id_ for id_, body in history.live.items() if len(body) == 700 and id_.stream == "bulk")
    with tempfile.TemporaryDirectory() as name:
        for file in NAMES:
            (Path(name) / file).write_bytes(history.files[file])
        # Folded in by SQLite itself, so that nothing but the checksum of the row can tell.
        with contextlib.closing(sqlite3.connect(Path(name) / NAMES[0])) as connection:
            connection.execute(
                "UPDATE batch SET body = zeroblob(700) WHERE sequence = ? AND stream = 'bulk'",
                (victim.sequence,),
            )
            connection.commit()
        outcome = asyncio.run(_open_and_drain(Path(name)))
    assert set(history.live) - set(outcome.delivered) == {victim}
    assert outcome.quarantined == 0
    assert Gap("bulk", victim.generation, victim.sequence, victim.sequence, "damaged", -1) in outcome.gaps


async def test_damage_found_while_running_is_survived(tmp_path: Path, history: History) -> None:
    for name in NAMES[:2]:
        (tmp_path / name).write_bytes(history.files[name])
    await (await SqliteBuffer.open(tmp_path / NAMES[0], bytes_max=10**8, disk_free_bytes_min=0)).close()
    buffer = await SqliteBuffer.open(tmp_path / NAMES[0], bytes_max=10**8, disk_free_bytes_min=0)
    generation = buffer.generation
    content = bytearray((tmp_path / NAMES[0]).read_bytes())
    for page in range(3, len(content) // 4096, 7):
        content[page * 4096 : (page + 1) * 4096] = random.Random(page).randbytes(4096)
    with (tmp_path / NAMES[0]).open("r+b") as file:
        file.write(content)
    # The pages are still in SQLite's cache: it must look at the disk again.
    await buffer._run(lambda: buffer._engine._connection.execute("PRAGMA shrink_memory"))
    leased = [one for _ in range(30) for one in await buffer.lease(10)]
    (new,) = await buffer.append([Item("bulk", b"new", 1, 0, 1, ClockQuality.SYNCED, "b", 0, "p")])
    stats = buffer.stats()
    await buffer.close()
    assert stats.quarantined == 1
    assert new.generation != generation
    assert all(one.item.body == history.live[one.id] for one in leased)
    assert len({one.id for one in leased}) > len(history.live) // 3


async def test_at_most_three_damaged_sets_are_kept(tmp_path: Path) -> None:
    generations = set()
    for round_ in range(6):
        (tmp_path / NAMES[0]).write_bytes(b"garbage" * 2_000)
        buffer = await SqliteBuffer.open(tmp_path / NAMES[0], bytes_max=10**8, disk_free_bytes_min=0)
        generations.add(buffer.generation)
        assert buffer.stats().quarantined == round_ + 1
        await buffer.close()
    assert len(generations) == 6
    assert damaged_names(tmp_path) == {f"buffer.db.damaged-{number}" for number in (4, 5, 6)}


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
async def test_a_crash_during_the_quarantine_is_finished_at_the_next_start(
    tmp_path: Path, history: History, moved: int
) -> None:
    """The salvaged file is complete; of the damaged set, so many files have been moved aside."""
    good = tmp_path / "good"
    good.mkdir()
    for file in NAMES[:2]:
        (good / file).write_bytes(history.files[file])
    await (await SqliteBuffer.open(good / NAMES[0], bytes_max=10**8, disk_free_bytes_min=0)).close()
    shutil.copy(good / NAMES[0], tmp_path / "buffer.db.salvaged")
    for file in NAMES[::-1][moved:]:
        (tmp_path / file).write_bytes(history.files[file][:5_000])
    outcome = await _open_and_drain(tmp_path)
    assert outcome.delivered == history.live
    assert outcome.quarantined == 0


def test_bare_pages_give_the_rows_that_sqlite_gives(tmp_path: Path, history: History) -> None:
    for file in NAMES:
        (tmp_path / file).write_bytes(history.files[file])
    with open_image(tmp_path / NAMES[0]) as image:
        rows = [
            Row(rowid, *values[1:])
            for rowid, values in image.rows()
            if TABLE_COLUMNS.get(len(values)) == "batch"
        ]
    assert all(is_sound(row) for row in rows)
    assert {row.id: row.body for row in rows} == history.live
