"""A clock that jumps refuses no good reading and deletes nothing before its time."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from collector.clock import AWAY_MS_MAX, PATIENCE_S, ClockWatch
from collector.intake.objections import FUTURE_MS_MAX, PLAUSIBLE_FROM_MS, time_objection
from collector.overview import Overview
from collector.records import retention
from collector.retention import Sweeper
from telemetry.batch import Body
from telemetry.quality import ClockQuality
from telemetry.readings import SeriesKey
from telemetry.status import FORMAT, Status
from tests.collector.conftest import NOW_MS, check
from tests.collector.kept_records import keep
from tests.collector.record_databases import RecordsDatabase, on_both

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


class Machine:
    """A machine whose wall clock can be set, and its gateways."""

    def __init__(self, last_data_ms: int | None = None) -> None:
        self.wall_ms, self.monotonic_s = NOW_MS, 100.0
        self.overview = Overview()
        if last_data_ms is not None:
            self.overview.load({("example-primary", "gw-1"): last_data_ms})
        self.watch = ClockWatch(self.overview, lambda: self.wall_ms, lambda: self.monotonic_s)
        self.watch.start()

    def run_for(self, ms: int) -> None:
        self.wall_ms += ms
        self.monotonic_s += ms / 1_000

    def hear(self, gateway: str, ahead_ms: int = 0, clock: ClockQuality = ClockQuality.SYNCED) -> None:
        status = Status(
            FORMAT, "example-primary", gateway, self.wall_ms + ahead_ms, clock, "1", self.wall_ms, 0, 0, None, 0,
            0, {},
        )  # fmt: skip
        assert self.overview.of("example-primary", gateway).see(status, self.wall_ms)


def test_a_clock_that_runs_on_is_believed() -> None:
    machine = Machine(NOW_MS - DAY_MS)
    assert machine.watch.is_believed
    machine.run_for(20 * DAY_MS)
    assert machine.watch.is_believed
    assert machine.watch.words() == "ok"


@pytest.mark.parametrize("jump_ms", [-400 * DAY_MS, -2 * HOUR_MS, 2 * HOUR_MS, 400 * DAY_MS])
def test_after_a_jump_nothing_is_deleted_for_a_day(jump_ms: int) -> None:
    machine = Machine()
    machine.run_for(1_000)
    machine.wall_ms += jump_ms
    if machine.wall_ms < PLAUSIBLE_FROM_MS:
        assert machine.watch.words() == "this machine does not know the time"
        return
    assert not machine.watch.is_believed
    assert "has jumped; nothing is deleted for a day" in machine.watch.words()
    machine.run_for(int(PATIENCE_S * 1_000) - 1)
    assert not machine.watch.is_believed
    machine.run_for(1)
    assert machine.watch.is_believed


def test_a_gateway_that_agrees_ends_the_doubt() -> None:
    machine = Machine(NOW_MS - AWAY_MS_MAX - 1)
    assert not machine.watch.is_believed, "the summer, or an empty battery"
    machine.hear("gw-1", ahead_ms=400)
    assert machine.watch.is_believed
    assert machine.watch.words() == "ok"


def test_gateways_that_contradict_are_believed() -> None:
    machine = Machine(NOW_MS - 1)
    machine.hear("gw-1", ahead_ms=5 * HOUR_MS)
    assert not machine.watch.is_believed
    assert machine.watch.words() == "behind the gateways' clocks by 5 h"
    machine.run_for(1_000)
    machine.hear("gw-2")
    machine.hear("gw-3")
    assert machine.watch.is_believed, "one of three is wrong"
    machine.run_for(11 * 60_000)
    machine.hear("gw-1", ahead_ms=-5 * HOUR_MS)
    assert machine.watch.words() == "ahead of the gateways' clocks by 5 h"


@pytest.mark.parametrize("clock", [ClockQuality.HOLDOVER, ClockQuality.CORRECTED, ClockQuality.UNSYNCED])
def test_who_does_not_know_the_time_is_no_witness(clock: ClockQuality) -> None:
    machine = Machine(NOW_MS + 2 * DAY_MS)
    machine.hear("gw-1", clock=clock)
    assert not machine.watch.is_believed
    machine.run_for(1)
    machine.hear("gw-2", ahead_ms=50 * HOUR_MS, clock=clock)
    assert not machine.watch.is_believed


def test_a_slow_clock_calls_nobody_fast() -> None:
    time_ms = NOW_MS + FUTURE_MS_MAX + 1
    body = Body([SeriesKey("co2", "air-1", "main/1", "")], [1], [time_ms], [800.0], [0], [])
    assert time_objection(body, NOW_MS) is not None
    assert time_objection(body, NOW_MS, judges=False) is None
    body = Body(body.series, [1], [1], [800.0], [0], [])
    assert time_objection(body, NOW_MS, judges=False) is not None


@on_both
async def test_the_sweeper_waits_while_the_clock_is_in_doubt(
    database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = database.open()
    await keep(records, [check(36.5)], NOW_MS, 2)
    believed = False
    sweeper = Sweeper(records, CollectorRegistry(), lambda: NOW_MS + 400 * DAY_MS, lambda: believed)
    monkeypatch.setattr("collector.retention.RETRY_S", 0.01)
    monkeypatch.setattr(retention, "PERIOD_S", 0.01)
    task = asyncio.create_task(sweeper.run())
    await asyncio.sleep(0.1)

    def count(connection: object) -> int:
        return len(connection.exec_driver_sql("SELECT id FROM morning_checks").all())  # type: ignore[attr-defined]

    assert await records.look(count) == 1
    believed = True
    for _ in range(1_000):
        await asyncio.sleep(0.01)
        if not await records.look(count):
            break
    else:
        pytest.fail("the sweeper does not go on")
    task.cancel()
    await asyncio.wait([task])
    await records.close()
