"""One school on every transport: a gateway's drivers read from its simulated devices what is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from device_profiles.observations import CheckObservation, TapObservation
from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.config import load_config
from edge_agent.counters import Counters
from edge_agent.drivers import make_drivers
from simulators.drive import Drive, wall_clock_ms
from simulators.gateway_file import gateway_tables
from simulators.meals import SLOT_MS, tray_kg
from simulators.plan import BusPlan, Transport, default_plan
from simulators.pupils import em_tag, wiegand_tag
from simulators.running import hosted
from simulators.school import School
from simulators.timetable import FIRST_MORNING_MS, MS_PER_MINUTE, Timeline
from telemetry.readings import Chunk, Reading, SeriesTable

WAIT_S_MAX = 40.0
SCHOOL = School(seed=7)
HEAD = """\
[gateway]
id = "{gateway}"
school = "example-primary"
key_file = "gateway.key"
data_dir = "data"

[collector]
public_key = "G3c3uUo8wJpQkqVqYl0M0xU1n7y0p2m7hJ8q1rJm9T8="
mqtt = {{ host = "127.0.0.1" }}

"""


class Heard:
    """What the drivers gave."""

    def __init__(self) -> None:
        self.table = SeriesTable()
        self.latest: dict[tuple[str, str], float] = {}
        self.checks: list[CheckObservation] = []
        self.taps: list[TapObservation] = []
        self.reasons: list[tuple[str, str]] = []
        self.changed = asyncio.Event()

    def readings(self, chunk: Chunk) -> None:
        read: list[Reading] = chunk.readings(self.table)
        self.latest |= {(one.series.device, one.series.quantity): one.value for one in read}
        self.changed.set()

    def check(self, observation: CheckObservation) -> None:
        self.checks.append(observation)
        self.changed.set()

    def tap(self, observation: TapObservation) -> None:
        self.taps.append(observation)
        self.changed.set()

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self.reasons.append((device, reason))

    async def until_all(self, devices: Sequence[str]) -> None:
        """Returns once every device has given something."""
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                while missing := set(devices) - {device for device, _ in self.latest}:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            pytest.fail(f"nothing of {sorted(missing)}; refused: {self.reasons[:10]}", pytrace=False)

    async def until_people(self, *, checks: int, taps: int) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while len(self.checks) < checks or len(self.taps) < taps:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def reading(
    drive: Drive,
    transports: Sequence[Transport],
    gateway: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Heard]:
    """The school's devices of these transports, and the gateway's drivers at work on them."""
    heard = Heard()
    async with hosted(drive, transports, folder) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        file = folder / "gateway.toml"
        file.write_text(HEAD.format(gateway=gateway) + gateway_tables(running.served, gateway), "utf-8")
        drivers = make_drivers(
            load_config(file),
            catalogue=Catalogue(),
            table=heard.table,
            clock=Clock("system"),
            counters=Counters(),
        )
        tasks = [asyncio.create_task(driver.run(heard), name=driver.name) for driver in drivers]
        try:
            yield heard
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.result()


def lunch_ms() -> int:
    """A moment at lunch when somebody puts a tray on the scale."""
    noon_ms = FIRST_MORNING_MS + (12 * 60 - 465) * MS_PER_MINUTE
    slots = range(noon_ms // SLOT_MS, noon_ms // SLOT_MS + 50)
    return next(slot for slot in slots if tray_kg(SCHOOL.world, "canteen-hall-scale", slot)) * SLOT_MS


@pytest.mark.parametrize("transport", ["modbus", "serial", "ble"])
async def test_a_gateway_reads_what_is_true(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The school's clock stands still, so that only the devices' rounding may differ."""
    school_ms = lunch_ms()
    drive = Drive(SCHOOL, Timeline(0, school_ms, 1), clock_ms=lambda: 0)
    devices = [device.id for device in SCHOOL.on(transport, "gw-teaching")]
    async with reading(drive, [transport], "gw-teaching", tmp_path, monkeypatch) as heard:
        await heard.until_all(devices)
    assert len(heard.latest) >= 4
    for (device, quantity), value in heard.latest.items():
        if device == "canteen-hall-scale":
            expected = {"mass": tray_kg(SCHOOL.world, device, school_ms // SLOT_MS), "mass_stable": 1.0}
            assert value == pytest.approx(expected[quantity], abs=0.003)
        else:
            truth = SCHOOL.truth(device, quantity, school_ms)
            assert value == pytest.approx(truth, rel=0.01, abs=0.6), (device, quantity)


async def test_a_bus_may_be_a_serial_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buses = (BusPlan(name="rs485-teaching", kind="rtu", baud=19_200),)
    school = School(7, default_plan().model_copy(update={"buses": buses}))
    drive = Drive(school, Timeline(0, FIRST_MORNING_MS, 1), clock_ms=lambda: 0)
    async with reading(drive, ["modbus"], "gw-teaching", tmp_path, monkeypatch) as heard:
        await heard.until_all([device.id for device in school.on("modbus")])
    assert not (tmp_path / "rs485-teaching").is_symlink()


async def test_the_desk_and_the_reader_at_the_gate_tell_who_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = Drive(SCHOOL, Timeline(wall_clock_ms(), FIRST_MORNING_MS, 30), pupil_every_s=0.5)
    async with reading(drive, ["serial"], "gw-gate", tmp_path, monkeypatch) as heard:
        await heard.until_people(checks=1, taps=3)
    tags = {em_tag(SCHOOL.check(number).card) for number in range(10**6, 10**6 + 5)}
    assert all(check.credential in tags for check in heard.checks)
    coming = {wiegand_tag(pupil.card) for pupil in SCHOOL.pupils}
    assert all(tap.credential in coming for tap in heard.taps)
    assert 35 < heard.checks[0].temperature_c < 40


async def test_readers_on_osdp_and_a_terminal_that_posts_tell_who_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = Drive(SCHOOL, Timeline(wall_clock_ms(), FIRST_MORNING_MS, 30), pupil_every_s=0.5)
    async with reading(drive, ["osdp", "http"], "gw-gate", tmp_path, monkeypatch) as heard:
        await heard.until_people(checks=1, taps=2)
    expected = SCHOOL.check(2 * 10**6)
    assert heard.checks[0].credential == expected.card
    assert heard.checks[0].temperature_c == pytest.approx(expected.temperature_c, abs=0.06)
    coming = {pupil.card for pupil in SCHOOL.pupils} | {expected.card}
    assert all(tap.credential in coming for tap in heard.taps)
