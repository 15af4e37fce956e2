"""What listening to many Bluetooth devices costs, and whether anything is missed.

30 bands that broadcast heart rates once a second among 50 beacons of strangers: share of a core that
the gateway's side takes (bleak, D-Bus, decoding), and the longest time without a reading of a band. In a
passive scan BlueZ tells what changes only: a rate that stays the same is not repeated, which is counted.
Then 12 straps that must be connected to, on an adapter that holds 5 connections. The devices are
simulated in a process of their own. Run by hand:
``python benchmarks/bench_ble.py [--seconds 30]``.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import signal
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, Final

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.ble.config import BleSource
from edge_agent.drivers.ble.driver import BleDriver
from foundation import logs
from simulators.ble import BleWorld, Peripheral, fleet
from simulators.school import DEFAULT_SEED
from telemetry.readings import Chunk, SeriesTable

BANDS: Final = 30
BEACONS: Final = 50
STRAPS: Final = 12
LINKS: Final = 5
TURN_S: Final = 3.0


class Times:
    """A sink that keeps when each device gave a heart rate."""

    def __init__(self, table: SeriesTable) -> None:
        self.at_s: dict[str, list[float]] = defaultdict(list)
        self._table = table

    def readings(self, chunk: Chunk) -> None:
        now_s = time.perf_counter()
        for series in chunk.series:
            key = self._table[series]
            if key.quantity == "heart_rate":
                self.at_s[key.device].append(now_s)

    def check(self, observation: object) -> None: ...

    def tap(self, observation: object) -> None: ...

    def refused(self, device: str, reason: str, size_bytes: int) -> None: ...


def peripherals(*, straps: bool) -> list[Peripheral]:
    if straps:
        return list(fleet.straps(STRAPS, DEFAULT_SEED))
    return [*fleet.bands(BANDS, DEFAULT_SEED), *fleet.beacons(BEACONS, DEFAULT_SEED)]


def simulate(channel: Connection, *, straps: bool) -> None:
    """The devices, in a process of their own; sends the address of their bus. Ends with SIGTERM."""

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with BleWorld(peripherals(straps=straps), links_max=LINKS) as world:
            channel.send(world.address)
            await stop.wait()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())


def source(mode: str, profile: str, made: Sequence[Peripheral]) -> dict[str, Any]:
    return {
        "name": "radio", "mode": mode, "links_max": LINKS,
        "devices": [
            {"id": f"band-{number}", "profile": profile, "place": "gym/hall", "address": one.address,
             "turn_s": TURN_S}
            for number, one in enumerate(made)
        ],
    }  # fmt: skip


async def run(
    settings: dict[str, Any], warm_s: float, seconds: float
) -> tuple[Times, Counters, float, float]:
    """Readings within the measured time, counters, that time, and its CPU seconds."""
    table, counters = SeriesTable(), Counters()
    sink = Times(table)
    driver = BleDriver(
        BleSource.model_validate(settings),
        catalogue=Catalogue(), table=table, clock=Clock("system"), counters=counters,
    )  # fmt: skip
    task = asyncio.create_task(driver.run(sink), name="driver")
    await asyncio.sleep(warm_s)
    sink.at_s.clear()
    started_s, cpu_s = time.perf_counter(), _cpu_s()
    await asyncio.sleep(seconds)
    took_s, cpu_s = time.perf_counter() - started_s, _cpu_s() - cpu_s
    given = Times(table)
    given.at_s.update({name: list(times) for name, times in sink.at_s.items()})
    task.cancel()
    await asyncio.wait({task})
    return given, counters, took_s, cpu_s


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def advertised(mode: str, seconds: float) -> None:
    made = fleet.bands(BANDS, DEFAULT_SEED)
    given, _, took_s, cpu_s = asyncio.run(run(source(mode, fleet.BAND, made), 3.0, seconds))
    readings = sum(map(len, given.at_s.values()))
    gaps = [later - earlier for times in given.at_s.values() for earlier, later in pairwise(times)]
    missed = sum(round(gap) - 1 for gap in gaps if gap > 1.5)
    print(
        f"{BANDS} bands at 1 Hz + {BEACONS} beacons, {mode}: {100 * cpu_s / took_s:.2f} % of a core"
        f" (target 5 %), {readings / took_s:.1f} readings/s,"
        f" bands heard {len(given.at_s)} of {BANDS}, longest gap {max(gaps, default=0):.2f} s,"
        f" {missed} repetitions not told"
    )


def connected(seconds: float) -> None:
    made = fleet.straps(STRAPS, DEFAULT_SEED)
    given, counters, took_s, cpu_s = asyncio.run(run(source("active", fleet.STRAP, made), 3.0, seconds))
    gaps = [later - earlier for times in given.at_s.values() for earlier, later in pairwise(times)]
    turns = [one.turns for one in counters.devices.values()]
    print(
        f"{STRAPS} straps, {LINKS} connections, turns of {TURN_S:g} s: {100 * cpu_s / took_s:.2f} % of a core,"
        f" straps read {len(given.at_s)} of {STRAPS}, {min(turns)} to {max(turns)} turns each,"
        f" longest gap {max(gaps, default=0):.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    # Lines of the log are no figures.
    logs.configure("error")
    context = multiprocessing.get_context("spawn")
    for mode in ("active", "passive", "straps"):
        here, there = context.Pipe()
        process = context.Process(
            target=simulate, args=(there,), kwargs={"straps": mode == "straps"}, daemon=True
        )
        process.start()
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = here.recv()
        if mode == "straps":
            connected(seconds)
        else:
            advertised(mode, seconds)
        process.terminate()
        process.join()


if __name__ == "__main__":
    main()
