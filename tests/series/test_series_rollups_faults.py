"""kill -9, full disks, damaged files: what is acknowledged is in the roll-ups sooner or later, once."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from structlog.testing import capture_logs

from collector.series.contract import AGGREGATES, SeriesBatch, StoreFullError, StoreUnavailableError
from collector.series.duckdb_file import StoreFileError
from collector.series.duckdb_store import DuckDbStore
from tests.series.conftest import ForwardStore, RolledVictoria, VictoriaHarness, open_rolled
from tests.series.naive_reference import KEYS, T0, make_batch, put
from tests.series.servers import VictoriaServer
from tests.series.test_duckdb_store import SmallDisk, names_in, small_disk
from tests.series.test_series_rollups_late import DAY_MS, HOUR_MS, RAW, Clock, counts, day_of, settle

__all__ = ["small_disk"]
ROUNDS = 150 if os.environ.get("CAMPUS_CHAOS") == "long" else 6


def numbered(sequence: int) -> SeriesBatch:
    """Every third batch spans the first day of points, the others lie in hours that come and go."""
    day = 309.9 if sequence % 3 == 0 else 311 + sequence % 5
    times = [int(day * DAY_MS) + (sequence % 7) * HOUR_MS // 2 + at * 1_800_000 + sequence for at in range(6)]
    return make_batch(sequence, {KEYS[0]: [(at, float(sequence), 0) for at in times]})


async def opened(folder: Path) -> ForwardStore:
    return await open_rolled(
        await DuckDbStore.open(folder / "series.duckdb"), folder, now_ms=Clock(), retention=RAW
    )


# Forks one writer a round, so that the libraries are loaded once. It appends, rolls up and is killed.
FORK_SERVER = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.series.test_series_rollups_faults import numbered, opened

async def write(first):
    store = await opened(Path(sys.argv[1]))
    sequence = first
    while True:
        await (await store.append([numbered(sequence), numbered(sequence + 1)]))
        os.write(1, b"%d\\n" % (sequence + 1))
        sequence += 2
        if sequence % 3 == 0:
            await store.roller.round()
            await store.retainer.move()

for line in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        import structlog
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        asyncio.run(write(int(line)))
    os.write(1, b"pid %d\\n" % child)
    os.write(1, b"dead %d\\n" % os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def live_and_die(folder: Path) -> int:
    """Some writers, one after another; the last batch that was answered for."""
    answered, root = 0, str(Path(__file__).parents[2])
    command = [sys.executable, "-c", FORK_SERVER, str(folder), root]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        for _ in range(ROUNDS):
            print(max(1, answered - 3), file=server.stdin, flush=True)  # the last ones come again
            pid, left = 0, random.randrange(12)
            for line in server.stdout:
                word, _, number = line.strip().rpartition(" ")
                if word == "dead":
                    assert int(number) == signal.SIGKILL
                    break
                if word == "pid":
                    pid = int(number)
                else:
                    answered = max(answered, int(number))
                    left -= 1
                if left <= 0 and pid:
                    sum(range(random.randrange(100_000)))
                    os.kill(pid, signal.SIGKILL)
                    pid = 0
        server.stdin.close()
    return answered


async def test_what_was_answered_for_is_rolled_up_once_after_kill_9(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await settle(store)
    await store.close()
    answered = live_and_die(tmp_path)
    assert answered >= ROUNDS
    store = await opened(tmp_path)
    before = await hours(store)
    raw_ms = store.reach().raw_ms
    points = await counts(store.below, HOUR_MS)
    rolled = {hour: count for hour, count in before.items() if T0 + hour * HOUR_MS >= raw_ms}
    assert rolled == points, "an hour whose mark is lost is never rolled up again"
    await settle(store)
    assert not store.waiting
    assert await hours(store) == before
    await put(store, *(numbered(n) for n in range(1, answered + 30)))
    await settle(store)
    expected: Counter[int] = Counter()
    for number in range(1, answered + 30):
        expected.update((at - T0) // HOUR_MS for at in numbered(number).body.time_ms)
    assert await hours(store) == expected
    await store.close()


async def hours(store: ForwardStore) -> Counter[int]:
    return await counts(store, HOUR_MS)


def spread(sequence: int, readings: int = 2_000) -> SeriesBatch:
    """Brings an hour of its own, so that a mark has to be written."""
    start = (311 * 24 + sequence) * HOUR_MS
    return make_batch(sequence, {KEYS[0]: [(start + 1_000 * at, at * 0.1, 0) for at in range(readings)]})


async def test_nothing_is_taken_that_could_not_be_marked(small_disk: SmallDisk, tmp_path: Path) -> None:
    """The roll-ups' disk is full, that of the points is not."""
    store = await open_rolled(
        await DuckDbStore.open(tmp_path / "series.duckdb"), small_disk.folder, now_ms=Clock(), retention=RAW
    )
    await settle(store)
    store.forward = False
    await put(store, *(spread(n) for n in range(1, 4)))
    await store.roller.round()
    before = await counts(store)
    small_disk.fill(1_000)
    taken = 3
    with contextlib.suppress(StoreUnavailableError):
        while taken < 2_000:
            await put(store, spread(taken + 1, 1))
            taken += 1
    assert taken < 2_000
    full = await counts(store)
    assert sum(full.values()) == sum(before.values()) + taken - 3
    for _ in range(2):
        with pytest.raises(StoreFullError):
            await put(store, spread(taken + 1, 1))
        with contextlib.suppress(StoreUnavailableError):
            await store.roller.round()
    assert await counts(store) == full
    assert await store.point_count() == sum(full.values())
    small_disk.free()
    await put(store, spread(taken + 1, 1))
    await settle(store)
    assert not store.waiting
    assert sum((await counts(store)).values()) == sum(full.values()) + 1
    await store.close()


@pytest.mark.parametrize("damage", ["foreign", "middle", "half", "other"])
async def test_damaged_rollups_are_put_aside_and_made_anew(tmp_path: Path, damage: str) -> None:
    store = await opened(tmp_path)
    await settle(store)
    await put(store, *(numbered(n) for n in range(1, 8)), *(spread(n) for n in range(30, 33)))
    await settle(store)
    points = await store.point_count()
    everything = sum((await counts(store)).values())
    assert everything > points, "some are in the roll-ups only"
    await store.close()
    path = tmp_path / "rollups.duckdb"
    data = bytearray(path.read_bytes())
    if damage == "foreign":
        data = bytearray(b"SQLite format 3\0" + bytes(9_000))
    elif damage == "middle":
        data[12_288:] = bytes(len(data) - 12_288)
    elif damage == "half":
        del data[len(data) // 2 :]
    path.write_bytes(data)
    if damage == "other":
        path.unlink()
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE points(a INTEGER)")
    with capture_logs() as logs:
        store = await opened(tmp_path)
    [told] = [one for one in logs if one["log_level"] == "error"]
    assert "What is older than those is lost" in told["event"]
    assert told["aside"] in [str(tmp_path / name) for name in names_in(tmp_path)]
    assert "is made anew of the readings" in store._renewal.words()
    await settle(store)
    store._renewal.rolled(0)
    assert "older than the readings that are left are lost" in store._renewal.words()
    assert sum((await counts(store)).values()) == points
    await put(store, numbered(100), numbered(101))
    await settle(store)
    assert sum((await counts(store)).values()) == points + 12
    await store.close()


async def test_rollups_of_another_version_are_left_alone(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.close()
    with duckdb.connect(str(tmp_path / "rollups.duckdb")) as connection:
        connection.execute("UPDATE campus_rollups SET version = 99")
    below = await DuckDbStore.open(tmp_path / "series.duckdb")
    with pytest.raises(StoreFileError, match=r"rollups\.duckdb has schema version 99"):
        await open_rolled(below, tmp_path)
    await below.close()


async def test_rollups_of_the_first_version_are_taken_over(tmp_path: Path) -> None:
    """There a row had every column, also of a window with one point."""
    store = await opened(tmp_path)
    await settle(store)
    await put(store, *(numbered(n) for n in range(1, 8)), spread(30, 300), day_of(50, 100, every_ms=20_000))
    await settle(store)
    before = await every_answer(store)
    await store.close()
    wide = ", ".join(f"{name} = coalesce({name}, mean)" for name in ("low", "high", "first", "last"))
    with duckdb.connect(str(tmp_path / "rollups.duckdb")) as connection:
        for table in ("minutes", "hours"):
            [(narrow,)] = connection.execute(f"SELECT count(*) FROM {table} WHERE low IS NULL").fetchall()
            assert narrow
            connection.execute(f"UPDATE {table} SET {wide}, last_at = coalesce(last_at, first_at)")
        connection.execute("UPDATE campus_rollups SET version = 1")
    for _ in range(2):
        store = await opened(tmp_path)
        assert await every_answer(store) == before
        await store.close()
    store = await opened(tmp_path)
    await put(store, day_of(51, 100))
    assert sum((await counts(store)).values()) == sum(before["count"]) + 48
    await store.close()


async def every_answer(store: ForwardStore) -> dict[str, list[float]]:
    ids = [info.id for info in await store.series()]
    asked = {one: await store.query(ids, 0, 10**20, step_ms=HOUR_MS, aggregate=one) for one in AGGREGATES}
    return {name: [value for one in found for value in one.value] for name, found in asked.items()}


async def test_a_restarted_server_loses_no_rollups(tmp_path: Path) -> None:
    """VictoriaMetrics forgets its last seconds when it is killed: its hours wait until they are durable."""
    server = VictoriaServer().start()
    try:
        VictoriaHarness.server = server
        with RolledVictoria() as place:
            store: Any = await place.open(now_ms=Clock())
            store.below._holding._hold_s = 3.0
            await put(store, spread(1))
            durable = await store.append([spread(2)])
            assert await store.roller.round() == 1, "the other hour is not durable"
            server.kill()
            with pytest.raises(StoreUnavailableError):
                await store.append([spread(3)])
            server.start()
            await durable
            await store.roller.round()
            assert not store.waiting
            assert sum((await counts(store)).values()) == 4_000
            await store.close()
    finally:
        server.remove()
