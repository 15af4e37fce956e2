"""What frames of serial boards cost: codec and decoder alone, the driver on a pty, plain reading of it.

Dust sensors' frames (32 bytes, six values) as fast as a pty carries them, written by a process of its
own, and then eight boards in the rhythm of real ones at 9,600 Bd: share of a core. Run by hand:
``python benchmarks/bench_serial.py [--seconds 10]``.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import pty
import resource
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from device_profiles.observations import CheckObservation, TapObservation
from device_profiles.registry import Catalogue
from device_profiles.serial import bind_serial
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.serial.config import SerialSource
from edge_agent.drivers.serial.driver import SerialDriver
from firmware_bridges.frames import CODECS, FrameReader, plantower
from foundation import logs
from simulators.serial import SerialLine, SimulatedBoard
from telemetry.readings import Chunk, SeriesTable

PROFILE: Final = "plantower/pms5003"
PIECE_BYTES: Final = 64
FRAMES: Final = 100_000
BOARDS: Final = 8
FRAME: Final = plantower.encode(bytes((0, 8, 0, 12, 0, 16, 0, 8, 0, 12, 0, 16)) + bytes(range(14)))


class Counted:
    """A sink that counts."""

    def __init__(self) -> None:
        self.readings_in = 0
        self.refusals = 0

    def readings(self, chunk: Chunk) -> None:
        self.readings_in += len(chunk)

    def check(self, observation: CheckObservation) -> None: ...

    def tap(self, observation: TapObservation) -> None: ...

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        del device, reason, size_bytes
        self.refusals += 1


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def in_memory() -> float:
    """Frames per CPU-second through codec and decoder."""
    table, time_ms = SeriesTable(), 0
    decoder = bind_serial(Catalogue().get(PROFILE), device="pm", place="main/301", table=table)
    reader = FrameReader(CODECS["plantower"]())
    pieces = [(FRAME * 2)[at : at + PIECE_BYTES] for at in range(0, 2 * len(FRAME), PIECE_BYTES)]
    began_s, frames = cpu_s(), 0
    while frames < FRAMES:
        for piece in pieces:
            chunk = Chunk()
            for frame in reader.feed(piece):
                frames += 1
                decoder.decode(frame, time_ms, chunk)
    return frames / (cpu_s() - began_s)


def flood(pipe: Connection) -> None:
    """Writes frames to a pty as fast as they are read."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    pipe.send(os.ttyname(slave))
    threading.Thread(target=lambda: (pipe.recv(), os._exit(0)), daemon=True).start()
    block = FRAME * 64
    while True:
        os.write(master, block)


@contextmanager
def flooded() -> Iterator[str]:
    """The path of a pty full of frames."""
    mine, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=flood, args=(its,), daemon=True)
    process.start()
    try:
        yield mine.recv()
    finally:
        mine.send("end")
        process.join()


def plain() -> tuple[float, float]:
    """Frames per second and per CPU-second that plain reads of the pty carry."""
    with flooded() as path:
        port = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(port)
        left = FRAMES * len(FRAME)
        began_s, wall_s = cpu_s(), time.perf_counter()
        while left > 0:
            left -= len(os.read(port, 65_536))
        took = FRAMES / (time.perf_counter() - wall_s), FRAMES / (cpu_s() - began_s)
        os.close(port)
        return took


def driver_of(path: str, name: str, counters: Counters) -> SerialDriver:
    source: dict[str, Any] = {
        "name": name,
        "port": path,
        "devices": [{"id": name, "profile": PROFILE, "place": "main/301"}],
    }
    return SerialDriver(
        SerialSource(**source),
        catalogue=Catalogue(),
        table=SeriesTable(),
        clock=Clock("system"),
        counters=counters,
    )


async def driven() -> tuple[float, float, int]:
    """Frames per second and per CPU-second through the driver, and what it refused."""
    with flooded() as path:
        sink, counters = Counted(), Counters()
        task = asyncio.create_task(driver_of(path, "pm", counters).run(sink), name="driver")
        while counters.messages_in < 1_000:  # noqa: ASYNC110  # a counter knows no event
            await asyncio.sleep(0.001)
        before, began_s, wall_s = counters.messages_in, cpu_s(), time.perf_counter()
        while counters.messages_in - before < FRAMES:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
        frames = counters.messages_in - before
        took = frames / (time.perf_counter() - wall_s), frames / (cpu_s() - began_s)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return *took, sink.refusals


def serve(pipe: Connection, folder: Path) -> None:
    """Boards in a process of their own, each a frame a second at 9,600 Bd."""

    async def run() -> None:
        lines = [SerialLine(folder / str(at)) for at in range(BOARDS)]
        for line in lines:
            line.plug()
            SimulatedBoard(Catalogue().get(PROFILE), lambda _: 12.0).attach(line)
        pipe.send("ready")
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        for line in lines:
            line.unplug()

    asyncio.run(run())


async def at_rest(seconds: float) -> tuple[float, float]:
    """Share of a core, and readings a second, of eight boards in their own rhythm."""
    with tempfile.TemporaryDirectory() as name:
        mine, its = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=serve, args=(its, Path(name)), daemon=True
        )
        process.start()
        mine.recv()
        sink, counters = Counted(), Counters()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    driver_of(f"{name}/{at}", f"pm-{at}", counters).run(sink), name=f"driver-{at}"
                )
                for at in range(BOARDS)
            ]
            await asyncio.sleep(2)
            before, began_s = sink.readings_in, cpu_s()
            await asyncio.sleep(seconds)
            result = (cpu_s() - began_s) / seconds, (sink.readings_in - before) / seconds
            for task in tasks:
                task.cancel()
        mine.send("end")
        process.join()
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    logs.configure("warning")
    wall, cpu = plain()
    print(f"plain reads of the pty     {wall:>10,.0f} frames/s   {cpu:>10,.0f} per CPU-second")
    print(f"codec and decoder alone    {'':>10}              {in_memory():>10,.0f} per CPU-second")
    wall, cpu, refused = asyncio.run(driven())
    print(
        f"the driver on the pty      {wall:>10,.0f} frames/s   {cpu:>10,.0f} per CPU-second, {refused} refused"
    )
    share, rate = asyncio.run(at_rest(seconds))
    print(f"{BOARDS} boards at 9,600 Bd, 1 Hz: {share:.2%} of a core, {rate:.0f} readings/s")


if __name__ == "__main__":
    main()
