"""Drivers that fail, in every way that a driver can: they are started again, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent import supervision
from edge_agent.buffer.contract import BufferStats
from edge_agent.counters import Counters, DriverCounters
from edge_agent.drivers.contract import Sink
from edge_agent.metrics import GatewayMetrics
from edge_agent.supervision import Supervisor
from telemetry.readings import Chunk
from tests.driver_rig import Kept as KeptReadings
from tests.edge.edge_parts import eventually
from tests.edge.failing import FAILED, SECRET, Plain, fail, hurry, said, task_of, work


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.mark.usefixtures("hasty")
async def test_one_that_works_for_long_enough_is_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "WELL_AFTER_S", 0.03)
    enough = asyncio.Event()

    async def work_enough(sink: Sink) -> None:
        await enough.wait()
        await fail(sink)

    told: list[tuple[str, str | None]] = []
    figures, lives = DriverCounters(), iter([fail, fail, work_enough, work])
    supervisor = Supervisor(
        "modbus/hall", lambda: Plain(next(lives)), figures, lambda *fault: told.append(fault)
    )
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(supervisor.run(KeptReadings(), Plain(fail)))
        await eventually(lambda: figures.failures == 3, "it fails three times")
        assert figures.failing
        await eventually(lambda: not figures.failing, "it is well")
        enough.set()
        await eventually(lambda: figures.failing, "it fails once more")
        await eventually(lambda: not figures.failing, "it is well")
    task.cancel()
    await asyncio.wait([task])
    assert told == [("modbus/hall", kind) for kind in (*["RuntimeError"] * 3, None, "RuntimeError", None)]
    well = "driver is well again"
    assert [(one["event"], one["log_level"]) for one in logs] == [
        (FAILED, "error"), (FAILED, "debug"), (FAILED, "debug"), (well, "info"), (FAILED, "error"), (well, "info"),
    ]  # fmt: skip


async def test_the_waits_double_up_to_a_bound_and_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, bound: bound)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 12:
            raise asyncio.CancelledError

    monkeypatch.setattr(supervision.asyncio, "sleep", sleep)  # type: ignore[attr-defined]  # the loop's clock
    supervisor = Supervisor("modbus/hall", lambda: Plain(fail), DriverCounters(), lambda *_: None)
    with pytest.raises(asyncio.CancelledError):
        await supervisor.run(KeptReadings(), None)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    supervisor._well()
    assert supervisor._backoff.delay_s() == 1


class Broken(KeptReadings):
    """A gate with a fault."""

    def readings(self, chunk: Chunk) -> None:
        raise ZeroDivisionError

    def check(self, observation: CheckObservation) -> None:
        raise ZeroDivisionError

    def tap(self, observation: TapObservation) -> None:
        raise ZeroDivisionError

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "hand_over",
    [
        lambda sink: sink.readings(Chunk()),
        lambda sink: sink.check(CheckObservation(1, "a", "main/301", None, "forehead", 36.5)),
        lambda sink: sink.tap(TapObservation(1, "a", "main/301", "card:0102")),
        lambda sink: sink.refused("a", "blank", 1),
    ],
)
@pytest.mark.parametrize("swallows", [False, True])
async def test_a_fault_of_the_gate_is_not_taken_for_the_drivers(
    hand_over: Callable[[Sink], None], *, swallows: bool
) -> None:
    async def give(sink: Sink) -> None:
        try:
            hand_over(sink)
        except ZeroDivisionError:
            if not swallows:
                raise
        await asyncio.Event().wait()

    figures = DriverCounters()
    supervisor = Supervisor("modbus/hall", lambda: Plain(give), figures, lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(20):
            await supervisor.run(Broken(), None)
    assert figures.failures == 0


@pytest.mark.parametrize("swallows", [False, True])
async def test_nor_is_one_that_comes_as_the_driver_stops(*, swallows: bool) -> None:
    begun = asyncio.Event()

    async def hand_over_last(sink: Sink) -> None:
        begun.set()
        try:
            await work(sink)
        finally:
            try:
                sink.readings(Chunk())
            except ZeroDivisionError:
                if not swallows:
                    raise

    supervisor = Supervisor("modbus/hall", lambda: Plain(hand_over_last), DriverCounters(), lambda *_: None)
    task = asyncio.create_task(supervisor.run(Broken(), None))
    await begun.wait()
    task.cancel()
    with pytest.raises(ZeroDivisionError):
        await task


async def test_one_that_does_not_stop_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "STOP_S_MAX", 0.02)
    begun, told = asyncio.Event(), 0

    async def hold_on(sink: Sink) -> None:
        nonlocal told
        begun.set()
        while told < 2:
            try:
                await work(sink)
            except asyncio.CancelledError:
                told += 1

    supervisor = Supervisor("modbus/hall", lambda: Plain(hold_on), DriverCounters(), lambda *_: None)
    task = asyncio.create_task(supervisor.run(KeptReadings(), None))
    await begun.wait()
    with structlog.testing.capture_logs() as logs:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert said(logs, "driver does not stop, it is left behind")
    left = task_of("driver-hall")
    left.cancel()
    await asyncio.wait([left])


async def test_one_that_fails_as_it_is_stopped_has_stopped() -> None:
    begun = asyncio.Event()

    async def close_badly(sink: Sink) -> None:
        begun.set()
        try:
            await work(sink)
        finally:
            await fail(sink)

    figures = DriverCounters()
    supervisor = Supervisor("modbus/hall", lambda: Plain(close_badly), figures, lambda *_: None)
    task = asyncio.create_task(supervisor.run(KeptReadings(), None))
    await begun.wait()
    with structlog.testing.capture_logs() as logs:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert figures.failures == 0
    assert said(logs, "driver failed as it was stopped")
    assert SECRET not in str(logs)


def test_failures_are_metrics_by_driver() -> None:
    counters = Counters()
    counters.drivers |= {"hall": DriverCounters(3, failing=True), "lab": DriverCounters(1)}
    counters.forget_driver("lab")
    registry = CollectorRegistry()
    registry.register(GatewayMetrics(counters, lambda: BufferStats(0, 0, 0, None, {}, 0)))
    text = generate_latest(registry).decode()
    for line in (
        'campus_edge_driver_failures_total{driver="hall"} 3.0',
        'campus_edge_driver_failures_total{driver="removed"} 1.0',
        'campus_edge_driver_failing{driver="hall"} 1.0',
    ):
        assert line in text.splitlines()
