"""What the series stores in servers cost, beside the same points sent to a bare server; and every store's answers.

    python benchmarks/bench_series_servers.py [--readings N] [--days N]

Rates are readings per CPU-second of both processes, the collector's and the server's: `store` appends
decoded batches of 40 series; `bare` writes lines of the same batches by the plainest means, which is the
least that any program has to do, and posts them in requests of the same size; `ready` posts lines that are
ready-made. Then each store is filled with 50 series, one point a minute, and asked for one series and for all of them, over a day and
over everything. Bytes a point are those on the disk after the server has been stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import urllib3
from rich.console import Console
from rich.table import Table

# The servers that the tests start.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare import plain_lines
from benchmarks.bench_series import SHAPES, START_MS, make_batches
from collector.series.blocks import TimeBounds, encode
from collector.series.contract import BatchKey, SeriesBatch, SeriesStore
from collector.series.duckdb_store import DuckDbStore
from collector.series.influx import Influx, InfluxTarget
from collector.series.line_protocol import InfluxHead, VictoriaHead
from collector.series.server_index import ServerIndex
from collector.series.server_store import ServerStore
from collector.series.server_wire import Access, ServerWire
from collector.series.victoria import Victoria
from telemetry.batch import Body
from telemetry.readings import SeriesKey
from tests.series.servers import InfluxServer, SeriesServer, VictoriaServer

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
SERIES: Final = 50
HELD_BYTES: Final = 1024**3
"""Nothing waits here for room: how quickly a store takes batches is measured, not how long it holds them."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Kind(NamedTuple):
    """A kind of server: how it is started, written to bare, and opened as a store."""

    name: str
    server: Callable[[], SeriesServer]
    head: type[VictoriaHead | InfluxHead]
    path: str
    store: Callable[..., ServerStore]


def victoria(url: str, hold_s: float = 20) -> ServerStore:
    return ServerStore(Victoria(ServerWire(Access(url))), hold_s=hold_s, held_bytes_max=HELD_BYTES)


def influx(url: str, _hold_s: float = 0) -> ServerStore:
    return ServerStore(Influx(ServerWire(Access(url)), InfluxTarget("campus")), hold_s=0, held_bytes_max=0)


KINDS: Final = (
    Kind("VictoriaMetrics", VictoriaServer, VictoriaHead, "/api/v2/write?precision=ms", victoria),
    Kind("InfluxDB", InfluxServer, InfluxHead, "/write?db=campus&precision=ms", influx),
)


def cpu_s(server: SeriesServer) -> float:
    """Of this process and the server, so far."""
    fields = Path(f"/proc/{server.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(server: SeriesServer) -> float:
    for line in Path(f"/proc/{server.pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def start(kind: Kind) -> SeriesServer:
    server = kind.server().start()
    if kind.name == "InfluxDB":
        server.ask("/query", q="CREATE DATABASE campus")
    return server


async def measured(server: SeriesServer, work: Callable[[], Awaitable[None]]) -> float:
    """CPU-seconds of the work, and of what the server still does about it in the next two seconds."""
    before = cpu_s(server)
    await work()
    await asyncio.sleep(2)
    return cpu_s(server) - before


async def store_cost(kind: Kind, calls: Sequence[Sequence[SeriesBatch]]) -> float:
    server = start(kind)
    store = kind.store(server.url)
    await store.series()

    async def work() -> None:
        for call in calls:
            await store.append(call)

    used = await measured(server, work)
    await store.close()
    server.remove()
    return used


def ready_lines(kind: Kind, calls: Sequence[Sequence[SeriesBatch]]) -> list[bytes]:
    index = ServerIndex(kind.head)
    bounds = TimeBounds(0, 2**53)
    return [block.lines for call in calls for block in encode(index, call, bounds).blocks]


async def bare_cost(kind: Kind, blocks: Iterable[bytes]) -> float:
    """`blocks` may be made while it is measured."""
    server = start(kind)
    http = urllib3.PoolManager()

    async def work() -> None:
        for block in blocks:
            answer = await asyncio.to_thread(http.request, "POST", server.url + kind.path, body=block)
            if answer.status != 204:
                raise RuntimeError(f"{kind.name} answers {answer.status}")

    used = await measured(server, work)
    http.clear()
    server.remove()
    return used


async def rates(readings: int, rounds: int = 3) -> Table:
    table = Table(
        "store", "readings a batch", "batches an append", "store, k/CPU-s", "bare, k/CPU-s", "ratio",
        "ready, k/CPU-s", "ratio",
    )  # fmt: skip
    for kind in KINDS:
        for shape in SHAPES[:-1]:  # the last is more than InfluxDB takes in one request
            size = min(readings, shape.readings * shape.batches * 200)
            batches = make_batches(shape, size)
            calls = [batches[at : at + shape.batches] for at in range(0, len(batches), shape.batches)]
            total = len(batches) * shape.readings
            ready = ready_lines(kind, calls)
            rows = [
                (
                    await store_cost(kind, calls),
                    await bare_cost(kind, map(plain_lines, calls)),
                    await bare_cost(kind, ready),
                )
                for _ in range(rounds)
            ]
            found = [total / statistics.median(column) for column in zip(*rows, strict=True)]
            ratios = [f"{found[0] / other:.2f}" for other in found[1:]]
            table.add_row(
                kind.name, str(shape.readings), str(shape.batches), f"{found[0] / 1e3:.0f}",
                f"{found[1] / 1e3:.0f}", ratios[0], f"{found[2] / 1e3:.0f}", ratios[1],
            )  # fmt: skip
    return table


def month(days: int) -> list[SeriesBatch]:
    """50 series, a point a minute, a batch an hour: a slow random walk in tenths of a degree."""
    generator = np.random.default_rng(2)
    keys = [SeriesKey("temperature", f"sensor-{n}", f"main/{n}", "bench") for n in range(SERIES)]
    walks = np.full(SERIES, 200)
    made = []
    for hour in range(days * 24):
        times = [START_MS + (hour * 60 + minute) * MINUTE_MS for minute in range(60)]
        steps = generator.integers(-1, 2, (SERIES, 60)).cumsum(axis=1) + walks[:, None]
        walks = steps[:, -1]
        body = Body(keys, [60] * SERIES, times * SERIES, (steps / 10).ravel().tolist(), [0] * 60 * SERIES, [])
        made.append(SeriesBatch(BatchKey("bench", "gw-1", "bulk", "q", hour + 1), 0, body))
    return made


async def answers(store: SeriesStore, days: int) -> list[str]:
    ids = [info.id for info in await store.series()]
    found = []
    for chosen, length_ms, step_ms in (
        (ids[:1], DAY_MS, 300_000),
        (ids[:1], days * DAY_MS, 3_600_000),
        (ids, DAY_MS, 300_000),
        (ids, days * DAY_MS, 3_600_000),
    ):
        took = []
        for _ in range(7):
            started = time.perf_counter()
            result = await store.query(chosen, START_MS, START_MS + length_ms, step_ms=step_ms)
            took.append(time.perf_counter() - started)
            assert all(result[0].counts)
        found.append(f"{statistics.median(took) * 1e3:.0f}")
    return found


def bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.name != "log")


async def fill(store: SeriesStore, batches: Sequence[SeriesBatch]) -> None:
    for at in range(0, len(batches), 10):
        await store.append(batches[at : at + 10])
    await asyncio.sleep(3)


async def queries(days: int) -> Table:
    table = Table("store", "1 × day / 5 min, ms", f"1 × {days} d / 1 h", "50 × day / 5 min", f"50 × {days} d / 1 h", "bytes a point", "RSS max, MB")  # fmt: skip
    batches = month(days)
    points = len(batches) * SERIES * 60
    with tempfile.TemporaryDirectory(prefix="bench-series-") as name:
        path = Path(name) / "series.duckdb"
        embedded = await DuckDbStore.open(path)
        await fill(embedded, batches)
        row = await answers(embedded, days)
        await embedded.close()
        table.add_row("DuckDB", *row, f"{bytes_of(Path(name)) / points:.2f}", "in the collector")
    for kind in KINDS:
        server = start(kind)
        store = kind.store(server.url)
        await fill(store, batches)
        row = await answers(store, days)
        await store.close()
        rss = rss_mb(server)
        server.stop()
        table.add_row(kind.name, *row, f"{bytes_of(server.folder) / points:.2f}", f"{rss:.0f}")
        server.remove()
    return table


async def run(readings: int, days: int) -> None:
    console = Console()
    console.print(await rates(readings))
    console.print(await queries(days))
    console.print(f"({readings:,} readings at most a rate; {days * 1_440 * SERIES:,} points asked)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Benchmark of the series stores in servers.")
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.readings, arguments.days))
