"""Our own org.bluez against bleak itself, unmodified."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError, BleakGATTProtocolErrorCode

from simulators.ble import Advert, BleWorld, Characteristic, NoDbusError, Peripheral, Service, adverts
from tests.ble.ble_rig import address, air, band, strap
from tests.driver_rig import until

NAME = adverts.uuid_of(0x2A00)
Report = tuple[BLEDevice, AdvertisementData]


@asynccontextmanager
async def scanning(mode: str = "active", **filters: Any) -> AsyncIterator[list[Report]]:
    heard: list[Report] = []
    args: dict[str, Any] = {"filters": filters} if filters else {}
    if mode == "passive":
        args = {"or_patterns": [(0, 0xFF, adverts.HUAMI.to_bytes(2, "little"))]}
    scanner = BleakScanner(
        lambda device, data: heard.append((device, data)),
        scanning_mode=mode,  # type: ignore[arg-type]  # one of the two
        bluez={"adapter": "hci0", **args},  # type: ignore[typeddict-item]  # as above
    )
    async with scanner:
        yield heard


async def find(name: str) -> BLEDevice:
    device = await BleakScanner.find_device_by_name(name, timeout=10)
    assert device is not None
    return device


def gatt() -> Peripheral:
    values = [
        Characteristic(adverts.HEART_RATE, lambda: b"\x06\x60", ("notify",), 0.02),
        Characteristic(NAME, lambda: b"strap", ("read", "write")),
        Characteristic(adverts.TEMPERATURE, lambda: b"\x01\x02", ("write",)),
    ]
    return Peripheral(
        address(2, 1),
        Advert,
        "Strap",
        interval_s=0.02,
        services=[Service(adverts.HEART_RATE_SERVICE, values)],
    )


def _has_ended(client: BleakClient) -> bool:
    return not client.is_connected


async def test_an_active_scan_tells_the_strength_of_every_report(monkeypatch: pytest.MonkeyPatch) -> None:
    one = band(1, interval_s=0.02)
    async with air(monkeypatch, [one]), scanning() as heard:
        await until(lambda: len(heard) > 5, "reports")
    device, data = heard[0]
    assert device.address == one.address
    assert data.local_name == "Band"
    assert data.manufacturer_data[adverts.HUAMI][3] == 97
    assert data.rssi == -60


async def test_a_passive_scan_tells_changes_only_and_what_its_pattern_is_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still, moving, other = band(1, interval_s=0.02), band(2, interval_s=0.02), strap(3)
    rates = iter(range(60, 100_000))
    moving.says = lambda: adverts.heart_rate_band(moving.address, next(rates) % 200)
    async with air(monkeypatch, [still, moving, other]), scanning("passive") as heard:
        await until(lambda: sum(one.address == moving.address for one, _ in heard) > 5, "changes")
        assert sum(one.address == still.address for one, _ in heard) == 1
        still.rssi = lambda: -75
        await until(lambda: sum(one.address == still.address for one, _ in heard) == 2, "a step in strength")
    assert not any(one.address == other.address for one, _ in heard)


async def test_what_it_cannot_do_is_refused_as_bluez_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async with air(monkeypatch, [band(1)], passive=False) as world:
        with pytest.raises(BleakError, match="passive scanning on Linux requires"):
            async with scanning("passive"):
                pass
        world.adapter().power(on=False)
        with pytest.raises(BleakDBusError, match="NotReady"):
            async with scanning():
                pass


async def test_services_are_read_written_and_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    one = gatt()
    async with air(monkeypatch, [one]):
        told: list[bytes] = []
        async with BleakClient(await find("Strap")) as client:
            assert await client.read_gatt_char(NAME) == b"strap"
            await client.write_gatt_char(NAME, b"new", response=True)
            await client.start_notify(adverts.HEART_RATE, lambda _, data: told.append(bytes(data)))
            await until(lambda: len(told) > 3, "notifications")
            await client.stop_notify(adverts.HEART_RATE)
            told.clear()
            await client.start_notify(
                adverts.HEART_RATE,
                lambda _, data: told.append(bytes(data)),
                bluez={"use_start_notify": False},
            )
            await until(lambda: len(told) > 3, "notifications over a socket of their own")
            with pytest.raises(BleakGATTProtocolError) as refused:
                await client.read_gatt_char(adverts.TEMPERATURE)
            assert refused.value.code is BleakGATTProtocolErrorCode.READ_NOT_PERMITTED
            one.faults.gatt_error = 0x0E
            with pytest.raises(BleakGATTProtocolError) as refused:
                await client.read_gatt_char(NAME)
            assert refused.value.code is BleakGATTProtocolErrorCode.UNLIKELY_ERROR
    assert set(told) == {b"\x06\x60"}
    assert one.services[0].characteristics[1].written == [b"new"]


async def test_an_adapter_holds_so_many_links_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    straps = [strap(n, name=f"Strap {n}") for n in (1, 2, 3)]
    async with air(monkeypatch, straps, links_max=2):
        peers = [await find(f"Strap {n}") for n in (1, 2, 3)]
        async with BleakClient(peers[0]), BleakClient(peers[1]):
            with pytest.raises(BleakDBusError, match="connection-limit"):
                await BleakClient(peers[2]).connect()
        async with BleakClient(peers[2]) as client:
            assert client.is_connected


async def test_links_are_lost_and_services_stay_known(monkeypatch: pytest.MonkeyPatch) -> None:
    one = gatt()
    async with air(monkeypatch, [one]) as world:
        peer = await find("Strap")
        ends: list[Callable[[], None]] = [
            lambda: world.lose_link(one),
            lambda: world.adapter().power(on=False),
        ]
        for end in ends:
            async with BleakClient(peer) as client:
                end()
                await until(partial(_has_ended, client), "the end of the link")
            assert world.daemon.tree is not None
            assert any("/service" in path for path in world.daemon.tree.objects)
            assert not world.adapter().links


async def test_a_killed_daemon_is_invisible_to_bleak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the driver watches the owner of the name by itself."""
    async with air(monkeypatch, [gatt()]) as world:
        client = BleakClient(await find("Strap"))
        await client.connect()
        await world.kill()
        await asyncio.sleep(0.1)
        assert client.is_connected
        with pytest.raises(BleakDBusError):
            await client.disconnect()


async def test_a_burst_of_signals_ends_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """dbus-fast by itself gives up when the socket is full."""
    many = [band(n) for n in range(1, 4)]
    async with air(monkeypatch, many) as world, scanning(DuplicateData=True) as heard:
        await until(lambda: heard, "the first report")
        tree = world.daemon.tree
        assert tree is not None
        had = len(heard)
        for _ in range(2_000):
            for one in many:
                world.adapter().hears(one, 0.0)
        await until(lambda: len(heard) >= had + 6_000, "every report of the burst")
        assert not tree.signals_lost


async def test_devices_that_are_not_heard_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = band(1), band(2)
    async with air(monkeypatch, [one, other]) as world, scanning() as heard:
        await until(lambda: {device.address for device, _ in heard} == {one.address, other.address}, "both")
        tree = world.daemon.tree
        assert tree is not None
        one.faults.silent = True
        await asyncio.sleep(0.1)
        now_s = asyncio.get_running_loop().time()
        world.adapter().forget_old(now_s + 29.95)
        assert world.adapter().path_of(one.address) not in tree.objects
        assert world.adapter().path_of(other.address) in tree.objects


async def test_worlds_do_not_meet() -> None:
    async with BleWorld() as one, BleWorld() as other:
        assert one.address != other.address


async def _enter() -> None:
    async with BleWorld():
        pass


def test_without_a_dbus_daemon_it_says_what_to_install_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(NoDbusError, match="install the Debian package dbus-daemon"):
        asyncio.run(_enter())
    assert not list(tmp_path.iterdir())
    (tmp_path / "dbus-daemon").write_text("#!/bin/sh\necho no such thing >&2\nexit 1\n", "utf-8")
    (tmp_path / "dbus-daemon").chmod(0o755)
    with pytest.raises(NoDbusError, match="no such thing"):
        asyncio.run(_enter())
    assert [path.name for path in tmp_path.iterdir()] == ["dbus-daemon"]
