"""Points, minutes and hours are kept as long as [retention] says, and points not before they are rolled up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from collector.intake.line import wall_ms
from collector.series.contract import SeriesStore
from collector.series.duckdb_store import DuckDbStore
from collector.series.influx import DAY_MS
from collector.series.rollups.settings import RetentionSection
from tests.series.conftest import (
    DuckDbHarness,
    InfluxHarness,
    RolledDuckDb,
    RolledHarness,
    VictoriaHarness,
    open_rolled,
)
from tests.series.naive_reference import KEYS, T0, make_batch, put
from tests.series.servers import VictoriaServer
from tests.series.test_series_rollups_late import NOW_DAY, Clock, counts, day_of, settle


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        ({"raw_days": 90, "minute_days": 30}, "minute_days = 30 is less than raw_days"),
        ({"minute_days": 30}, "minute_days = 30 is less than raw_days"),
        ({"raw_days": 9, "minute_days": 90, "hour_days": 89}, "hour_days = 89 is less than minute_days"),
        ({"raw_days": 9, "hour_days": 89}, "hour_days = 89 is less than minute_days"),
        ({"raw_days": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_coarser_is_kept_longer(section: dict[str, int], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        RetentionSection.model_validate(section)


async def grow(store: Any, clock: Clock) -> None:
    """A day of points for each of the last ten days, rolled up day by day."""
    for number in range(1, 11):
        clock.day = 390 + number
        await put(store, day_of(number, clock.day - 1))
        await settle(store)


async def test_points_then_minutes_then_hours_are_forgotten() -> None:
    with RolledDuckDb() as place:
        clock = Clock()
        retention = {"raw_days": 2, "minute_days": 4, "hour_days": 6}
        store = await place.open(now_ms=clock, retention=retention)
        await grow(store, clock)
        assert store.reach() == tuple(T0 + day * DAY_MS for day in (398, 396, 394))
        assert await counts(store) == dict.fromkeys(range(394, 400), 48)
        assert await store.point_count() == 2 * 48
        ids = [info.id for info in await store.series()]
        [answer, _] = await store.query(ids, 0, 10**20, step_ms=60_000, aggregate="last")
        assert (answer.value[0], answer.time_ms[0], len(answer.value)) == (5.0, T0 + 394 * DAY_MS, 6 * 24)
        forgotten = {
            kind: store.registry.get_sample_value("campus_series_forgotten_total", {"kind": kind})
            for kind in ("points", "minutes", "hours")
        }
        assert forgotten == {"points": 8 * 48, "minutes": 6 * 48, "hours": 4 * 48}
        await store.close()
        store = await place.open(now_ms=clock, retention=retention)
        assert await counts(store) == dict.fromkeys(range(394, 400), 48)
        await put(store, *(day_of(number, 389 + number) for number in range(1, 11)))
        await settle(store)
        assert await counts(store) == dict.fromkeys(range(394, 400), 48), "what comes again is not new"
        await store.close()


async def test_without_a_section_nothing_is_forgotten() -> None:
    with RolledDuckDb() as place:
        clock = Clock()
        store = await place.open(now_ms=clock)
        await grow(store, clock)
        assert store.reach() == (0, 0, 0)
        assert await store.point_count() == 10 * 48
        await store.close()


async def test_points_that_wait_to_be_rolled_up_are_not_forgotten() -> None:
    with RolledDuckDb() as place:
        clock = Clock()
        store = await place.open(now_ms=clock, retention={"raw_days": 2}, quiet_s=1_000_000.0)
        await store.roller.round()
        await put(store, day_of(1, 395), day_of(2, 399))
        await settle(store)
        assert store.reach().raw_ms == T0 + 395 * DAY_MS
        assert await store.point_count() == 2 * 48
        await store.close()


async def test_an_append_waits_while_the_first_day_of_points_moves() -> None:
    """It is divided where points begin afterwards, or had marked its hours before."""
    with RolledDuckDb() as place:
        store = await place.open(now_ms=Clock(), retention={"raw_days": 2})
        await store.roller.round()
        await put(store, day_of(20, 399))
        for _ in range(3):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(store.retainer.move(), name="move")
                for number in range(1, 9):
                    tasks.create_task(put(store, day_of(number, 390 + number)), name=f"put-{number}")
            # These are merged into hours of which nothing may be rolled up any more.
            await put(store, *(day_of(10 + number, 390.01 + number, 0.99) for number in range(1, 8)))
            await settle(store)
            assert await counts(store) == dict.fromkeys(range(391, 398), 96) | {398: 48, 399: 48}
        await store.close()


async def forget_all(store: SeriesStore, before_ms: int) -> int:
    total = 0
    while count := await store.forget(before_ms):
        total += count
    return total


@pytest.mark.parametrize("name", ["duckdb", "influxdb"])
async def test_a_store_forgets_points_and_keeps_its_series(request: pytest.FixtureRequest, name: str) -> None:
    if name == "influxdb":
        InfluxHarness.server = request.getfixturevalue("influx")
    with (DuckDbHarness if name == "duckdb" else InfluxHarness)() as place:
        store: SeriesStore = await place.open()
        await put(store, day_of(1, 0, 3), make_batch(2, {KEYS[0]: [(9 * DAY_MS, 9.0, 0)]}))
        before = await store.series()
        latest = 1 if name == "duckdb" else 0  # of the series that has nothing later
        assert await forget_all(store, T0 + 5 * DAY_MS) == 144 - latest
        assert await store.series() == before
        assert await store.point_count() == 1 + latest
        [left, _] = await store.query([info.id for info in before], 0, 10**20)
        assert left.value in ([9.0], [1.0])
        await store.close()
        store = await place.open()
        if name == "duckdb":
            assert await store.series() == before
            assert await store.taken([day_of(1, 0).key, day_of(3, 0).key]) == frozenset({day_of(1, 0).key})
            await put(store, day_of(1, 0, 3))
        assert await store.point_count() == 1 + latest
        await store.close()


async def test_the_room_of_forgotten_points_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "series.duckdb"
    store = await DuckDbStore.open(path)
    sizes = []
    for round_ in range(6):
        await put(store, day_of(round_ + 1, 10 * round_, 4, 5_000))
        await forget_all(store, T0 + (10 * round_ + 4) * DAY_MS)
        sizes.append(path.stat().st_size)
    assert max(sizes[2:]) <= sizes[1] * 1.2
    await store.close()


async def test_what_a_server_cannot_forget_is_its_own_to_forget(victoria: VictoriaServer) -> None:
    VictoriaHarness.server = victoria
    with VictoriaHarness() as place:
        store: SeriesStore = await place.open()
        await put(store, day_of(1, 0))
        assert await store.forget(T0 + 5 * DAY_MS) is None
        assert await store.taken([day_of(1, 0).key]) is None
        assert await store.kept_from_ms() == 0
        assert await store.point_count() == 48
        await store.close()


@pytest.mark.parametrize(
    ("period", "raw_days", "reach_days", "kept"),
    [
        ("30d", 90, 28, "shorter"),
        ("33d", 30, 30, None),
        ("30d", None, 28, None),
        ("1y", 30, 30, "longer"),
        ("100y", 30, 30, "for ever"),
    ],
)
async def test_a_server_whose_retention_does_not_fit_is_told_of(
    tmp_path: Path, period: str, raw_days: int | None, reach_days: int, kept: str | None
) -> None:
    """What it will soon forget by itself is merged into roll-ups instead of sent to it."""
    server = VictoriaServer(f"-retentionPeriod={period}").start()
    try:
        VictoriaHarness.server = server
        with VictoriaHarness() as place:
            store = await open_rolled(
                await place.open(), tmp_path, now_ms=wall_ms, retention={"raw_days": raw_days}
            )
            await store.roller.round()
            with capture_logs() as logs:
                for _ in range(2):
                    await store.retainer.move()
                    await store.retainer.forget()
            assert [one["kept"] for one in logs if "needed_days" in one] == ([kept] if kept else [])
            assert store.reach().raw_ms == (wall_ms() // DAY_MS - reach_days) * DAY_MS
            await store.close()
    finally:
        server.remove()


async def test_points_of_an_older_program_are_rolled_up(tmp_path: Path) -> None:
    below = await DuckDbStore.open(tmp_path / "series.duckdb")
    batches = [day_of(n, day, 2, gateway=f"gw-{n % 2}") for n, day in enumerate((1, 40, 41, 200, 398), 1)]
    await put(below, *batches)
    expected = await counts(below)
    store = await open_rolled(below, tmp_path, now_ms=Clock())
    for _ in range(4):
        assert await counts(store) == expected
        await store.roller.round()
    await store.close()
    store = await open_rolled(await DuckDbStore.open(tmp_path / "series.duckdb"), tmp_path, now_ms=Clock())
    await settle(store)
    assert await counts(store) == expected
    await store.close()
    with duckdb.connect(str(tmp_path / "rollups.duckdb")) as connection:
        assert connection.execute("SELECT examined FROM horizons").fetchall() == [(0,)]
        assert connection.execute("SELECT sum(n) FROM hours").fetchall() == [(sum(expected.values()),)]


async def test_a_server_is_looked_through_too(rolled_server: type[RolledHarness]) -> None:
    with rolled_server() as place:
        store = await place.open(now_ms=Clock())
        await put(store.below, day_of(1, 100, 2), day_of(2, 399))
        await store.roller.round()
        while store.waiting:
            await store.roller.round()
        assert await counts(store) == {100: 48, 101: 48, 399: 48}
        assert store.registry.get_sample_value("campus_rollup_hours_rolled_total") == 72
        await store.close()


class Expiring(DuckDbStore):
    """Forgets by itself, as a server does: what is older than so many days."""

    kept_days = 0.0

    async def kept_from_ms(self) -> int:
        if self.kept_days:
            while await self.forget(T0 + int((NOW_DAY - self.kept_days) * DAY_MS)):
                pass
        return int(T0 + (NOW_DAY - self.kept_days) * DAY_MS) if self.kept_days else 0


async def test_what_a_server_has_forgotten_meanwhile_stays_in_the_rollups(tmp_path: Path) -> None:
    """A collector that was off: hours that it marked long ago, and points that come for such hours."""

    async def opened() -> tuple[Any, Any]:
        below = await Expiring.open(tmp_path / "series.duckdb")
        return below, await open_rolled(below, tmp_path, now_ms=Clock(), quiet_s=0.0)

    below, store = await opened()
    await put(store, day_of(1, 350), day_of(2, 360, gateway="gw-2"), day_of(3, 399))
    await settle(store)
    await put(store, make_batch(4, {KEYS[0]: [(350 * DAY_MS + 1, 4.0, 0)]}))
    await store.close()

    below, store = await opened()
    below.kept_days = 30.0
    store.may_delete = lambda: False
    await store.roller.round()
    assert store.waiting == 1, "a clock in doubt decides nothing"
    store.may_delete = lambda: True
    await put(store, make_batch(5, {KEYS[0]: [(360 * DAY_MS + 1, 5.0, 0)]}, gateway="gw-2"))
    assert store.reach().raw_ms == T0 + 350 * DAY_MS, "hours that wait are waited for"
    await settle(store)
    assert store.reach().raw_ms == T0 + 372 * DAY_MS
    await put(store, make_batch(6, {KEYS[0]: [(361 * DAY_MS + 1, 6.0, 0)]}, gateway="gw-2"))
    await settle(store)
    found = await counts(store)
    assert (found[350], found[361], found[399]) == (48, 1, 48)
    assert found[360] >= 48
    await store.close()
