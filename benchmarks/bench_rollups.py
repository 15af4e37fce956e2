"""What roll-ups cost and give: appends with and without marks, questions from points and from roll-ups, bytes.

    python benchmarks/bench_rollups.py [--points N] [--store duckdb|victoriametrics]

A month of 50 series is written, rolled up, and asked for one series and for all of them, over a day by 5
minutes and over the month by 1 hour; each figure is a median. `points` asks the store below, `roll-ups` the
store with them. 10 million points by default; 100 million by --points 100000000.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

# The servers that the tests start.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bench_series import Shape, make_batches
from benchmarks.bench_series_servers import victoria
from collector.series.contract import BatchKey, SeriesBatch, SeriesStore
from collector.series.duckdb_store import DuckDbStore
from collector.series.memory_index import Origin
from collector.series.rollups.book import RollupBook
from collector.series.rollups.marks import Pair
from collector.series.rollups.rows import DAY_MS, HOUR_MS
from collector.series.rollups.settings import RetentionSection
from collector.series.rollups.store import RolledStore
from telemetry.batch import Body
from telemetry.readings import SeriesKey
from tests.series.servers import VictoriaServer

SERIES: Final = 50
DAYS: Final = 30
BATCH: Final = 50_000
ROUNDS: Final = 7
END_MS: Final = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
START_MS: Final = END_MS - DAYS * DAY_MS
KEYS: Final = [SeriesKey("temperature", f"sensor-{n}", f"main/{n // 4}", "bench") for n in range(SERIES)]
QUESTIONS: Final = (
    ("1 series, a day by 5 min", 1, DAY_MS, 300_000),
    ("50 series, a day by 5 min", SERIES, DAY_MS, 300_000),
    ("1 series, a month by 1 h", 1, DAYS * DAY_MS, HOUR_MS),
    ("50 series, a month by 1 h", SERIES, DAYS * DAY_MS, HOUR_MS),
)


async def rolled(store: SeriesStore, folder: Path) -> RolledStore:
    """Hours need not be quiet."""
    return await RolledStore.open(
        store,
        folder / "rollups.duckdb",
        RetentionSection(),
        CollectorRegistry(),
        now_ms=lambda: END_MS + DAY_MS,
        quiet_s=0.0,
    )


def month(points: int) -> Iterator[SeriesBatch]:
    """Slow random walks in tenths of a degree, all series side by side."""
    generator = np.random.default_rng(1)
    period_ms = DAYS * DAY_MS * SERIES // points
    count = BATCH // SERIES
    walks = np.full((SERIES, 1), 200)
    for sequence, start in enumerate(range(START_MS, END_MS, count * period_ms), 1):
        times = list(range(start, min(start + count * period_ms, END_MS), period_ms))
        steps = walks + np.cumsum(generator.integers(-1, 2, (SERIES, len(times))), axis=1)
        walks = steps[:, -1:]
        body = Body(
            KEYS, [len(times)] * SERIES, times * SERIES, (steps / 10).ravel().tolist(), [0] * steps.size, []
        )
        yield SeriesBatch(BatchKey("bench", "gw-1", "bulk", "g", sequence), 0, body)


class Costs(NamedTuple):
    """CPU-µs a reading, of the store below and with marks that are there already; CPU-ms of a new mark."""

    bare: float
    marked: float
    mark_ms: float


async def append_cost(folder: Path) -> Costs:
    """500 readings a batch, ten batches an append, in turns; each time after as many have been appended."""
    batches = make_batches(Shape(500, 10), 500_000)
    again = [one._replace(key=one.key._replace(generation="h")) for one in batches]
    rounds: list[list[float]] = []
    for number in range(7):
        costs = []
        for name in ("bare", "marked"):
            place = folder / f"{name}-{number}"
            store: Any = await DuckDbStore.open(place / "series.duckdb")
            if name == "marked":
                store = await rolled(store, place)
            await cost_us(store, batches)
            costs.append(await cost_us(store, again))
            await store.close()
        rounds.append(costs)
    bare, marked = (statistics.median(column) for column in zip(*rounds, strict=True))
    return Costs(bare, marked, await mark_cost_ms(folder))


async def mark_cost_ms(folder: Path) -> float:
    book = await RollupBook.open(folder / "marks.duckdb")
    started = time.process_time()
    for number in range(100):
        await book.mark([Pair(Origin("bench", "gw-1"), number * HOUR_MS)])
    used = time.process_time() - started
    await book.close()
    return used * 10


async def cost_us(store: SeriesStore, batches: list[SeriesBatch]) -> float:
    started = time.process_time()
    for at in range(0, len(batches), 10):
        await (await store.append(batches[at : at + 10]))
    return (time.process_time() - started) / len(batches) / 500 * 1e6


async def latency_ms(store: SeriesStore, ids: list[int], span_ms: int, step_ms: int) -> float:
    took = []
    for number in range(ROUNDS):
        chosen = ids if len(ids) > 1 else [ids[0] + number % 2]
        started = time.perf_counter()
        await store.query(chosen, END_MS - span_ms, END_MS, step_ms=step_ms)
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1e3


async def fill(store: RolledStore, points: int) -> tuple[int, float]:
    """How many points there are, and CPU-µs of this process a point to roll them up."""
    count = 0
    await store.roller.round()
    for batch in month(points):
        await store.append([batch])
        count += len(batch.body.time_ms)
    await asyncio.sleep(2)  # VictoriaMetrics shows a second later what it took
    started = time.process_time()
    while store.waiting:
        if not await store.roller.round():
            await asyncio.sleep(1)  # until VictoriaMetrics has what it was given on its disk
    return count, (time.process_time() - started) / count * 1e6


def size_mb(*places: Path) -> float:
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


async def measure(name: str, folder: Path, points: int, console: Console) -> None:
    server = VictoriaServer().start() if name == "victoriametrics" else None
    if server:
        below: SeriesStore = victoria(server.url)
    else:
        below = await DuckDbStore.open(folder / "series.duckdb")
    store = await rolled(below, folder)
    count, cost_us = await fill(store, points)
    ids = [info.id for info in await store.series()]
    table = Table("question", "points, ms", "roll-ups, ms", title=f"{name}, {count:,} points")
    for words, series, span_ms, step_ms in QUESTIONS:
        figures = [await latency_ms(one, ids[:series], span_ms, step_ms) for one in (below, store)]
        table.add_row(words, *(f"{figure:.1f}" for figure in figures))
    await store.close()
    raw_mb = size_mb(folder / "series.duckdb")
    if server:
        server.stop()
        raw_mb = size_mb(server.folder / "data")
        server.remove()
    rolled_mb = size_mb(folder / "rollups.duckdb")
    console.print(table)
    console.print(
        f"on disk: points {raw_mb:.1f} MB, roll-ups {rolled_mb:.1f} MB; rolling up {cost_us:.2f} µs a point"
    )


async def run(points: int, names: list[str]) -> None:
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-rollups-") as name:
        folder = Path(name)
        costs = await append_cost(folder)
        console.print(
            f"append, CPU-µs a reading: {costs.bare:.3f}, with marks {costs.marked:.3f}; "
            f"a new mark, once an hour and gateway: {costs.mark_ms:.2f} CPU-ms"
        )
        for one in names:
            (folder / one).mkdir()
            await measure(one, folder / one, points, console)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Benchmark of roll-ups.")
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--store", choices=["duckdb", "victoriametrics"], action="append")
    asked = parser.parse_args()
    asyncio.run(run(asked.points, asked.store or ["duckdb", "victoriametrics"]))
