"""How close the Modbus driver comes to what a wire can carry, and what many TCP devices cost.

A bus of 32 units at 9,600 Bd (8N1), ten registers each, polled as fast as it goes: seconds a cycle
against the wire's own limit, without and with one dead unit. Then 300 TCP devices at 1 Hz: share of
a core. The simulated devices run in a process of their own. Run by hand:
``python benchmarks/bench_modbus.py [--seconds 30]``.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from device_profiles.registry import Catalogue, modbus_spec
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.modbus.config import ModbusSource
from edge_agent.drivers.modbus.driver import ModbusDriver
from foundation import logs
from simulators.modbus import RtuBus, SimulatedUnit, TcpHost
from telemetry.readings import Chunk, SeriesTable

UNITS: Final = 32
DEAD: Final = 17
BAUD: Final = 9_600
TIMEOUT_S: Final = 0.3
TCP_DEVICES: Final = 300
REQUEST_BYTES, REPLY_BYTES = 8, 5 + 2 * 10
CHARACTER_S: Final = 10 / BAUD
SILENCE_S: Final = 3.5 * CHARACTER_S
WIRE_S: Final = (REQUEST_BYTES + REPLY_BYTES) * CHARACTER_S + 2 * SILENCE_S
"""One exchange: the bytes, and the two silences of 3.5 characters that Modbus over Serial Line V1.02
asks for, one before the answer and one before the next request.
"""
PROFILE: Final = """
transport = "modbus"
name = { zh = "示例", en = "Ten registers" }
vendor = "Example"
source = "invented for the benchmark"
""" + "".join(
    f'[[fields]]\nquantity = "{quantity}"\nfc = 3\naddress = {at}\ntype = "uint16"\nunit = "{unit}"\n'
    for at, (quantity, unit) in enumerate(
        [("temperature", "Cel"), ("relative_humidity", "%"), ("co2", "ppm"), ("pm1", "ug/m3"),
         ("pm2_5", "ug/m3"), ("pm10", "ug/m3"), ("voc", "ppb"), ("illuminance", "lx"),
         ("sound_level", "dB"), ("battery", "%")]
    )
) + '[[examples]]\nabout = "ones"\ninput = "3@0: 1 1 1 1 1 1 1 1 1 1"\n'  # fmt: skip


class Counted:
    """A sink that counts."""

    def __init__(self) -> None:
        self.readings_in = 0

    def readings(self, chunk: Chunk) -> None:
        self.readings_in += len(chunk)

    def check(self, observation: object) -> None: ...

    def tap(self, observation: object) -> None: ...

    def refused(self, device: str, reason: str, size_bytes: int) -> None: ...


def catalogue(folder: Path) -> Catalogue:
    file = folder / "profiles" / "bench" / "ten.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PROFILE, "utf-8")
    return Catalogue([folder / "profiles"])


def simulate(folder: Path, channel: Connection, hosts: int, dead: Sequence[int]) -> None:
    """The devices, in a process of their own; sends the ports when they listen."""
    spec = modbus_spec(catalogue(folder).get("bench/ten"))

    async def serve() -> None:
        made = [SimulatedUnit(number, spec, lambda _: 42.0) for number in range(1, UNITS + 1)]
        for number in dead:
            made[number - 1].faults.silent = True
        if hosts:
            served = [TcpHost([made[0]]) for _ in range(hosts)]
            for host in served:
                await host.start()
            channel.send([host.port for host in served])
        else:
            await RtuBus(folder / "bus", made, baud=BAUD).start()
            channel.send([])
        await asyncio.Event().wait()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())


def device(number: int, unit: int, interval_s: float, offset_s: float = 0.0) -> dict[str, Any]:
    return {
        "id": f"device-{number}", "profile": "bench/ten", "place": "main/301", "unit": unit,
        "interval_s": interval_s, "offset_s": offset_s,
    }  # fmt: skip


async def run(
    folder: Path, sources: Sequence[dict[str, Any]], warm_s: float, seconds: float
) -> tuple[Counters, dict[str, int], float, float]:
    """Counters, polls of each device within the measured time, that time, and its CPU seconds."""
    counters, sink, found = Counters(), Counted(), catalogue(folder)
    drivers = [
        ModbusDriver(
            ModbusSource.model_validate(source),
            catalogue=found, table=SeriesTable(), clock=Clock("system"), counters=counters,
        )
        for source in sources
    ]  # fmt: skip
    tasks = [asyncio.create_task(driver.run(sink), name=driver.name) for driver in drivers]
    await asyncio.sleep(warm_s)
    before = {name: counted.polls for name, counted in counters.devices.items()}
    started_s, cpu_s = time.perf_counter(), _cpu_s()
    await asyncio.sleep(seconds)
    took_s, cpu_s = time.perf_counter() - started_s, _cpu_s() - cpu_s
    polls = {name: counted.polls - before[name] for name, counted in counters.devices.items()}
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return counters, polls, took_s, cpu_s


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def serial(folder: Path, seconds: float, dead: Sequence[int]) -> float:
    """Prints a row; gives seconds a cycle."""
    source = {
        "name": "bus", "serial": {"port": str(folder / "bus"), "baud": BAUD}, "timeout_s": TIMEOUT_S,
        "devices": [device(number, number, 0.1) for number in range(1, UNITS + 1)],
    }  # fmt: skip
    # Long enough for a dead unit to be quarantined before it is measured.
    counters, polls, took_s, _ = asyncio.run(run(folder, [source], 4 * UNITS * WIRE_S + 2, seconds))
    alive = [number for number in range(1, UNITS + 1) if number not in dead]
    cycles = sum(polls[f"device-{number}"] for number in alive) / len(alive)
    cycle_s = took_s / cycles
    limit_s = len(alive) * WIRE_S
    lost = sum(counters.devices[f"device-{number}"].timeouts for number in alive)
    probes = sum(polls[f"device-{number}"] for number in dead)
    print(
        f"RTU, {len(alive)} units alive, {len(dead)} dead: {cycle_s * 1_000:7.1f} ms a cycle,"
        f" {cycle_s / limit_s:.3f} × the wire's {limit_s * 1_000:.1f} ms"
        f" ({cycle_s / (UNITS * WIRE_S):.3f} × that of all {UNITS}; target 1.15);"
        f" {probes} probes in {cycles:.1f} cycles; {lost} answers lost"
    )
    return cycle_s


def tcp(folder: Path, seconds: float, ports: Sequence[int]) -> None:
    sources = [
        {
            "name": f"host-{number}", "tcp": {"host": "127.0.0.1", "port": port},
            "devices": [device(number, 1, 1.0, number / len(ports))],
        }
        for number, port in enumerate(ports)
    ]  # fmt: skip
    counters, polls, took_s, cpu_s = asyncio.run(run(folder, sources, 4.0, seconds))
    timeouts = sum(counted.timeouts for counted in counters.devices.values())
    print(
        f"TCP, {len(ports)} devices at 1 Hz: {sum(polls.values()) / took_s:.1f} polls/s,"
        f" {100 * cpu_s / took_s:.1f} % of a core (target 10 %), {timeouts} time-outs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    context = multiprocessing.get_context("spawn")
    for hosts, dead in ((0, ()), (0, (DEAD,)), (TCP_DEVICES, ())):
        with tempfile.TemporaryDirectory() as name:
            here, there = context.Pipe()
            process = context.Process(target=simulate, args=(Path(name), there, hosts, dead), daemon=True)
            process.start()
            ports = here.recv()
            if hosts:
                tcp(Path(name), seconds, ports)
            else:
                serial(Path(name), seconds, dead)
            process.terminate()
            process.join()


if __name__ == "__main__":
    logs.configure("warning")
    main()
