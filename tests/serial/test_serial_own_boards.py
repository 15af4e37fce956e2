"""Our own boards, their firmware in memory, through the driver and their profiles of the catalogue."""

from __future__ import annotations

import asyncio
from pathlib import Path

from edge_agent.reporting import DeviceWatch, WatchedDevice
from firmware_bridges.frames import gymcu, rdm6300
from simulators.serial import OwnBoard
from simulators.serial.people import COUNTS_PER_KG, ZERO_COUNTS
from tests.driver_rig import until
from tests.serial.serial_rig import line, running

TAG = bytes.fromhex("1000BC614E")


def _device(name: str) -> dict[str, str]:
    return {"id": name, "profile": f"campus/{name}", "place": "main/gate"}


async def _every(board: OwnBoard, data: bytes) -> None:
    """The sensor says the same again and again."""
    while True:
        board.hal.sensor.feed(data)
        await asyncio.sleep(0.05)


def _looking(object_c: float, ambient_c: float) -> bytes:
    return gymcu.encode(
        b"".join(round(one * 100).to_bytes(2, "big", signed=True) for one in (object_c, ambient_c))
    )


async def test_a_morning_check_at_the_desk(tmp_path: Path) -> None:
    desk = OwnBoard("morning-desk")
    async with (
        line(tmp_path, desk, baud=115_200) as wires,
        running(port=str(wires.path), devices=[_device("morning-desk")]) as rig,
        asyncio.TaskGroup() as group,
    ):
        room = group.create_task(_every(desk, _looking(22.0, 22.0)), name="room")
        await until(lambda: rig.driver.is_open, "the port is open")
        room.cancel()
        desk.hal.reader.feed(rdm6300.encode(TAG))
        forehead = group.create_task(_every(desk, _looking(36.4, 22.0)), name="forehead")
        await until(lambda: rig.checks and not desk.waiting, "a check, acknowledged")
        forehead.cancel()
        desk.switch_off()
    (check,) = rig.checks
    assert (check.device, check.place, check.credential) == ("morning-desk", "main/gate", "1000BC614E")
    assert 35 < check.temperature_c < 38
    assert not rig.reasons


async def test_a_tray_on_the_scale(tmp_path: Path) -> None:
    scale = OwnBoard("canteen-scale")
    async with (
        line(tmp_path, scale, baud=115_200) as wires,
        running(port=str(wires.path), devices=[_device("canteen-scale")]) as rig,
        asyncio.TaskGroup() as group,
    ):
        bare = group.create_task(_every(scale, b"%d\n" % ZERO_COUNTS), name="bare")
        await until(lambda: rig.driver.is_open, "the port is open")
        await asyncio.sleep(1.0)  # the scale takes its zero from what it sees first
        bare.cancel()
        tray = group.create_task(_every(scale, b"%d\n" % (ZERO_COUNTS + COUNTS_PER_KG // 2)), name="tray")
        await asyncio.sleep(1.5)  # until it stands still
        tray.cancel()
        bare = group.create_task(_every(scale, b"%d\n" % ZERO_COUNTS), name="bare again")
        await until(lambda: rig.given and not scale.waiting, "a weight, acknowledged")
        bare.cancel()
        scale.switch_off()
    masses = [one.value for one in rig.given if one.series.quantity.endswith("mass")]
    assert masses
    assert 0.4 < masses[0] < 0.6


async def test_a_board_that_only_says_that_it_lives_is_not_silent(tmp_path: Path) -> None:
    tap = OwnBoard("wiegand-tap")
    async with (
        line(tmp_path, baud=115_200) as wires,
        running(port=str(wires.path), devices=[_device("wiegand-tap")]) as rig,
    ):
        watched = WatchedDevice("wiegand-tap", "main/gate", "campus/wiegand-tap", 60.0)
        watch = DeviceWatch([watched], rig.table, rig.counters, now_s=0.0)
        await until(lambda: rig.driver.is_open, "the port is open")
        tap.attach(wires)
        await until(lambda: rig.of("wiegand-tap").last_seen_ms, "it says hello")
        tap.switch_off()
        assert list(watch.changes(100.0, 0).value) == [0.0], "heard just now"
        assert list(watch.changes(161.0, 0).value) == [1.0]
    assert not rig.given
