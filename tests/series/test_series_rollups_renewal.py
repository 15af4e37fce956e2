"""A file of roll-ups that is found damaged while it is in use: it is made anew, and nothing counts twice."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.series.contract import StoreUnavailableError
from collector.series.duckdb_file import StoreDamagedError, StoreFileError
from collector.series.duckdb_store import DuckDbStore
from collector.series.rollups.tables import Horizons
from tests.collector.conftest import eventually
from tests.series.conftest import ForwardStore, RolledVictoria, open_rolled
from tests.series.naive_reference import KEYS, T0, make_batch, put
from tests.series.test_duckdb_store import SmallDisk, names_in, small_disk
from tests.series.test_series_rollups_late import (
    DAY_MS,
    HOUR_MS,
    NOW_DAY,
    RAW,
    Clock,
    Unreliable,
    counts,
    day_of,
    send,
    settle,
)

__all__ = ["small_disk"]
BLOCK_BYTES = 262_144
FIRST_BLOCK_AT = 12_288
HORIZON_DAY = NOW_DAY - RAW["raw_days"]


async def opened(folder: Path, clock: Clock | None = None) -> ForwardStore:
    below = await Unreliable.open(folder / "series.duckdb")
    return await open_rolled(below, folder, now_ms=clock or Clock(), retention=RAW)


def damage_minutes(path: Path) -> None:
    """A byte of every block that has minutes and nothing that is read at the start."""

    def blocks(*tables: str) -> set[int]:
        with duckdb.connect(str(path), read_only=True) as connection:
            return {
                block
                for table in tables
                for (block,) in connection.execute(
                    f"SELECT block_id FROM pragma_storage_info('{table}') WHERE block_id >= 0"
                ).fetchall()
            }

    chosen = blocks("minutes") - blocks("series", "marks", "ledger", "horizons", "hours")
    assert chosen
    with path.open("r+b") as file:
        for block in chosen:
            file.seek(FIRST_BLOCK_AT + block * BLOCK_BYTES + 1_000)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 255]))


async def tend(store: ForwardStore) -> None:
    """What goes on beside the store, until there is nothing left to do."""
    tending: Any = store._tending
    for _ in range(10):
        await tending._round()


async def test_it_is_put_aside_and_rolled_up_again(tmp_path: Path) -> None:
    clock = Clock()
    store = await opened(tmp_path, clock)
    await settle(store)
    late = day_of(9, 100)
    await put(store, day_of(1, NOW_DAY - 40, 20, 60_000), late)
    await settle(store)
    await store.close()
    damage_minutes(tmp_path / "rollups.duckdb")

    store = await opened(tmp_path, clock)
    store.forward = False
    tending: Any = store._tending
    assert await counts(store, 600_000) == await counts(store.below, 600_000), "points answer"
    assert tending.health == "ok"
    with pytest.raises(StoreUnavailableError):
        await put(store, day_of(2, NOW_DAY - 40), late)
    await tend(store)
    [aside] = [name for name in names_in(tmp_path) if ".damaged-" in name]
    assert store.registry.get_sample_value("campus_rollup_files_renewed_total") == 1
    assert not store.waiting
    points = await counts(store.below, HOUR_MS)
    assert await counts(store, HOUR_MS) == points
    assert await store.below.point_count() == sum(points.values())
    assert store.reach().raw_ms == T0 + HORIZON_DAY * DAY_MS, "what was forgotten stays forgotten"
    words = store._renewal.words()
    assert "lost" in words
    assert aside in words
    (tmp_path / aside).unlink()
    assert store._renewal.words() == "ok"

    for _ in range(2):  # the answer of a batch that was merged may have been lost as well
        await put(store, late)
        assert await counts(store) - await counts(store.below) == Counter({100: 48})
    await store.close()


acts = st.lists(
    st.tuples(st.sampled_from(["send", "send", "send", "before", "after"]), st.integers(1, 6))
    | st.tuples(st.sampled_from(["days", "settle", "open", "renew", "renew"]), st.integers(1, 40)),
    max_size=12,
)


@given(acts=acts)
@settings(max_examples=3, deadline=None)
async def test_no_point_counts_twice_and_none_that_is_kept_is_missing(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]
) -> None:
    """As in the test of late batches; when the file is made anew, what only it knew is gone."""
    folder, clock = tmp_path_factory.mktemp("renew"), Clock()
    batches = {n: day_of(n, 306 + 3 * n, 3, 8 * HOUR_MS) for n in range(1, 7)}
    store = await opened(folder, clock)
    await settle(store)
    sent: set[int] = set()
    for act, number in [*acts, ("settle", 0)]:
        if act == "days":
            clock.day += number
        elif act == "settle":
            await settle(store)
        elif act == "open":
            await store.close()
            store = await opened(folder, clock)
        elif act == "renew":
            await renew(store)
        else:
            await send(store, batches[number], act)
            sent.add(number)
    for number in sent:
        await put(store, batches[number])
    await settle(store)
    everything = Counter({day: 6 for number in sent for day in range(306 + 3 * number, 309 + 3 * number)})
    found = await counts(store)
    if not any(act == "renew" for act, _ in acts):
        assert found == everything
    assert not found - everything
    first_day = (store.reach().raw_ms - T0) // DAY_MS
    kept = Counter({day: count for day, count in everything.items() if day >= first_day})
    assert not kept - found
    await store.close()


async def renew(store: ForwardStore) -> None:
    renewal: Any = store._renewal
    book: Any = store._book
    book.damage = "made up"
    renewal._next_s = 0.0
    assert await renewal.renew()


async def test_what_goes_on_meanwhile_is_marked_in_the_new_file(tmp_path: Path) -> None:
    """Appends and questions without a pause; then the process ends without rolling anything up."""
    clock = Clock()
    store = await opened(tmp_path, clock)
    store.forward = False
    await settle(store)
    sent: Counter[int] = Counter()
    over = asyncio.Event()

    async def send(gateway: str) -> None:
        for sequence in itertools.count(1):
            if over.is_set():
                return
            batch = day_of(sequence, 320 + sequence % 40, 0.5, gateway=gateway)
            await put(store, batch)
            sent.update((at - T0) // HOUR_MS for at in batch.body.time_ms)

    async def ask() -> None:
        while not over.is_set():
            await asyncio.sleep(0.001)
            before = sum(sent.values())
            assert sum((await counts(store, HOUR_MS)).values()) >= before

    async with asyncio.TaskGroup() as tasks:
        for number in range(2):
            tasks.create_task(send(f"gw-{number}"), name=f"send-{number}")
        tasks.create_task(ask(), name="ask")
        for _ in range(2):
            await renew(store)
            await store.roller.round()
        over.set()
    await store.close()
    store = await opened(tmp_path, clock)
    store.forward = False
    assert await counts(store, HOUR_MS) == sent
    await settle(store)
    assert not store.waiting
    assert await counts(store, HOUR_MS) == sent
    await store.close()


class Slow(DuckDbStore):
    """Takes batches only once `goes` is set."""

    goes: asyncio.Event

    async def append(self, batches: Any) -> Any:
        await self.goes.wait()
        return await super().append(batches)


async def test_an_append_under_way_keeps_its_mark_and_others_wait(tmp_path: Path) -> None:
    below = await Slow.open(tmp_path / "series.duckdb")
    below.goes = asyncio.Event()
    store = await open_rolled(below, tmp_path, now_ms=Clock(), retention=RAW)
    await settle(store)
    first = asyncio.create_task(put(store, day_of(1, 350)), name="first")
    await asyncio.sleep(0.05)
    book: Any = store._book
    renew_file = book.renew
    others: list[asyncio.Task[None]] = []

    async def renew_late(marks: Any) -> Any:
        others.append(asyncio.create_task(put(store, day_of(2, 360)), name="second"))
        await asyncio.sleep(0.05)
        assert list(store._marks.pairs()) == marks
        return await renew_file(marks)

    book.renew = renew_late
    await renew(store)
    await store.roller.round()
    assert not book.horizons.examined, "nobody will look for these points again"
    below.goes.set()
    await asyncio.gather(first, *others)
    await store.close()
    store = await opened(tmp_path)
    assert await counts(store) == Counter({350: 48, 360: 48})
    await settle(store)
    assert await counts(store) == Counter({350: 48, 360: 48})
    await store.close()


async def test_a_question_that_was_planned_for_the_old_file_is_planned_again(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    store.forward = False
    await settle(store)
    await put(store, day_of(1, 350, 20))
    await settle(store)
    before = await counts(store)
    book: Any = store._book
    read, left = book.read, [True]

    async def renewed_before(work: Any) -> Any:
        if left and left.pop():
            await renew(store)
        return await read(work)

    book.read = renewed_before
    assert await counts(store) == before
    assert not left

    await settle(store)
    begin_anew = book._threads.begin_anew
    asked: list[asyncio.Task[Counter[int]]] = []

    async def asked_meanwhile(take_away: Any, begin: Any) -> None:
        def take_away_slowly() -> None:
            take_away()
            time.sleep(0.1)

        beginning = asyncio.create_task(begin_anew(take_away_slowly, begin), name="begin")
        await asyncio.sleep(0.05)
        asked.append(asyncio.create_task(counts(store), name="ask"))
        await beginning

    book._threads.begin_anew = asked_meanwhile
    await renew(store)
    assert await asked[0] == before
    await store.close()


async def test_what_is_merged_before_the_first_day_of_points_is_not_rolled_up_again(tmp_path: Path) -> None:
    """Although the store still has a point of that time, the latest of a device that is gone."""
    clock = Clock(NOW_DAY - 10)
    store = await opened(tmp_path, clock)
    store.forward = False
    await settle(store)
    await put(store, day_of(1, 308))
    clock.day = NOW_DAY
    await settle(store)
    assert await store.below.point_count() == len(KEYS)
    await renew(store)
    await put(store, day_of(2, 308, 1, HOUR_MS // 2), day_of(3, 312, gateway="gw-2"))
    await tend(store)
    assert await counts(store) == Counter({308: 96, 312: 48})
    await store.close()


async def test_what_only_damaged_files_had_is_listed_no_more_and_each_is_kept(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await settle(store)
    await put(store, day_of(1, 100, gateway="gw-gone"), day_of(2, 399, gateway="gw-here"))
    assert {one.gateway for one in await store.series()} == {"gw-gone", "gw-here"}
    for count in (1, 2):
        await renew(store)
        assert {one.gateway for one in await store.series()} == {"gw-here"}
        kept = [name for name in names_in(tmp_path) if ".damaged-" in name and name[-4:] != ".wal"]
        assert len(kept) == count, "none takes another's place"
    await store.close()


async def test_a_server_that_forgets_by_itself_is_sent_nothing_older(tmp_path: Path, victoria: Any) -> None:
    RolledVictoria.below.server = victoria
    with RolledVictoria() as place:
        store = await place.open(now_ms=Clock(), retention=RAW)
        await settle(store)
        await put(store, day_of(1, NOW_DAY - 5), day_of(2, 100))
        await settle(store)
        before = await counts(store, HOUR_MS)
        await renew(store)
        await tend(store)
        found = await counts(store, HOUR_MS)
        assert before - found == Counter({100 * 24 + hour: 2 for hour in range(24)})
        await put(store, day_of(2, 100))
        assert await counts(store, HOUR_MS) == before
        await store.close()


async def test_a_new_file_that_cannot_be_begun_is_begun_later(small_disk: SmallDisk, tmp_path: Path) -> None:
    store = await open_rolled(
        await DuckDbStore.open(tmp_path / "series.duckdb"), small_disk.folder, now_ms=Clock(), retention=RAW
    )
    store.forward = False
    await settle(store)
    await put(store, day_of(1, NOW_DAY - 5))
    await settle(store)
    horizons: Horizons = store._book.horizons
    before = await counts(store, HOUR_MS)
    small_disk.fill(1_000)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="a new one cannot be begun"):
            await renew(store)
        assert await counts(store, HOUR_MS) == before, "points answer"
        with pytest.raises(StoreUnavailableError):
            await put(store, day_of(2, NOW_DAY - 4))
    small_disk.free()
    await renew(store)
    assert store._book.horizons[:3] == horizons[:3]
    await put(store, day_of(2, NOW_DAY - 4))
    await tend(store)
    assert sum((await counts(store, HOUR_MS)).values()) == sum(before.values()) + 48
    [aside] = [name for name in names_in(small_disk.folder) if ".damaged-" in name and name[-4:] != ".wal"]
    assert aside in store._renewal.words()
    await store.close()


@pytest.mark.parametrize("whose", ["points", "roll-ups"])
async def test_health_tells_damage_of_points_from_that_of_rollups(tmp_path: Path, whose: str) -> None:
    """Points cannot be made anew."""
    store = await opened(tmp_path)
    store._book.damage = "made up" if whose == "roll-ups" else ""
    renewal: Any = store._renewal
    renewal._next_s = float("inf")

    async def damaged() -> int:
        raise StoreDamagedError("a block is not as it was written")

    below: Any = store.below
    below.kept_from_ms = damaged
    running = asyncio.create_task(store.run(), name="run")
    await eventually(lambda: store.health != "ok")
    assert store.health.startswith(
        "rollups.duckdb is damaged again" if whose == "roll-ups" else "waiting: a block"
    )
    running.cancel()
    await asyncio.wait([running])
    await store.close()


async def test_a_file_that_was_deleted_is_made_anew_without_its_log(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await settle(store)
    await put(store, day_of(1, 350))
    await settle(store)
    before = await counts(store)
    (tmp_path / "rollups.duckdb").unlink()
    assert (tmp_path / "rollups.duckdb.wal").exists()
    await renew(store)
    await tend(store)
    assert await counts(store) == before
    assert store._renewal.words() == "ok"
    await store.close()
    store = await opened(tmp_path)
    assert await counts(store) == before
    await store.close()


@pytest.mark.parametrize("copied", ["file", "folder"])
async def test_a_backup_that_is_put_back_learns_what_has_come_since(tmp_path: Path, copied: str) -> None:
    """The points are of now: of a server elsewhere, or of a file that was sound."""
    folder, series = tmp_path / "data", tmp_path / "series.duckdb"

    async def again() -> ForwardStore:
        store = await open_rolled(await DuckDbStore.open(series), folder, now_ms=Clock(), retention=RAW)
        store.forward = False
        return store

    store = await again()
    await settle(store)
    await put(store, day_of(1, 100), day_of(2, 350))
    await settle(store)
    await store.close()
    shutil.copytree(folder, tmp_path / "backup")
    store = await again()
    await put(store, day_of(3, 350), day_of(4, 399))
    await settle(store)
    before = await counts(store)
    await store.close()
    if copied == "file":
        shutil.copy(tmp_path / "backup" / "rollups.duckdb", folder)
    else:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "backup", folder)
    store = await again()
    assert await counts(store) == before == Counter({100: 48, 350: 96, 399: 48})
    await settle(store)
    assert await counts(store) == before
    await store.close()
    store = await again()
    assert not store._book.horizons.examined, "it is no copy any more"
    await store.close()


async def test_want_of_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(tmp_path)
    tending: Any = store._book._threads
    await put(store, *(make_batch(n, {KEYS[0]: [(n * HOUR_MS, 1.0, 0)]}) for n in range(1, 40)))
    await tending.write(
        lambda writer: writer.execute("INSERT INTO marks SELECT 'a', 'b', range FROM range(90000)")
    )
    data = {name: (tmp_path / name).read_bytes() for name in ("rollups.duckdb", "rollups.duckdb.wal")}
    await store.close()
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
    below = await DuckDbStore.open(tmp_path / "series.duckdb")
    monkeypatch.setattr("collector.series.rollups.book.MEMORY_LIMIT", "1MB")
    with pytest.raises(StoreFileError, match="the file itself may be sound"):
        await open_rolled(below, tmp_path)
    assert not [name for name in names_in(tmp_path) if ".damaged-" in name]
    await below.close()
