"""A gateway that is configured while it works: over a real broker, with simulated buses behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from edge_agent.configuring.kept import KeptFile
from simulators.modbus import RtuBus, TcpHost
from telemetry.configuration import Running, digest
from tests.conftest import Mosquitto
from tests.edge.configuring_line import Line, running
from tests.edge.configuring_parts import CollectorDouble, bus
from tests.edge.edge_parts import GATEWAY, SCHOOL, eventually
from tests.modbus.rig import unit

READINGS = 250
SELDOM = "[uplink]\nstatus_interval_s = 3600\n"
"""What is told sooner is told because something has happened."""
SENSOR = '{{ id = "{0}", profile = "json/environment", place = "main/301" }}'


def broker_table(port: int, *devices: str) -> str:
    rows = ", ".join(SENSOR.format(device) for device in devices)
    return f'[[mqtt]]\nname = "air"\nbroker = {{ host = "127.0.0.1", port = {port} }}\ndevices = [{rows}]\n'


def rtu(path: Path) -> str:
    tcp = 'tcp = { host = "127.0.0.1", port = 1 }'
    return bus("line", 1).replace(tcp, f'serial = {{ port = "{path}", baud = 19200, parity = "none" }}')


def asked(host: TcpHost | RtuBus) -> int:
    return sum(unit.asked.total() for unit in host.units.values())


def drivers() -> dict[str, asyncio.Task[object]]:
    """The drivers that run, each with the task it has had since its start."""
    return {task.get_name(): task for task in asyncio.all_tasks() if task.get_name().startswith("driver-")}


def connections(broker: Mosquitto, client: str) -> int:
    """How often clients with such an id have connected to the broker."""
    return sum(
        "New client connected" in line and f" as {client}-{SCHOOL}-{GATEWAY}" in line
        for line in broker.log().splitlines()
    )


async def send(line: Line) -> None:
    """Numbers that are all different, so that each reading can be told apart."""
    for number in range(READINGS):
        await line.say("sensors/air-1", co2=400 + number)
        await asyncio.sleep(0.003)


async def test_configured_under_load_nothing_is_lost_and_what_stays_the_same_notices_nothing(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    collector = CollectorDouble()
    hall, lab, line_bus = (
        TcpHost([unit(1)]),
        TcpHost([unit(1), unit(2)]),
        RtuBus(tmp_path / "adapter", [unit(1)], paced=False),
    )
    async with hall, lab, line_bus:
        local = (
            SELDOM
            + "resend_s = 2\n[batch]\ninterval_s = 0.1\n"
            + broker_table(mosquitto.port, "air-1")
            + bus("hall", hall.port, interval_s=0.1)
            + rtu(line_bus.path)
        )
        async with running(tmp_path, mosquitto, collector, local) as line:
            devices, counters = line.agent.counters.devices, line.agent.counters
            await eventually(lambda: devices["hall-1"].polls and devices["line-1"].polls, "buses are read")
            await eventually(lambda: connections(mosquitto, "campus-devices"), "air")
            inode = (tmp_path / "data" / "buffer.db").stat().st_ino
            before = drivers()
            assert set(before) == {"driver-air", "driver-hall", "driver-line"}
            sending = asyncio.create_task(send(line), name="devices")

            first = collector.make(
                bus("lab", lab.port)
                + "[batch]\ninterval_s = 0.2\nreadings_max = 50\n[uplink]\nwindow_batches = 4\nresend_s = 2.0\n"
                + "status_interval_s = 3600\n"
                + '[[report]]\nmode = "on-change"\ndevices = ["lab-*"]\n'
            )
            assert await line.offer(first) == Running(first, digest(collector.versions[first]))
            await eventually(lambda: devices["lab-1"].polls > 2, "the new bus is read")
            await eventually(lambda: counters.thinned, "the new rule is followed")

            second = collector.make(bus("lab", lab.port, 1, 2) + "[buffer]\nbytes_max = 9_000_000\n")
            assert (await line.offer(second, first)).version == second
            await eventually(lambda: "lab-2" in devices and devices["lab-2"].polls > 1, "and changed")

            bad = collector.make(bus("lab", lab.port, 1, 1))
            told = await line.offer(bad, second)
            assert (told.version, told.refused) == (second, bad)
            assert "modbus/lab: devices[2].unit: device lab-1: lab-1 has unit 1 already" in told.reason

            third = collector.put({})
            assert await line.offer(third, second) == Running(third, "")
            assert set(devices) == {"air-1", "hall-1", "line-1"}
            left = asked(lab)
            polls = devices["hall-1"].polls
            await eventually(lambda: devices["hall-1"].polls > polls + 3, "the old bus goes on")
            assert asked(lab) == left, "nobody asks what is not configured any more"

            await sending
            await eventually(
                lambda: (
                    sum(count for (device, *_), count in line.readings.items() if device == "air-1")
                    >= READINGS
                ),
                "every reading is at the collector",
            )
            for name, host in (("hall-1", hall), ("line-1", line_bus)):
                figures = devices[name]
                assert (figures.timeouts, figures.garbled) == (0, 0), name
                assert abs(asked(host) - figures.polls) <= 1, "each poll, and nothing else, went out"
            assert drivers() == before, "none of them was stopped, however briefly"
            assert (tmp_path / "data" / "buffer.db").stat().st_ino == inode
            assert not list((tmp_path / "data").glob("buffer.db.*damaged*"))
            assert not counters.drops({}), "nothing was dropped"
        wanted = {("air-1", "co2", float(400 + number)): 1 for number in range(READINGS)}
        assert {
            key: count for key, count in line.readings.items() if key[0] == "air-1" and key[1] == "co2"
        } == wanted
        assert max(line.times.values()) == 1
    assert connections(mosquitto, "campus-devices") == 1
    assert connections(mosquitto, "campus-uplink") == 1


async def test_the_port_of_a_bus_that_is_changed_is_opened_anew(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A serial port has one reader: the old driver has let go of it before the new one begins."""
    collector = CollectorDouble()
    async with TcpHost([unit(1)]) as hall, RtuBus(tmp_path / "adapter", [unit(1)], paced=False) as line_bus:
        own = rtu(line_bus.path)
        async with running(tmp_path, mosquitto, collector, SELDOM + own + bus("hall", hall.port)) as line:
            devices, before = line.agent.counters.devices, drivers()
            await eventually(lambda: devices["line-1"].polls, "the bus is read")
            version = collector.make(own.replace("interval_s = 0.1", "interval_s = 0.2"))
            assert (await line.offer(version)).version == version
            polls = devices["line-1"].polls
            await eventually(lambda: devices["line-1"].polls > polls + 1, "and read again")
            assert not devices["line-1"].timeouts
            assert {name for name, task in drivers().items() if before[name] is not task} == {"driver-line"}


async def test_what_ran_last_runs_after_a_restart_without_a_collector(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    collector = CollectorDouble()
    local = SELDOM + broker_table(mosquitto.port, "air-1")
    async with running(tmp_path, mosquitto, collector, local) as line:
        version = collector.make(broker_table(mosquitto.port, "air-1", "air-2"))
        assert (await line.offer(version)).version == version
    async with running(tmp_path, mosquitto, collector, local) as line:
        assert line.said[0] == Running(version, digest(collector.versions[version]))
        assert set(line.agent.counters.devices) == {"air-1", "air-2"}

    # gateway.toml is changed so that the two do not fit any more: the file runs, and it is told.
    async with running(tmp_path, mosquitto, collector, local.replace('"air"', '"rooms"')) as line:
        told = line.said[0]
        assert (told.version, told.refused) == (0, version)
        assert (
            "it no longer fits gateway.toml: mqtt/air: devices[1].id: two devices have the id 'air-1'"
            in told.reason
        )
        assert set(line.agent.counters.devices) == {"air-1"}
    # Put right, the version runs again.
    async with running(tmp_path, mosquitto, collector, local) as line:
        assert line.said[0].version == version


async def test_a_damaged_file_is_put_aside_and_told_of(tmp_path: Path, mosquitto: Mosquitto) -> None:
    collector = CollectorDouble()
    local = SELDOM + broker_table(mosquitto.port, "air-1")
    version = collector.make(broker_table(mosquitto.port, "air-1", "air-2"))
    async with running(tmp_path, mosquitto, collector, local) as line:
        await line.offer(version)
    file = KeptFile(tmp_path / "data", "").path
    file.write_bytes(file.read_bytes().replace(b"air-2", b"air-3"))
    async with running(tmp_path, mosquitto, collector, local) as line:
        told = line.said[0]
        assert (told.version, told.refused) == (0, 0)
        assert "lies in configuration.damaged" in told.reason
        assert set(line.agent.counters.devices) == {"air-1"}
        # The collector sees that nothing of it runs, and offers again.
        assert await line.offer(version) == Running(version, digest(collector.versions[version]))
    assert file.with_name("configuration.damaged").exists()
