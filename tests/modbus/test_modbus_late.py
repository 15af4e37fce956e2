"""A reply that comes late is never taken for the answer to a later question.

The device has two reads of the same shape: unit, function and length agree, so only order and
silence can tell an answer to one from an answer to the other.
"""

from __future__ import annotations

import asyncio
import os
import pty
import random
import tty
from pathlib import Path

import pytest

from device_profiles.modbus import RegisterRead
from edge_agent.drivers.modbus import late, requests
from edge_agent.drivers.modbus.late import LateReplies
from edge_agent.drivers.modbus.link import NoReplyError
from edge_agent.drivers.modbus.rtu import RtuLink, SerialLine
from edge_agent.drivers.modbus.tcp import TcpLink
from simulators.modbus import RtuBus, TcpHost
from tests.driver_rig import until
from tests.modbus.rig import device, running, unit

TIMEOUT_S = 0.04
VOLTAGE = requests.read(3, 0, 2)
CURRENT = requests.read(3, 100, 2)


@pytest.mark.parametrize("seed", range(2))
async def test_a_device_that_is_late_now_and_then_gives_only_its_own_values(
    tmp_path: Path, seed: int
) -> None:
    delays = random.Random(seed)
    one = unit(1, "twins")
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(
            serial={"port": str(tmp_path / "bus")},
            timeout_s=TIMEOUT_S,
            devices=[device(1, "twins", interval_s=0.1)],
        ) as rig,
    ):
        for wanted in range(3, 15, 3):
            one.faults.late_s.append(TIMEOUT_S * delays.uniform(2.0, 3.0))
            await until(lambda n=wanted: len(rig.values("twins-1", "current")) > n, "more readings")  # type: ignore[misc]
    assert rig.of("twins-1").timeouts + rig.of("twins-1").garbled >= 4
    assert set(rig.values("twins-1", "voltage")) == {230.0}
    assert set(rig.values("twins-1", "current")) == {5.0}


async def test_a_device_that_is_always_too_late_gives_nothing_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer comes while the next question, or the one after it, waits."""
    monkeypatch.setattr(late, "LATE_S_MAX", 1.0)
    one = unit(1, "twins")
    one.faults.latency_s = 0.11
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(
            serial={"port": str(tmp_path / "bus")},
            timeout_s=TIMEOUT_S,
            devices=[device(1, "twins", interval_s=0.1)],
        ) as rig,
    ):
        await until(lambda: rig.of("twins-1").silent, "it is given up")
        await until(lambda: rig.polls("twins-1") >= 5, "probes")
        one.faults.latency_s = 0.0
        await until(lambda: len(rig.values("twins-1", "current")) > 3, "it is in time again")
    assert set(rig.values("twins-1", "voltage")) == {230.0}
    assert set(rig.values("twins-1", "current")) == {5.0}


async def test_a_late_reply_within_the_quiet_period_is_thrown_away() -> None:
    """The quiet period of 3.5 characters is 117 ms here."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    link = RtuLink(SerialLine(os.ttyname(slave), 300))
    await link.open()
    asking = asyncio.create_task(link.exchange(1, VOLTAGE, TIMEOUT_S))
    port = link._port
    assert port is not None
    await until(lambda: port._answer is not None, "it waits for the answer")
    await until(lambda: port._answer is None, "it waits no more")
    os.write(master, bytes.fromhex("01 03 04 4366 0000 6FDE"))
    with pytest.raises(NoReplyError):
        await asking
    assert link.stray_bytes == 9
    await link.close()
    os.close(slave)
    os.close(master)


async def test_the_next_unit_is_not_disturbed_by_a_late_neighbour(tmp_path: Path) -> None:
    first, second = unit(1, "twins"), unit(2, "twins")
    async with RtuBus(tmp_path / "bus", [first, second], paced=False):
        link = RtuLink(SerialLine(str(tmp_path / "bus")))
        await link.open()
        first.faults.late_s.append(TIMEOUT_S + 0.06)
        second.faults.late_s.append(0.1)
        with pytest.raises(NoReplyError):
            await link.exchange(1, VOLTAGE, TIMEOUT_S)
        body = await link.exchange(2, CURRENT, 1)
        await link.close()
    assert requests.values(CURRENT, body) == (0x40A0, 0)


async def test_over_tcp_the_number_of_the_request_decides() -> None:
    one = unit(1, "twins")
    async with TcpHost([one]) as host:
        link = TcpLink(host.host, host.port)
        await link.open()
        connection = link._connection
        one.faults.late_s.append(TIMEOUT_S * 2)
        one.faults.late_s.append(TIMEOUT_S * 4)
        with pytest.raises(NoReplyError):
            await link.exchange(1, VOLTAGE, TIMEOUT_S)
        body = await link.exchange(1, CURRENT, 2)
        assert connection is not None
        assert connection.late_replies == 1
        assert connection is link._connection, "a late reply ends no connection"
        await link.close()
    assert requests.values(CURRENT, body) == (0x40A0, 0)


def test_a_shape_is_suspect_until_another_shape_is_answered_or_time_has_passed() -> None:
    memory = LateReplies()
    ten = requests.read(3, 0, 10)
    memory.unanswered(1, ten, 0.0)
    assert memory.could_pass(1, requests.read(3, 50, 10), 1.0)
    assert not memory.could_pass(2, ten, 1.0), "another unit"
    assert not memory.could_pass(1, requests.read(4, 0, 10), 1.0), "another function"
    shorter = memory.distinct(1, RegisterRead(3, 0, 10), 1.0)
    assert shorter == requests.read(3, 0, 2)
    memory.unanswered(1, shorter, 1.0)
    assert memory.distinct(1, RegisterRead(3, 0, 10), 1.0) == requests.read(3, 0, 4)
    assert memory.distinct(1, RegisterRead(3, 0, 1), 1.0) is None, "nothing is shorter than one"
    memory.answered(1)
    assert not memory.could_pass(1, ten, 1.0)
    memory.unanswered(1, ten, 2.0)
    assert not memory.could_pass(1, ten, 2.0 + late.LATE_S_MAX)


async def test_a_single_register_waits_until_an_old_answer_cannot_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "LATE_S_MAX", 0.5)
    one = unit(1, "relay")
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(
            serial={"port": str(tmp_path / "bus")},
            timeout_s=TIMEOUT_S,
            devices=[device(1, "relay", interval_s=0.1)],
        ) as rig,
    ):
        await until(lambda: rig.chunks, "readings")
        one.faults.late_s.append(TIMEOUT_S * 2)
        await until(lambda: rig.of("relay-1").timeouts == 1, "the time-out")
        asked = one.asked.total()
        await until(lambda: rig.of("relay-1").missed >= 2, "polls are held back")
        assert one.asked.total() == asked
        given = len(rig.chunks)
        await until(lambda: len(rig.chunks) > given, "readings again")
    assert not rig.of("relay-1").quarantines, "being held back is no failure of the device"


async def test_the_program_stops_while_a_reply_is_awaited(tmp_path: Path) -> None:
    one = unit(1)
    one.faults.silent = True
    async with (
        RtuBus(tmp_path / "bus", [one], paced=False),
        running(serial={"port": str(tmp_path / "bus")}, timeout_s=30, devices=[device(1)]) as rig,
    ):
        await until(one.asked.total, "it waits")
    assert rig.polls("climate-1") == 1
