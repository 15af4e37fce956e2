"""The driver against simulated adapters: what is heard, in which mode, and what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulators.ble import Advert, Peripheral, adverts, fleet
from telemetry.quality import Quality
from tests.ble.ble_rig import (
    HUMIDITY_PERCENT,
    RATE,
    TEMPERATURE_C,
    Rig,
    address,
    air,
    band,
    climate,
    device,
    running,
    strap,
    thermometer,
)
from tests.driver_rig import until


@pytest.mark.parametrize("mode", ["passive", "active"])
async def test_advertisements_of_many_devices_become_readings(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    rooms, bands = [climate(n) for n in range(1, 11)], [band(n) for n in range(1, 11)]
    strangers = fleet.beacons(20, seed=1)
    for one in strangers:
        one.interval_s = 0.05
    devices = [device("climate", one) for one in rooms] + [device("band", one) for one in bands]
    names = [one["id"] for one in devices]
    async with (
        air(monkeypatch, [*rooms, *bands, *strangers]),
        running(mode=mode, devices=devices) as rig,
    ):
        await rig.goes_on([name for name in names if name.startswith("climate")], "temperature")
        await until(lambda: all(rig.values(f"band-{n}", "heart_rate") for n in range(1, 11)), "every rate")
    for n in range(1, 11):
        assert set(rig.values(f"climate-{n}", "temperature")) == {TEMPERATURE_C}
        assert set(rig.values(f"climate-{n}", "relative_humidity")) == {HUMIDITY_PERCENT}
        assert set(rig.values(f"band-{n}", "heart_rate")) == {RATE + n}, "nobody has another's rate"
        assert rig.of(f"band-{n}").last_seen_ms
    assert not rig.reasons
    assert not any(one.series.quantity == "rssi" for one in rig.given), "nobody asked for it"


async def test_an_active_scan_hears_every_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    one = band(1, interval_s=0.02)
    async with (
        air(monkeypatch, [one]),
        running(mode="active", devices=[device("band", one, rssi=True)]) as rig,
    ):
        await until(lambda: len(rig.values("band-1", "heart_rate")) >= 10, "ten times the same rate")
    assert set(rig.values("band-1", "heart_rate")) == {RATE + 1}
    assert set(rig.values("band-1", "rssi")) == {-60.0}


async def test_where_there_is_no_passive_scan_it_is_active_and_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = climate(1)
    async with (
        air(monkeypatch, [one], passive=False) as world,
        running(mode="passive", devices=[device("climate", one)]) as rig,
    ):
        await rig.goes_on(["climate-1"], "temperature")
        await world.restart()
        await rig.goes_on(["climate-1"], "temperature")
    assert capsys.readouterr().out.count("no passive scan") == 1


async def test_an_address_that_rotates_is_told_by_the_one_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = [climate(n) for n in (1, 2)]
    known = [device("climate", one) for one in rooms]
    for at, one in enumerate(rooms):
        one.address = address(7, at)
    async with air(monkeypatch, rooms), running(devices=known) as rig:
        await rig.goes_on(["climate-1", "climate-2"], "temperature")
        rooms[0].address = address(7, 9)
        await rig.goes_on(["climate-1", "climate-2"], "temperature")
    assert not rig.reasons


async def test_a_broken_advertisement_is_counted_and_the_next_good_one_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = climate(1), climate(2)
    own = one.address
    good = one.says
    one.says = lambda: Advert(service_data={adverts.ENVIRONMENT_SERVICE: b"\x01\x02\x03"})
    async with (
        air(monkeypatch, [one, other]),
        running(mode="active", devices=[device("climate", one), device("climate", other)]) as rig,
    ):
        await until(lambda: ("climate-1", "unknown_packet") in rig.reasons, "the refusal")
        await rig.goes_on(["climate-2"], "temperature")
        assert not rig.values("climate-1", "temperature")
        one.says = good
        await rig.goes_on(["climate-1"], "temperature")
    assert own == one.address


async def test_corrupt_bytes_of_an_encrypted_device_give_no_reading(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own, key = address(5, 1), bytes(range(16))
    packet = iter(range(1, 100_000))
    one = Peripheral(
        own,
        lambda: adverts.bthome_encrypted(own, key, TEMPERATURE_C, HUMIDITY_PERCENT, packet=next(packet)),
        interval_s=0.05,
    )
    file = tmp_path / "bind.key"
    file.write_text(key.hex() + "\n", "utf-8")
    file.chmod(0o600)
    one.faults.corrupt = True
    settings = device("sealed", one, profile="bthome/v2", bind_key_file=file)
    async with air(monkeypatch, [one]), running(mode="active", devices=[settings]) as rig:
        await until(lambda: rig.reasons, "the refusal")
        assert not rig.given
        one.faults.corrupt = False
        await rig.goes_on(["sealed-1"], "temperature")
    assert set(rig.values("sealed-1", "temperature")) == {TEMPERATURE_C}
    assert {reason for _, reason in rig.reasons} == {"bad_mic"}


async def test_a_repeated_report_gives_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    one = climate(1)
    one.faults.duplicate = True
    async with (
        air(monkeypatch, [one]),
        running(mode="active", devices=[device("climate", one)]) as rig,
    ):
        await until(lambda: len(rig.values("climate-1", "temperature")) >= 5, "five readings")
        reports = rig.counters.messages_in
    assert reports >= 2 * len(rig.values("climate-1", "temperature")) - 2


async def test_what_was_heard_before_is_not_read_again_when_a_connection_comes_and_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BlueZ tells all it knows of a device with every change of state: old data, not new."""
    one = strap(1)
    advertised: list[int] = []

    def says() -> Advert:
        advertised.append(1)
        return adverts.heart_rate_band(one.address, 61)

    one.says = says
    both = [device("strap", one), {**device("band", one), "id": "band-of-it"}]
    async with air(monkeypatch, [one]) as world, running(mode="active", devices=both) as rig:
        for _ in range(3):
            await rig.goes_on(["strap-1"], "heart_rate")
            world.lose_link(one)
            await until(lambda: not world.adapter().links, "the link is gone")
    assert len(rig.values("band-of-it", "heart_rate")) <= len(advertised)


async def test_check_reports_a_device_a_line_and_no_value_of_a_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, worn, tied, read, dead = climate(1), band(1), strap(1), thermometer(1), climate(2)
    dead.faults.silent = True
    devices = [
        device("climate", room),
        device("band", worn),
        device("strap", tied),
        device("thermometer", read),
        device("climate", dead),
    ]
    async with air(monkeypatch, [room, worn, tied, read, dead]):
        rig = Rig(devices=devices)
        reports = {one.device: one async for one in rig.driver.check(2.5)}
    assert reports["climate-1"].text == "temperature 21.5, relative_humidity 48"
    assert reports["band-1"].text == "heart_rate"
    assert reports["strap-1"].ok
    assert reports["thermometer-1"].text == "temperature 21.5"
    assert not reports["climate-2"].ok
    assert "not heard" in reports["climate-2"].text


async def test_check_without_bluetooth_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    rig = Rig(devices=[device("climate", climate(1))])
    (report,) = [one async for one in rig.driver.check(5.0)]
    assert report.text.startswith("no D-Bus: ")
    async with air(monkeypatch, []) as world:
        rig = Rig(adapter="hci7", devices=[device("climate", climate(1))])
        (report,) = [one async for one in rig.driver.check(5.0)]
        assert report.text == "adapter hci7 is not there"
        await world.kill()
        (report,) = [one async for one in rig.driver.check(5.0)]
        assert report.text == "bluetoothd does not run"


async def test_no_address_is_logged(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    worn, tied = band(1), strap(1)
    async with (
        air(monkeypatch, [worn, tied]) as world,
        running(devices=[device("band", worn), device("strap", tied)]) as rig,
    ):
        await rig.goes_on(["strap-1"], "heart_rate")
        await world.restart()
        await rig.goes_on(["strap-1"], "heart_rate")
        tied.faults.gatt_error = 0x0E
        world.lose_link(tied)
        await until(lambda: rig.reasons, "a refusal")
    out, err = capfd.readouterr()
    said = (out + err + json.dumps([*rig.reasons])).upper()
    for one in (worn, tied):
        assert one.address not in said
        assert one.address.replace(":", "_") not in said
    assert all(one.quality is Quality.GOOD for one in rig.given)
