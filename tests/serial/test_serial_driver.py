"""The serial driver against simulated boards on ptys."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import pytest

from edge_agent.drivers.serial import board as board_module
from edge_agent.drivers.serial import session as session_module
from firmware_bridges.boards import wire
from firmware_bridges.cards import to_wiegand
from firmware_bridges.frames import rdm6300
from simulators.serial import OwnBoard
from telemetry.quality import Quality
from tests.driver_rig import until
from tests.serial.serial_rig import board, device, line, running

CARD = bytes.fromhex("100086F444")


@pytest.fixture(autouse=True)
def _late_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated boards answer within a second or never."""
    monkeypatch.setattr(board_module, "LATE_S_MAX", 0.6)


async def test_a_board_that_speaks_by_itself(tmp_path: Path) -> None:
    dust = board("dust")
    async with line(tmp_path, dust) as wires, running(port=str(wires.path), devices=[device("dust")]) as rig:
        await rig.goes_on("dust", "pm2_5")
    assert set(rig.values("dust", "pm2_5")) == {35.0}
    assert set(rig.values("dust", "pm10")) == {50.0}
    assert not rig.reasons
    assert rig.of("dust").last_seen_ms is not None


async def test_a_quantity_that_a_board_is_not_fitted_with(tmp_path: Path) -> None:
    async with (
        line(tmp_path, board("dust")) as wires,
        running(port=str(wires.path), devices=[device("dust", only=["pm10"])]) as rig,
    ):
        await rig.goes_on("dust", "pm10")
    assert not rig.values("dust", "pm2_5")


async def test_what_was_just_switched_on_is_uncertain(tmp_path: Path) -> None:
    async with (
        line(tmp_path, board("dust-slow")) as wires,
        running(port=str(wires.path), devices=[device("dust-slow")]) as rig,
    ):
        await rig.goes_on("dust-slow", "pm10")
    assert {one.quality for one in rig.given} == {Quality.UNCERTAIN}


@pytest.mark.parametrize("paced", [True, False])
async def test_noise_damage_and_repeats_cost_only_themselves(tmp_path: Path, paced: bool) -> None:  # noqa: FBT001
    dust = board("dust")
    async with (
        line(tmp_path, dust, paced=paced, baud=115_200) as wires,
        running(port=str(wires.path), baud=115_200, devices=[device("dust")]) as rig,
    ):
        await rig.goes_on("dust", "pm2_5")
        dust.faults.noise_bytes = 7
        await rig.goes_on("dust", "pm2_5")
        dust.faults.noise_bytes, dust.faults.duplicate = 0, True
        await rig.goes_on("dust", "pm2_5")
        dust.faults.corrupt = True
        await until(lambda: rig.reasons["dust", "bad_checksum"] > 2, "damage is counted")
        dust.faults.corrupt, dust.faults.truncate = False, True
        await asyncio.sleep(0.05)
        dust.faults.truncate = False
        await rig.goes_on("dust", "pm2_5")
        dust.restart()
        await rig.goes_on("dust", "pm2_5")
    assert set(rig.values("dust", "pm2_5")) == {35.0}


async def test_the_speed_is_found_and_remembered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dust = board("dust-any")
    async with (
        line(tmp_path, dust) as wires,
        running(port=str(wires.path), devices=[device("dust-any")]) as rig,
    ):
        await rig.goes_on("dust-any", "pm2_5")
        assert wires.opened_baud == 9_600
        tried = rig.reasons["dust-any", "wrong_speed"]
        wires.unplug()
        await until(lambda: "port is away" in capsys.readouterr().out, "the loss is noticed")
        wires.plug()
        await rig.goes_on("dust-any", "pm2_5")
    assert set(rig.values("dust-any", "pm2_5")) == {35.0}, "rubbish of a wrong speed gives nothing"
    assert tried == rig.reasons["dust-any", "wrong_speed"] == 2


async def test_the_speed_of_a_board_that_is_asked(tmp_path: Path) -> None:
    gas = board("gas-any")
    async with (
        line(tmp_path, gas) as wires,
        running(port=str(wires.path), devices=[device("gas-any")]) as rig,
    ):
        await until(lambda: len(rig.values("gas-any", "co2")) == 2, "two answers settle it, without a wait")
    assert set(rig.values("gas-any", "co2")) == {812.0}


async def test_a_dead_board_of_unknown_speed_is_asked_seldom_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "LATE_S_MAX", 0.1)
    monkeypatch.setattr(board_module, "PROBE_CYCLES", 2)
    gas = board("gas-any")
    async with (
        line(tmp_path, gas) as wires,
        running(port=str(wires.path), devices=[device("gas-any", interval_s=0.1)]) as rig,
    ):
        await until(lambda: rig.values("gas-any", "co2"), "it is there")
        gas.faults.silent = True
        await until(lambda: rig.of("gas-any").silent, "it is given up")
        await until(lambda: rig.of("gas-any").timeouts >= 8, "its speed is doubted")
        gas.faults.silent = False
        await rig.goes_on("gas-any", "co2")
    assert set(rig.values("gas-any", "co2")) == {812.0}


async def test_a_board_that_was_exchanged_for_one_of_another_speed(tmp_path: Path) -> None:
    async with (
        line(tmp_path, board("dust-any"), baud=19_200) as wires,
        running(port=str(wires.path), devices=[device("dust-any")]) as rig,
    ):
        await rig.goes_on("dust-any", "pm2_5")
        wires.baud = 9_600
        await rig.goes_on("dust-any", "pm2_5")
        assert wires.opened_baud == 9_600
    assert set(rig.values("dust-any", "pm2_5")) == {35.0}


async def test_a_board_that_is_asked(tmp_path: Path) -> None:
    gas = board("gas")
    async with line(tmp_path, gas) as wires, running(port=str(wires.path), devices=[device("gas")]) as rig:
        await rig.goes_on("gas", "co2")
    assert set(rig.values("gas", "co2")) == {812.0}
    assert 0 <= rig.of("gas").polls - gas.asked.total() <= 1
    assert not rig.of("gas").timeouts


async def test_a_late_answer_is_never_taken_for_the_next(tmp_path: Path) -> None:
    levels = iter(range(1, 10_000))
    gas = board("gas", frames=lambda: _gas(next(levels)))
    async with line(tmp_path, gas) as wires, running(port=str(wires.path), devices=[device("gas")]) as rig:
        await rig.goes_on("gas", "co2")
        gas.faults.late_s.extend([0.7, 0.9])
        await until(lambda: rig.reasons["gas", "late_reply"] == 2, "late answers are counted")
        await rig.goes_on("gas", "co2")
    values = rig.values("gas", "co2")
    assert values == sorted(set(values)), "each answer at its time"
    assert len(values) + 2 == values[-1], "the two late ones are missing"
    assert rig.of("gas").timeouts == 2


def _gas(level: int) -> bytes:
    payload = b"\x86" + level.to_bytes(2, "big") + bytes(4)
    return b"\xff" + payload + bytes((-sum(payload) & 0xFF,))


async def test_an_adapter_that_gives_back_what_is_sent(tmp_path: Path) -> None:
    gas = board("gas")
    wires = line(tmp_path, gas)
    wires.listen(wires.send)
    async with wires, running(port=str(wires.path), devices=[device("gas")]) as rig:
        await rig.goes_on("gas", "co2")
    assert not rig.of("gas").timeouts
    assert not rig.reasons


async def test_a_board_that_is_silent_for_a_while(tmp_path: Path) -> None:
    gas = board("gas")
    async with line(tmp_path, gas) as wires, running(port=str(wires.path), devices=[device("gas")]) as rig:
        await rig.goes_on("gas", "co2")
        gas.faults.silent = True
        await until(lambda: rig.of("gas").silent, "it is given up")
        assert rig.of("gas").quarantines == 1
        gas.faults.silent = False
        await rig.goes_on("gas", "co2")
        assert not rig.of("gas").silent


async def test_a_sensor_that_must_be_started_is_started_again_after_a_restart(tmp_path: Path) -> None:
    sensor = board("particles")
    async with (
        line(tmp_path, sensor, baud=115_200) as wires,
        running(port=str(wires.path), devices=[device("particles")]) as rig,
    ):
        await rig.goes_on("particles", "pm2_5")
        sensor.restart()
        await until(lambda: rig.reasons["particles", "not_ready"], "it refuses")
        await rig.goes_on("particles", "pm2_5")
    assert rig.of("particles").exceptions == rig.reasons["particles", "not_ready"]
    assert not rig.of("particles").quarantines


async def test_a_board_that_must_be_told_to_speak_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "START_AGAIN_S", 0.2)
    thermometer = board("forehead", waits_for_start=True)
    async with (
        line(tmp_path, thermometer) as wires,
        running(port=str(wires.path), devices=[device("forehead")]) as rig,
    ):
        await rig.goes_on("forehead", "temperature")
        thermometer.restart()
        await rig.goes_on("forehead", "temperature")


async def test_meters_on_one_line_each_by_its_address(tmp_path: Path) -> None:
    meters = [board("meter", address=str(number)) for number in (1, 2, 3)]
    meters[1].faults.silent = True
    devices = [device("meter", address=str(number)) | {"id": f"meter-{number}"} for number in (1, 2, 3)]
    async with (
        line(tmp_path, *meters, baud=19_200) as wires,
        running(port=str(wires.path), baud=19_200, devices=devices) as rig,
    ):
        await until(lambda: rig.of("meter-2").silent, "the dead one is given up")
        for name in ("meter-1", "meter-3"):
            await rig.goes_on(name, "voltage")
            await rig.goes_on(name, "energy")
        meters[0].faults.late_s.append(1.1)
        await until(lambda: rig.of("meter-1").timeouts, "one is late")
        await rig.goes_on("meter-1", "voltage")
    assert not rig.values("meter-2", "voltage")
    assert set(rig.values("meter-1", "voltage")) == {231.4}
    assert set(rig.values("meter-3", "energy")) == {317.76}
    assert not rig.of("meter-3").quarantines


async def test_a_card_that_lies_on_the_reader_is_one_tap(tmp_path: Path) -> None:
    reader = board("reader", frames=lambda: rdm6300.encode(CARD))
    async with (
        line(tmp_path, reader) as wires,
        running(port=str(wires.path), devices=[device("reader")]) as rig,
    ):
        await until(lambda: reader.said > 5, "the reader repeats it")
        await until(lambda: rig.taps, "a tap")
    (tap,) = rig.taps
    assert (tap.device, tap.place, tap.credential) == ("reader", "main/301", "100086F444")


async def test_an_adapter_that_is_pulled_out_and_put_in_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        line(tmp_path, board("dust")) as wires,
        running(port=str(wires.path), devices=[device("dust")]) as rig,
    ):
        for _ in range(2):
            await rig.goes_on("dust", "pm2_5")
            had = len(rig.given)
            wires.unplug()
            await until(lambda: not rig.driver.is_open, "the loss is noticed")
            assert len(rig.given) == had
            wires.plug()
        await rig.goes_on("dust", "pm2_5")
    said = capsys.readouterr().out
    assert said.count("port is away") == 2, "once each time, however often it is tried"
    assert said.count("port is there again") == 2


async def test_a_port_that_is_not_there_at_the_start(tmp_path: Path) -> None:
    wires = line(tmp_path, board("gas"))
    async with running(port=str(wires.path), devices=[device("gas")]) as rig, wires:
        await rig.goes_on("gas", "co2")


async def test_two_drivers_do_not_share_a_port(tmp_path: Path) -> None:
    settings = {"devices": [device("dust")]}
    async with line(tmp_path, board("dust")) as wires, running(port=str(wires.path), **settings) as rig:
        await rig.goes_on("dust", "pm2_5")
        async with running(port=str(wires.path), **settings) as other:
            reports = [one async for one in other.driver.check(1.0)]
            await rig.goes_on("dust", "pm2_5")
        assert not other.given
    assert not reports[0].ok


async def test_rubbish_for_ever_stops_nothing(tmp_path: Path) -> None:
    async with line(tmp_path) as wires, running(port=str(wires.path), devices=[device("dust")]) as rig:
        await until(lambda: wires.opened_baud == 9_600, "the port is open")
        good = board("dust", interval_s=0.3)
        good.attach(wires)
        for _ in range(200):
            wires.send(secrets.token_bytes(200))
            await asyncio.sleep(0)
        await rig.goes_on("dust", "pm2_5")
    assert rig.reasons, "the rubbish is counted"


async def test_check_tells_of_each_device(tmp_path: Path) -> None:
    meters = [board("meter", address=str(number)) for number in (1, 2)]
    meters[1].faults.silent = True
    devices = [device("meter", address=str(number)) | {"id": f"meter-{number}"} for number in (1, 2)]
    async with line(tmp_path, *meters, baud=2_400) as wires:
        rig = running(port=str(wires.path), devices=devices)
        async with rig as made:
            pass
        reports = {one.device: one async for one in made.driver.check(1.5)}
    assert reports["meter-1"].ok
    assert "voltage 231.4" in reports["meter-1"].text
    assert not reports["meter-2"].ok
    assert "does not answer" in reports["meter-2"].text
    assert not made.given


async def test_check_of_a_port_that_is_not_there(tmp_path: Path) -> None:
    async with running(port=str(tmp_path / "none"), devices=[device("dust")]) as rig:
        pass
    (report,) = [one async for one in rig.driver.check(0.5)]
    assert not report.ok
    assert "No such file" in report.text


async def test_an_event_of_our_own_board_is_handed_over_once_and_acknowledged(tmp_path: Path) -> None:
    own = OwnBoard("wiegand-tap")
    own.faults.duplicate = True
    async with line(tmp_path, own, baud=115_200) as wires:
        own.hal.reader.feed(to_wiegand(bytes.fromhex("1A2B3C"), 26).encode())
        await until(lambda: own.waiting, "the board keeps the tap while nobody listens")
        async with running(port=str(wires.path), baud=115_200, devices=[device("tap")]) as rig:
            await until(lambda: rig.taps and not own.waiting, "handed over, and acknowledged")
            own.hal.reader.feed(to_wiegand(bytes.fromhex("4D5E6F"), 26).encode())
            await until(lambda: len(rig.taps) == 2 and not own.waiting, "the next one")
            own.restart()
            await until(lambda: own.boot == 2, "it starts again")
            own.hal.reader.feed(to_wiegand(bytes.fromhex("4D5E6F"), 26).encode())
            await until(lambda: len(rig.taps) == 3 and not own.waiting, "its numbers begin anew")
    assert [tap.credential for tap in rig.taps] == ["1A2B3C", "4D5E6F", "4D5E6F"]


async def test_an_acknowledgement_that_was_lost_gives_no_second_tap(tmp_path: Path) -> None:
    event = wire.encode_frame(
        wire.pack_message(wire.TAP, b"SIMBOARD", 7, (1, 0, 2, 1, 26), bytes.fromhex("1A2B3C"))
    )
    answers = bytearray()
    wires = line(tmp_path, baud=115_200)
    wires.listen(answers.extend)
    async with wires, running(port=str(wires.path), baud=115_200, devices=[device("tap")]) as rig:
        await until(lambda: wires.opened_baud == 115_200, "the port is open")
        for count in (1, 2, 3):
            wires.send(event)
            await until(lambda count=count: len(_acks(answers)) >= count, "an answer")  # type: ignore[misc]
    assert len(rig.taps) == 1
    assert set(_acks(answers)) == {(wire.ACK, (7, 1))}


def _acks(answers: bytearray) -> list[object]:
    return [wire.unpack_command(payload) for payload in wire.FrameSplitter().feed(bytes(answers))]


async def test_a_port_is_no_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(os.urandom(10))
    async with running(port=str(plain), devices=[device("dust")]) as rig:
        (report,) = [one async for one in rig.driver.check(0.5)]
    assert not report.ok
