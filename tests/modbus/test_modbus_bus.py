"""One scheduler a bus: rhythm, fairness, dead units, refusals, commands; against simulated units."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_agent.drivers.modbus.bus import COMMANDS_MAX, BusBusyError
from edge_agent.drivers.modbus.link import BusAwayError, NoReplyError, NotTakenError, RefusedError
from simulators.modbus import RtuBus, TcpHost
from simulators.modbus.unit import COILS, HOLDING_REGISTERS
from telemetry.quality import Quality
from tests.driver_rig import until
from tests.modbus.rig import TRUTH, Rig, device, running, unit


def _tcp(host: TcpHost) -> dict[str, object]:
    return {"tcp": {"host": host.host, "port": host.port}}


def _serial(path: Path, **settings: object) -> dict[str, object]:
    return {"serial": {"port": str(path), **settings}}


async def test_readings_of_every_function_come_with_their_values(tmp_path: Path) -> None:
    units = [unit(1), unit(2, "twins"), unit(3, "relay")]
    async with RtuBus(tmp_path / "bus", units, paced=False):
        devices = [device(1), device(2, "twins"), device(3, "relay")]
        async with running(**_serial(tmp_path / "bus"), devices=devices) as rig:
            await until(lambda: all(rig.polls(one["id"]) > 2 for one in devices), "three polls each")
    got = {(one.series.device, one.series.quantity, one.value) for one in rig.given}
    assert got == {
        ("climate-1", "temperature", 21.5),
        ("climate-1", "relative_humidity", 40.0),
        ("climate-1", "energy", 247.0),
        ("twins-2", "voltage", 230.0),
        ("twins-2", "current", 5.0),
        ("relay-3", "open", 1.0),
        ("relay-3", "water_leak", 1.0),
        ("relay-3", "illuminance", 321.0),
    }
    assert not rig.reasons
    assert all(len(chunk) == (2 if chunk.value[0] == 230.0 else 3) for chunk in rig.chunks), "a chunk a poll"
    assert rig.of("climate-1").last_seen_ms


async def test_neighbours_are_read_with_one_request(tmp_path: Path) -> None:
    one = unit(1)
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1)]) as rig,
    ):
        await until(lambda: rig.polls("climate-1") > 2, "three polls")
    assert set(one.asked) == {(3, 0, 10)}


async def test_a_read_that_is_refused_is_split_once_and_for_all(tmp_path: Path) -> None:
    one = unit(1, holes=True)
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1)]) as rig,
    ):
        await until(lambda: rig.polls("climate-1") > 4, "five polls")
    assert one.asked[3, 0, 10] == 1
    assert one.asked[3, 0, 2] >= 4
    assert one.asked[3, 8, 2] >= 4
    assert set(rig.values("climate-1", "energy")) == {247.0}
    assert not rig.reasons


async def test_a_device_that_takes_single_values_only_is_split_until_it_answers(tmp_path: Path) -> None:
    one = unit(1, holes=True, registers_max=1)
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1)]) as rig,
    ):
        await until(lambda: len(rig.values("climate-1", "relative_humidity")) > 3, "single values")
    assert set(rig.values("climate-1", "temperature")) == {21.5}
    assert not rig.values("climate-1", "energy"), "two registers are needed for it"
    assert ("climate-1", "modbus_exception_3") in rig.reasons


async def test_a_device_that_refuses_everything_is_alive_and_not_split(tmp_path: Path) -> None:
    one = unit(1)
    one.faults.exception = 4
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1)]) as rig,
    ):
        await until(lambda: rig.polls("climate-1") > 4, "five polls")
        assert not rig.of("climate-1").silent
        one.faults.exception = None
        await until(lambda: rig.chunks, "readings")
    assert rig.of("climate-1").exceptions >= 4
    assert ("climate-1", "modbus_exception_4") in rig.reasons
    assert set(rig.values("climate-1", "temperature")) == {21.5}


async def test_a_dead_unit_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    """Two buses in the same run, one with a dead unit; they differ in nothing else."""
    numbers = range(1, 9)
    whole, hurt = [unit(n) for n in numbers], [unit(n) for n in numbers]
    hurt[4].faults.silent = True
    # Load as on a bus at 19,200 Bd that is asked for all it can give.
    devices = [device(n, interval_s=0.1) for n in numbers]
    async with (
        RtuBus(tmp_path / "whole", whole, baud=19_200),
        RtuBus(tmp_path / "hurt", hurt, baud=19_200),
        running(**_serial(tmp_path / "whole", baud=19_200), devices=devices) as good,
        running(**_serial(tmp_path / "hurt", baud=19_200), devices=devices) as bad,
    ):
        await until(lambda: good.polls("climate-1") > 24, "enough polls", wait_s=60)
    dead = bad.of("climate-5")
    neighbours = [one["id"] for one in devices if one["unit"] != 5]
    with_dead = sum(bad.polls(name) for name in neighbours)
    without = sum(good.polls(name) for name in neighbours)
    assert with_dead >= 0.9 * without, (with_dead, without)
    assert dead.polls <= 3 + max(bad.polls(name) for name in neighbours) / 10 + 1, "one in ten cycles"
    assert dead.silent
    assert dead.quarantines == 1
    assert not any(bad.of(name).quarantines for name in neighbours)


async def test_a_busy_bus_gives_every_device_its_turn(tmp_path: Path) -> None:
    """Twelve devices want more than the wire can carry; slow and fast ones alike get their share."""
    numbers = range(1, 13)
    async with (
        RtuBus(tmp_path / "bus", [unit(n) for n in numbers], baud=19_200),
        running(
            **_serial(tmp_path / "bus", baud=19_200), devices=[device(n, interval_s=0.1) for n in numbers]
        ) as rig,
    ):
        await until(lambda: rig.polls("climate-1") >= 8, "eight rounds", wait_s=60)
        polls = [rig.polls(f"climate-{n}") for n in numbers]
    assert max(polls) - min(polls) <= 1, polls
    assert all(rig.of(f"climate-{n}").missed for n in numbers), "what was left out is counted"


async def test_a_device_that_comes_back_is_read_again(tmp_path: Path) -> None:
    one, two = unit(1), unit(2)
    async with (
        RtuBus(tmp_path / "bus", [one, two], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1), device(2)]) as rig,
    ):
        await until(lambda: rig.values("climate-1", "energy"), "its first reading")
        one.faults.silent = True
        await until(lambda: rig.of("climate-1").silent, "the device is given up")
        seen = len(rig.values("climate-1", "energy"))
        one.faults.silent = False
        await until(lambda: len(rig.values("climate-1", "energy")) > seen + 3, "its readings again")
    assert not rig.of("climate-1").silent
    assert rig.of("climate-1").timeouts >= 3


async def test_silence_and_return_are_logged_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = unit(1)
    one.faults.silent = True
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1, interval_s=0.1)]) as rig,
    ):
        await until(lambda: rig.polls("climate-1") > 4, "a probe in quarantine")
        one.faults.silent = False
        await until(lambda: len(rig.chunks) > 3, "readings")
    said = capsys.readouterr().out
    assert said.count("device silent") == 1
    assert said.count("device answers again") == 1


async def test_corrupt_answers_are_counted_and_give_nothing(tmp_path: Path) -> None:
    one = unit(1)
    one.faults.corrupt = True
    async with (
        RtuBus(tmp_path / "bus", [one, unit(2)], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1), device(2)]) as rig,
    ):
        await until(lambda: rig.of("climate-1").silent, "the device is given up")
        await until(lambda: rig.polls("climate-2") > 5, "the neighbour goes on")
    assert rig.of("climate-1").garbled >= 3
    assert not rig.values("climate-1", "temperature")
    assert set(rig.values("climate-2", "temperature")) == {21.5}


async def test_every_kind_of_command_is_written_and_limits_hold(tmp_path: Path) -> None:
    one = unit(1, "relay")
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1, "relay")]) as rig,
    ):
        await until(lambda: rig.chunks, "the first readings")
        command = rig.driver.command
        await command("relay-1", "buzzer", "off")
        await command("relay-1", "level", 7)
        await command("relay-1", "pattern", "all")
        await command("relay-1", "counter", 70_000)
        one.written[HOLDING_REGISTERS, 40] = 0x1234
        await command("relay-1", "mode", "night")
        await command("relay-1", "limit", 70_000)
        with pytest.raises(ValueError, match="level does not take 11"):
            await command("relay-1", "level", 11)
        with pytest.raises(LookupError, match="no command 'siren'"):
            await command("relay-1", "siren", 1)
        with pytest.raises(LookupError, match="no device"):
            await command("relay-9", "level", 1)
        await until(lambda: rig.values("relay-1", "open")[-1] == 0.0, "the coil reads back")
        one.stubborn = {(HOLDING_REGISTERS, 51)}
        with pytest.raises(NotTakenError, match="holds another value"):
            await command("relay-1", "limit", 5)
        one.faults.exception = 1
        with pytest.raises(RefusedError, match="exception 1"):
            await command("relay-1", "level", 1)
        one.faults.silent = True
        with pytest.raises(NoReplyError):
            await command("relay-1", "level", 1)
    assert one.written == {
        (COILS, 3): 0, (COILS, 4): 1, (COILS, 5): 1, (COILS, 6): 1,
        (HOLDING_REGISTERS, 20): 7, (HOLDING_REGISTERS, 30): 1, (HOLDING_REGISTERS, 31): 4_464,
        (HOLDING_REGISTERS, 40): 0x1224, (HOLDING_REGISTERS, 50): 0, (HOLDING_REGISTERS, 51): 4_464,
    }  # fmt: skip


async def test_commands_come_before_reads_and_do_not_pile_up(tmp_path: Path) -> None:
    relay = unit(1, "relay")
    others = [unit(n) for n in range(2, 12)]
    devices = [device(1, "relay"), *(device(n, interval_s=0.1) for n in range(2, 12))]
    async with (
        RtuBus(tmp_path / "bus", [relay, *others], baud=19_200),
        running(**_serial(tmp_path / "bus", baud=19_200), devices=devices) as rig,
    ):
        await until(lambda: rig.polls("climate-11"), "one round")
        before = sum(counted.polls for counted in rig.counters.devices.values())
        waiting = [
            asyncio.create_task(rig.driver.command("relay-1", "level", at % 10)) for at in range(COMMANDS_MAX)
        ]
        await asyncio.sleep(0)
        with pytest.raises(BusBusyError):
            await rig.driver.command("relay-1", "level", 1)
        await asyncio.gather(*waiting)
        after = sum(counted.polls for counted in rig.counters.devices.values())
    assert after - before <= 2, "polls may only begin before or after the commands"


async def test_a_command_to_a_bus_that_is_away_fails_at_once(tmp_path: Path) -> None:
    async with running(**_serial(tmp_path / "nothing"), devices=[device(1, "relay")]) as rig:
        await asyncio.sleep(0)
        with pytest.raises(BusAwayError):
            await rig.driver.command("relay-1", "level", 1)


async def test_warm_up_makes_readings_uncertain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        RtuBus(tmp_path / "bus", [unit(1)], paced=False),
        running(**_serial(tmp_path / "bus"), devices=[device(1)]) as rig,
    ):
        polled = rig.driver._devices["climate-1"]
        warm = polled.decoder.spec.model_copy(update={"warm_up_s": 1_000.0})
        monkeypatch.setattr(polled.decoder, "spec", warm)
        await until(lambda: rig.chunks, "a reading")
        assert {one.quality for one in rig.given} == {Quality.UNCERTAIN}
        polled._warm_s = 0.0
        rig.chunks.clear()
        await until(lambda: rig.chunks, "a reading")
        assert {one.quality for one in rig.given} == {Quality.GOOD}


async def test_check_reports_a_device_a_line(tmp_path: Path) -> None:
    silent, odd = unit(2), unit(3)
    silent.faults.silent = True
    odd.faults.exception = 2
    devices = [device(n) for n in (1, 2, 3)]
    async with TcpHost([unit(1), silent, odd]) as host:
        rig = Rig(**_tcp(host), devices=devices)
        reports = [report async for report in rig.driver.check(10)]
    assert [(report.device, report.ok) for report in reports] == [
        ("climate-1", True),
        ("climate-2", False),
        ("climate-3", False),
    ]
    assert f"temperature {TRUTH['temperature']:g}" in reports[0].text
    assert "does not answer" in reports[1].text
    assert "modbus_exception_2" in reports[2].text
    assert rig.polls("climate-1") == 0, "a check is not counted as work"
