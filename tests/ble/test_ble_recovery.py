"""Bluetooth dies in many ways; readings come again by themselves after each."""

from __future__ import annotations

import asyncio

import pytest
from bleak import BleakScanner

from tests.ble.ble_rig import air, band, climate, device, running, strap
from tests.driver_rig import until


async def test_bluetoothd_is_killed_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room, worn, tied = climate(1), band(1), strap(1)
    devices = [device("climate", room), device("band", worn), device("strap", tied)]
    async with (
        air(monkeypatch, [room, worn, tied]) as world,
        running(mode="active", devices=devices) as rig,
    ):
        for _ in range(2):
            await rig.goes_on(["climate-1"], "temperature")
            await rig.goes_on(["band-1", "strap-1"], "heart_rate")
            await world.kill()
            await until(lambda: "away" in rig.driver._reported._seen, "the loss is noticed")
            await world.start()
        await rig.goes_on(["climate-1"], "temperature")
        await rig.goes_on(["band-1", "strap-1"], "heart_rate")
    said = capsys.readouterr().out
    assert said.count("no Bluetooth, trying again") == 2, "once each time"
    assert said.count("Bluetooth is there again") == 2
    assert "bluetoothd has gone" in said


async def test_bluetoothd_that_is_not_there_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    one = climate(1)
    async with air(monkeypatch, [one]) as world:
        await world.kill()
        async with running(devices=[device("climate", one)]) as rig:
            await until(lambda: "away" in rig.driver._reported._seen, "it is missed")
            await world.start()
            await rig.goes_on(["climate-1"], "temperature")


async def test_a_d_bus_that_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    room, tied = climate(1), strap(1)
    async with (
        air(monkeypatch, [room, tied]) as world,
        running(devices=[device("climate", room), device("strap", tied)]) as rig,
    ):
        await rig.goes_on(["climate-1"], "temperature")
        await rig.goes_on(["strap-1"], "heart_rate")
        await world.restart_bus()
        await rig.goes_on(["climate-1"], "temperature")
        await rig.goes_on(["strap-1"], "heart_rate")


async def test_an_adapter_that_is_switched_off_is_switched_on_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room, tied = climate(1), strap(1)
    async with (
        air(monkeypatch, [room, tied]) as world,
        running(devices=[device("climate", room), device("strap", tied)]) as rig,
    ):
        await rig.goes_on(["strap-1"], "heart_rate")
        world.adapter().power(on=False)
        await until(lambda: world.adapter().is_powered, "it is on again")
        await rig.goes_on(["climate-1"], "temperature")
        await rig.goes_on(["strap-1"], "heart_rate")
    said = capsys.readouterr().out
    assert "the adapter was switched off" in said
    assert "has been switched on" in said


@pytest.mark.parametrize("mode", ["passive", "active"])
async def test_an_adapter_that_has_gone_deaf_is_reset(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    one = climate(1)
    async with (
        air(monkeypatch, [one]) as world,
        running(mode=mode, stale_s=1.0, devices=[device("climate", one)]) as rig,
    ):
        await rig.goes_on(["climate-1"], "temperature")
        world.adapter().deaf = True
        await until(lambda: world.adapter().resets, "the reset")
        await rig.goes_on(["climate-1"], "temperature")
    assert rig.counters.radio_resets == 1
    assert capsys.readouterr().out.count("the adapter is reset") == 1


async def test_an_adapter_that_is_pulled_out_and_put_in_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room, tied = climate(1), strap(1)
    async with (
        air(monkeypatch, [room, tied]) as world,
        running(devices=[device("climate", room), device("strap", tied)]) as rig,
    ):
        await rig.goes_on(["strap-1"], "heart_rate")
        world.daemon.unplug("hci0")
        await until(lambda: "away" in rig.driver._reported._seen, "the loss is noticed")
        world.daemon.plug("hci0")
        await rig.goes_on(["climate-1"], "temperature")
        await rig.goes_on(["strap-1"], "heart_rate")
    assert "the adapter was" in capsys.readouterr().out


async def test_a_passive_scan_that_is_promised_and_not_done_becomes_active(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = climate(1)
    async with air(monkeypatch, [one]) as world:
        world.adapter().drops_monitors = True
        async with running(mode="passive", stale_s=1.0, devices=[device("climate", one)]) as rig:
            await rig.goes_on(["climate-1"], "temperature")
    assert capsys.readouterr().out.count("no passive scan") == 1


async def test_a_connection_of_a_program_that_was_killed_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """BlueZ keeps it, and whoever is connected does not advertise: nobody would hear the device again."""
    one = strap(1)
    async with air(monkeypatch, [one]) as world:
        async with BleakScanner(bluez={"adapter": "hci0"}):
            await until(lambda: world.adapter().is_known(one.address), "the device is known")
        await world.adapter().connect(world.adapter().path_of(one.address))
        async with running(devices=[device("strap", one)]) as rig:
            await rig.goes_on(["strap-1"], "heart_rate")
    assert rig.of("strap-1").turns == 1


async def test_where_nobody_is_resets_become_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    one = climate(1)
    one.faults.silent = True
    async with (
        air(monkeypatch, [one]) as world,
        running(stale_s=1.0, devices=[device("climate", one)]) as rig,
    ):
        await until(lambda: world.adapter().resets == 2, "two resets")
        assert rig.driver._quiet_s == 4.0
        one.faults.silent = False
        await rig.goes_on(["climate-1"], "temperature")
        await until(lambda: rig.driver._quiet_s == 1.0, "patience is as it was")


async def test_a_link_that_is_lost_is_made_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = strap(1), strap(2)
    async with (
        air(monkeypatch, [one, other]) as world,
        running(devices=[device("strap", one), device("strap", other)]) as rig,
    ):
        await rig.goes_on(["strap-1", "strap-2"], "heart_rate")
        world.lose_link(one)
        await rig.goes_on(["strap-2"], "heart_rate")
        await rig.goes_on(["strap-1"], "heart_rate")
    assert rig.of("strap-1").turns == 2
    assert rig.of("strap-2").turns == 1
    assert capsys.readouterr().out.count("no connection, trying again") == 1


async def test_a_connection_that_gives_nothing_is_ended_and_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = strap(1)
    async with (
        air(monkeypatch, [one]) as world,
        running(stale_s=1.0, devices=[device("strap", one)]) as rig,
    ):
        await rig.goes_on(["strap-1"], "heart_rate")
        one.faults.mute = True
        await until(lambda: not world.adapter().links, "the useless connection is ended")
        one.faults.mute = False
        await rig.goes_on(["strap-1"], "heart_rate")


async def test_an_adapter_that_holds_fewer_connections_than_configured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straps = [strap(n) for n in (1, 2, 3)]
    async with (
        air(monkeypatch, straps, links_max=2),
        running(links_max=5, devices=[device("strap", one, turn_s=0.3) for one in straps]) as rig,
    ):
        await rig.goes_on(["strap-1", "strap-2", "strap-3"], "heart_rate")
        await until(lambda: all(rig.of(f"strap-{n}").turns >= 2 for n in (1, 2, 3)), "turns of all")
    assert capsys.readouterr().out.count("holds fewer connections than links_max says") == 1


async def test_a_scan_that_another_program_ends_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strengths that BlueZ takes back are no reports."""
    one = band(1)
    async with (
        air(monkeypatch, [one]) as world,
        running(mode="active", devices=[device("band", one)]) as rig,
    ):
        await rig.goes_on(["band-1"], "heart_rate")
        one.faults.silent = True
        await asyncio.sleep(0.1)
        had = len(rig.given)
        world.adapter()._forget_strengths()
        await asyncio.sleep(0.1)
        assert len(rig.given) == had
        one.faults.silent = False
        await rig.goes_on(["band-1"], "heart_rate")
