"""More devices want a connection than the adapter holds: fair turns, and the gap is stated."""

from __future__ import annotations

import pytest

from device_profiles.ble import bind_ble
from edge_agent.counters import DeviceCounters
from edge_agent.drivers.ble.device import Device
from edge_agent.drivers.ble.turns import Turns
from simulators.ble import fleet
from telemetry.readings import SeriesTable
from tests.ble.ble_rig import CATALOGUE, address, air, device, running, strap, thermometer
from tests.driver_rig import until


def _turns(count: int, links_max: int, turn_s: float = 10.0) -> Turns:
    table = SeriesTable()
    devices = []
    for number in range(count):
        decoder = bind_ble(
            CATALOGUE.get("test/strap"),
            device=f"strap-{number}",
            place="gym/hall",
            address=address(2, number),
            table=table,
        )
        made = Device(decoder, DeviceCounters(), table, turn_s=turn_s, rssi=False)
        made.peer = object()  # type: ignore[assignment]  # somebody was heard
        devices.append(made)
    return Turns(devices, links_max)


def test_turns_are_fair() -> None:
    turns, now_s = _turns(7, 3), 0.0
    sitting = []
    for _ in range(70):
        while (seat := turns.next(now_s)) is not None:
            turns.begin(seat, now_s)
            sitting.append(seat)
        assert len(sitting) == 3
        now_s += 10.0
        assert turns.somebody_waits(now_s)
        turns.end(sitting.pop(0), now_s, 0.0)
    had = [seat.device.counters.turns for seat in turns.seats]
    assert max(had) - min(had) <= 1


def test_who_is_not_there_takes_nobodys_turn() -> None:
    turns = _turns(4, 2)
    for seat in turns.seats[:3]:
        seat.device.peer = None
    seat = turns.seats[3]
    assert turns.next(0.0) is seat
    turns.begin(seat, 0.0)
    assert turns.next(0.0) is None
    assert not turns.somebody_waits(0.0)
    turns.end(seat, 1.0, 5.0)
    assert turns.next(5.0) is None, "it rests"
    assert turns.next(6.0) is seat


@pytest.mark.parametrize(("count", "links_max", "gap_s"), [(5, 5, 0.0), (6, 5, 4.4), (30, 5, 62.0)])
def test_the_gap_to_expect(count: int, links_max: int, gap_s: float) -> None:
    assert _turns(count, links_max).gap_s == pytest.approx(gap_s)


async def test_all_are_read_although_there_are_more_than_connections(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straps = [strap(n) for n in range(1, 7)]
    names = [f"strap-{n}" for n in range(1, 7)]
    async with (
        air(monkeypatch, straps, links_max=3) as world,
        running(links_max=3, devices=[device("strap", one, turn_s=0.3) for one in straps]) as rig,
    ):
        await until(lambda: all(rig.of(name).turns >= 2 for name in names), "two turns each", wait_s=60)
        await rig.goes_on(names, "heart_rate", wait_s=60)
        assert len(world.adapter().links) <= 3
    turns = [rig.of(name).turns for name in names]
    assert max(turns) - min(turns) <= 1, turns
    assert all(rig.of(name).gap_s > 0 for name in names)
    said = capsys.readouterr().out
    assert said.count("they take turns") == 1
    assert "gap_s=" in said


async def test_who_waits_keeps_the_place_when_bluetoothd_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    straps = [strap(n) for n in (1, 2, 3)]
    async with (
        air(monkeypatch, straps) as world,
        running(links_max=1, devices=[device("strap", one, turn_s=600) for one in straps]) as rig,
    ):
        for _ in straps:
            had = len(rig.given)
            await until(lambda had=had: len(rig.given) > had + 1, "readings")  # type: ignore[misc]  # bound now
            await world.restart()
    assert [rig.of(f"strap-{n}").turns for n in (1, 2, 3)] == [1, 1, 1]


async def test_a_dead_device_costs_the_others_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    straps = [strap(n) for n in range(1, 5)]
    straps[0].faults.silent = True
    async with (
        air(monkeypatch, straps),
        running(links_max=3, devices=[device("strap", one, turn_s=0.3) for one in straps]) as rig,
    ):
        await rig.goes_on([f"strap-{n}" for n in (2, 3, 4)], "heart_rate")
        assert [rig.of(f"strap-{n}").turns for n in (1, 2, 3, 4)] == [0, 1, 1, 1]


async def test_devices_that_are_read_leave_when_they_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [thermometer(n) for n in range(1, 6)]
    names = [f"thermometer-{n}" for n in range(1, 6)]
    async with (
        air(monkeypatch, many, links_max=1),
        running(links_max=1, devices=[device("thermometer", one, turn_s=600) for one in many]) as rig,
    ):
        await rig.goes_on(names, "temperature", wait_s=60)
    assert all(rig.of(name).polls for name in names)


async def test_two_adapters_hold_twice_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    straps = [strap(n) for n in range(1, 5)]
    near, far = straps[:2], straps[2:]
    for one in far:
        one.adapters = frozenset({"hci1"})
    for one in near:
        one.adapters = frozenset({"hci0"})
    async with air(monkeypatch, straps, adapters=("hci0", "hci1"), links_max=2) as world:
        first = running(adapter="hci0", links_max=2, devices=[device("strap", one) for one in near])
        second = running(
            name="other", adapter="hci1", links_max=2, devices=[device("strap", one) for one in far]
        )
        async with first as rig, second as two:
            await rig.goes_on(["strap-1", "strap-2"], "heart_rate")
            await two.goes_on(["strap-3", "strap-4"], "heart_rate")
            assert [len(world.adapter(name).links) for name in ("hci0", "hci1")] == [2, 2]


async def test_a_gatt_error_is_counted_and_the_device_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    one = thermometer(1)
    one.faults.gatt_error = 0x0E
    async with (
        air(monkeypatch, [one, *fleet.beacons(1, 1)]),
        running(devices=[device("thermometer", one)]) as rig,
    ):
        await until(lambda: ("thermometer-1", "gatt_error_0x0e") in rig.reasons, "the refusal")
        one.faults.gatt_error = None
        await rig.goes_on(["thermometer-1"], "temperature")
    assert rig.of("thermometer-1").exceptions
    assert not rig.of("thermometer-1").timeouts
