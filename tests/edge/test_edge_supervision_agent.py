"""A gateway with drivers that fail: the neighbours lose nothing, and a configuration is judged by its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from edge_agent.cli import app
from edge_agent.configuring.kept import KeptFile, KeptFileError
from edge_agent.counters import DRIVER_FAILED
from edge_agent.drivers.contract import DeviceReport, Sink
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.plugin import DriverParts, DriverPlugin
from edge_agent.drivers.settings import DeviceId, Place
from edge_agent.failing_drivers import FailingDriver, FailingFile
from foundation.tomlfile import StrictModel
from simulators.modbus import TcpHost
from telemetry.readings import Chunk, SeriesKey
from tests.conftest import Mosquitto
from tests.edge.configuring_line import running
from tests.edge.configuring_parts import CollectorDouble, bus, local_config, write_gateway
from tests.edge.configuring_rig import configuring
from tests.edge.edge_parts import eventually
from tests.edge.failing import FAILED, SECRET, Plain, hurry, said, task_of, work
from tests.modbus.rig import unit
from tests.plugins.plugin_parts import write_distribution

READINGS = 200


class Device(StrictModel):
    id: DeviceId
    place: Place


class MoodySource(StrictModel):
    name: DeviceId
    devices: tuple[Device, ...]


class Moody:
    """A driver of a plug-in that gives a reading and then ends, each time in another way."""

    lives = 0
    """Since the test began."""

    def __init__(self, source: MoodySource, parts: DriverParts) -> None:
        self.name, self.source, self.parts = source.name, source, parts
        type(self).lives += 1
        self.life = self.lives

    async def run(self, sink: Sink) -> None:
        device = self.source.devices[0]
        index = self.parts.table.index(SeriesKey("temperature", device.id, device.place))
        sink.readings(Chunk([index], [self.parts.clock.now_ms()], [float(self.life)], [0]))
        await asyncio.sleep(0)
        await ENDS[self.life % len(ENDS)]()

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        yield DeviceReport(self.source.devices[0].id, ok=True, text=f"{timeout_s:g}")


async def _raise() -> None:
    raise RuntimeError(SECRET)


async def _fail_within() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_raise(), name="part")


async def _return() -> None:
    return


async def _cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def _take_cancelling_for_its_own() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        raise RuntimeError(SECRET) from None


async def _exit() -> None:
    raise SystemExit(3)


async def _recurse() -> None:
    await _recurse()


ENDS: list[Callable[[], Any]] = [
    _raise, _fail_within, _return, _cancel_itself, _take_cancelling_for_its_own, _exit, _recurse,
]  # fmt: skip
PLUGIN = DriverPlugin(1, MoodySource, Moody)
TABLES = """
[uplink]
status_interval_s = 1
[batch]
interval_s = 0.1
[plugins]
enabled = ["moody"]
[[plugin.moody]]
name = "tower"
devices = [{ id = "clock-1", place = "main/302" }]
[[mqtt]]
name = "air"
broker = { host = "127.0.0.1", port = {port} }
devices = [{ id = "air-1", profile = "json/environment", place = "main/301" }]
"""


@pytest.fixture
def moody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-in is installed."""
    site = tmp_path / "site"
    write_distribution(site, "acme-moody", {"drivers": {"moody": f"{__name__}:PLUGIN"}}, {})
    monkeypatch.syspath_prepend(site)
    Moody.lives = 0


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.mark.usefixtures("moody", "hasty")
async def test_a_driver_that_fails_again_and_again_costs_its_neighbour_no_reading(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    chance = random.Random(1)  # pauses of a device
    tables = TABLES.replace("{port}", str(mosquitto.port))
    with structlog.testing.capture_logs() as logs:
        async with running(tmp_path, mosquitto, CollectorDouble(), tables) as line:
            figures = line.agent.counters.drivers
            await eventually(lambda: said(logs, "listening to devices"), "the broker is listened to")
            neighbour = task_of("driver-air")
            for number in range(READINGS):
                await line.say("sensors/air-1", co2=400 + number)
                await asyncio.sleep(chance.uniform(0, 0.01))
            await eventually(lambda: figures["tower"].failures >= 3 * len(ENDS), "it fails in every way")
            given = [("air-1", "co2", float(400 + number)) for number in range(READINGS)]
            await eventually(lambda: all(line.readings[key] for key in given), "the neighbour's readings")
            assert task_of("driver-air") is neighbour
            assert (figures["air"].failures, figures["air"].failing) == (0, False)
            assert figures["tower"].failing
            failing = FailingFile(tmp_path / "data")
            await eventually(lambda: [one.driver for one in failing.read()] == ["tower"], "it is in the file")
            told = line.agent.counters.drops({})
            assert told == {DRIVER_FAILED: figures["tower"].failures}, "and nothing was dropped"
            lives = [("clock-1", "temperature", float(life)) for life in range(1, Moody.lives)]
            await eventually(lambda: all(line.readings[key] for key in lives), "what each life has given")
    assert not failing.path.exists(), "a gateway that has stopped has none"
    assert {line.readings[key] for key in (*given, *lives)} == {1}
    failures = said(logs, FAILED)
    loud = {(one["error"], one["where"]) for one in failures if one["log_level"] == "error"}
    assert len(loud) == len([one for one in failures if one["log_level"] == "error"]) == len(ENDS)
    assert {error for error, _ in loud} == {
        "RuntimeError", "it returned", "it cancelled itself", "SystemExit", "RecursionError",
    }  # fmt: skip
    assert all(
        "test_edge_supervision_agent.py:" in where for error, where in loud if not error.startswith("it ")
    )
    assert SECRET not in str(logs)


@pytest.mark.usefixtures("hasty")
async def test_a_driver_that_cannot_be_made_at_the_start_is_made_later(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bus = ModbusDriver._make_bus
    faulty = True

    def fault(self: ModbusDriver, counters: object) -> object:
        if self.name == "yard" and faulty:
            raise KeyError(SECRET)
        return make_bus(self, counters)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(ModbusDriver, "_make_bus", fault)
    async with TcpHost([unit(1)]) as hall, TcpHost([unit(1)]) as yard:
        tables = bus("hall", hall.port) + bus("yard", yard.port)
        with structlog.testing.capture_logs() as logs:
            async with running(tmp_path, mosquitto, CollectorDouble(), tables) as line:
                counters = line.agent.counters
                await eventually(lambda: counters.devices["hall-1"].polls > 2, "the other is read")
                assert counters.drivers["yard"].failing
                faulty = False
                await eventually(lambda: counters.devices["yard-1"].polls > 2, "and then this one, too")
    assert SECRET not in str(logs)


def test_check_names_drivers_that_fail_in_the_running_gateway(tmp_path: Path) -> None:
    file, failing = write_gateway(tmp_path, CollectorDouble().signer), FailingFile(tmp_path / "data")
    failing.path.parent.mkdir()
    words = "failures since the gateway's start: "
    for found in (
        FailingDriver("tower", 3, "KeyError", "clock.py:7 run"),
        FailingDriver("tower", 1, "it returned", ""),
    ):
        failing.write([found])
        done = CliRunner().invoke(app, ["check", str(file), "--timeout", "0.1"])
        assert done.exit_code == 1
        place = f" in {found.where}" if found.where else ""
        assert (
            f"✗ driver tower: 运行中的驱动程序出错 {words}{found.failures}, the last: {found.error}{place};"
            in done.output
        )
    for damaged in (b"", b"[[", b'[{"driver": 1}]'):
        failing.path.write_bytes(damaged)
        done = CliRunner().invoke(app, ["check", str(file), "--timeout", "0.1"])
        assert isinstance(done.exception, SystemExit), "it has checked what there is"
        assert words not in done.output
    failing.write([])
    assert not failing.path.exists()


def test_check_goes_on_with_the_other_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = ModbusDriver.check

    def fault(self: ModbusDriver, timeout_s: float) -> AsyncIterator[DeviceReport]:
        return Plain(work).check(timeout_s) if self.name == "yard" else check(self, timeout_s)

    monkeypatch.setattr(ModbusDriver, "check", fault)
    file = write_gateway(tmp_path, CollectorDouble().signer, bus("yard", 1) + bus("hall", 2))
    done = CliRunner().invoke(app, ["check", str(file), "--timeout", "0.2"])
    assert done.exit_code == 1
    assert "yard: 驱动程序出错 its driver failed: RuntimeError in failing.py:" in done.output
    assert "hall-1: " in done.output
    assert SECRET not in done.output


@pytest.mark.usefixtures("hasty")
async def test_only_drivers_that_a_version_has_changed_speak_against_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, faulty = CollectorDouble(), {"hall"}
    local = local_config(tmp_path, bus("hall", 1))
    lab, both = collector.make(bus("lab", 2)), collector.make(bus("lab", 3) + bus("yard", 4))
    run = ModbusDriver.run

    async def fault(self: ModbusDriver, sink: Sink) -> None:
        if self.name in faulty:
            raise RuntimeError(SECRET)
        await run(self, sink)

    monkeypatch.setattr(ModbusDriver, "run", fault)
    async with configuring(local, collector) as rig:
        figures = rig.counters.drivers
        await eventually(lambda: figures["hall"].failures > 1, "one that fails all the time")
        await rig.offer(lab)
        before = figures["hall"].failures
        await eventually(lambda: figures["hall"].failures > before + 1, "also on probation")
        assert (rig.running.version, rig.running.refused) == (lab, None)
        faulty |= {"lab"}
        await rig.offer(both, lab)
        await eventually(lambda: rig.outcome("taken_back"), "its own does")
        await eventually(lambda: rig.running.version == 0, "what has proven itself runs again")
        assert "modbus/lab: its driver ended by a fault (RuntimeError)" in rig.running.reason
        await eventually(lambda: set(figures) == {"hall", "removed"}, "what ran before has none of them")
        assert SECRET not in rig.running.reason


@pytest.mark.usefixtures("hasty")
async def test_after_probation_a_driver_that_fails_ends_neither_version_nor_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, faulty = CollectorDouble(), {"lab"}
    local = local_config(tmp_path, bus("hall", 1))
    version = collector.make(bus("lab", 2))

    async def fault(self: ModbusDriver, sink: Sink) -> None:
        del sink
        await eventually(lambda: self.name in faulty, "it is told to fail")
        raise RuntimeError(SECRET)

    faulty.clear()
    with monkeypatch.context() as patch:
        patch.setattr(ModbusDriver, "run", fault)
        async with configuring(local, collector, probation_s=0.05) as rig:
            await rig.offer(version)
            await eventually(lambda: not rig.file.read().on_probation, "it has proven itself")
            faulty.add("lab")
            await eventually(lambda: rig.counters.drivers["lab"].failures > 2, "it fails")
            assert (rig.running.version, rig.running.refused) == (version, None)
            assert rig.counters.drivers["hall"].failures == 0
        # And at the next start.
        async with configuring(local, collector) as rig:
            await eventually(lambda: rig.counters.drivers["lab"].failures > 2, "it fails")
            assert (rig.running.version, rig.running.refused) == (version, None)
            faulty.clear()
            await rig.offer(collector.make(bus("lab", 3)), version)
            await eventually(lambda: not rig.counters.drivers["lab"].failing, "another one has not failed")


@pytest.mark.usefixtures("hasty")
async def test_where_there_is_no_way_back_a_driver_that_fails_asks_for_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, faulty = CollectorDouble(), set[str]()
    version = collector.make(bus("lab", 2))

    async def fault(self: ModbusDriver, sink: Sink) -> None:
        del sink
        await eventually(lambda: self.name in faulty, "it is told to fail")
        raise RuntimeError(SECRET)

    def refuse(*_: object) -> None:
        raise KeptFileError("no room")

    monkeypatch.setattr(ModbusDriver, "run", fault)
    async with configuring(local_config(tmp_path, bus("hall", 1)), collector) as rig:
        await rig.offer(version)
        monkeypatch.setattr(KeptFile, "write", refuse)
        faulty.add("lab")
        await eventually(lambda: rig.running.refused == version, "it is tried")
        before = rig.counters.drivers["lab"].failures
        await eventually(lambda: rig.counters.drivers["lab"].failures > before + 5, "it goes on failing")
        assert (rig.running.version, rig.outcome("taken_back")) == (version, 1)


async def test_a_driver_that_fails_before_anything_else_has_begun_ends_a_version_on_probation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = CollectorDouble()
    local = local_config(tmp_path, bus("hall", 1))
    version = collector.make(bus("lab", 2))
    async with configuring(local, collector) as rig:
        await rig.offer(version)
        await rig.configurator.end()
    run = ModbusDriver.run

    def fault(self: ModbusDriver, sink: Sink) -> Any:
        if self.name == "lab":
            raise RuntimeError(SECRET)
        return run(self, sink)

    monkeypatch.setattr(ModbusDriver, "run", fault)
    async with configuring(local, collector) as rig:
        await eventually(lambda: rig.running.refused == version, "it is taken back")
        assert rig.running.version == 0
