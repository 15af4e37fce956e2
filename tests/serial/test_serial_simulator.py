"""The simulated lines and boards themselves."""

from __future__ import annotations

import os
import stat
import termios
from pathlib import Path

import pytest

from device_profiles.registry import Catalogue, Profile
from device_profiles.serial import bind_serial
from device_profiles.serial_schema import SerialProfile
from firmware_bridges.frames import CODECS, FrameReader
from simulators.serial import SerialLine
from simulators.serial.content import frames_of
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, SeriesTable
from tests.driver_rig import until
from tests.serial.serial_rig import TRUTH, board, line

SERIAL = [one for one in Catalogue().all() if isinstance(one.spec, SerialProfile)]
STREAMED = [one for one in SERIAL if one.spec.frame not in {"dlt645", "cobs", "osdp"}]  # type: ignore[union-attr]  # serial ones


def _truth(quantity: str) -> float:
    known = QUANTITIES[quantity]
    return TRUTH.get(quantity, 0.0 if known.is_bool else max(known.low, 0.0) + 1)


@pytest.mark.parametrize("profile", STREAMED, ids=[one.id for one in STREAMED])
def test_a_profile_understands_its_simulated_board(profile: Profile) -> None:
    spec = profile.spec
    assert isinstance(spec, SerialProfile)
    frames = FrameReader(CODECS[spec.frame]()).feed(frames_of(profile, _truth)() * 2)
    assert frames
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_serial(profile, device="board", place="main/301", table=table)
    outcome = decoder.decode(frames[0], 0, chunk)
    readings = chunk.readings(table)
    assert readings or outcome.checks or outcome.taps
    assert not outcome.refused
    assert all(one.quality is Quality.GOOD for one in readings)


async def test_the_name_of_a_port_lasts_the_pty_does_not(tmp_path: Path) -> None:
    async with SerialLine(tmp_path / "adapter") as wires:
        first = wires.path.readlink()
        assert stat.S_ISCHR(wires.path.stat().st_mode)
        wires.unplug()
        assert not wires.path.is_symlink()
        wires.send(b"nobody")
        assert wires.lost_bytes["unplugged"] == 6
        wires.plug()
        assert wires.path.is_symlink()
        assert wires.is_plugged
    assert not wires.path.is_symlink()
    assert first.is_relative_to("/dev")


async def test_a_line_that_nobody_reads_loses_bytes_and_does_not_stop(tmp_path: Path) -> None:
    async with SerialLine(tmp_path / "adapter", paced=False, baud=38_400) as wires:
        for _ in range(200):
            wires.send(bytes(1_000))
        assert wires.lost_bytes["nobody_reads"] > 100_000


async def test_a_board_that_is_faster_than_its_line(tmp_path: Path) -> None:
    async with SerialLine(tmp_path / "adapter", baud=300) as wires:
        for _ in range(100):
            wires.send(bytes(1_000))
        assert wires.lost_bytes["too_fast"] > 80_000
        wires.unplug()
        assert 0 < wires.lost_bytes["unplugged"] < 10_000


async def test_another_speed_hears_rubbish(tmp_path: Path) -> None:
    async with line(tmp_path, board("dust")) as wires:
        port = os.open(wires.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            heard = bytearray()
            _set_speed(port, termios.B9600)
            await until(lambda: _read(port, heard).count(b"\x42\x4d\x00\x1c") > 2, "frames")
            _set_speed(port, termios.B19200)
            heard.clear()
            await until(lambda: len(_read(port, heard)) > 500, "something")
            assert b"\x42\x4d\x00\x1c" not in heard
        finally:
            os.close(port)


def _set_speed(port: int, speed: int) -> None:
    settings = termios.tcgetattr(port)
    settings[4] = settings[5] = speed
    termios.tcsetattr(port, termios.TCSANOW, settings)
    termios.tcflush(port, termios.TCIFLUSH)


def _read(port: int, heard: bytearray) -> bytearray:
    try:
        heard += os.read(port, 4_096)
    except BlockingIOError:
        return heard
    return heard
