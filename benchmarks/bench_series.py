"""What the embedded series store costs, beside a bare DuckDB that takes the same points.

    python benchmarks/bench_series.py [--readings N]

Figures, from one process: readings per CPU-second of `append` from decoded batches of 40 series; the
same of a bare DuckDB that makes columns of the same batches by the plainest means and inserts them, which is
the least that any program has to do; the same for columns that are ready-made; the ratios of store to
either. Then bytes a point on disk, and the time of one series over a day by 5 minutes. 500 × 64 and 5,000 × 64
are what the line hands over at once while it is behind.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare import insert_all, plain_columns
from collector.series.append_columns import gather
from collector.series.contract import BatchKey, SeriesBatch
from collector.series.duckdb_store import DuckDbStore
from collector.series.memory_index import MemoryIndex
from telemetry.batch import Body
from telemetry.readings import SeriesKey

SERIES: Final = 40
PERIOD_MS: Final = 10_000
START_MS: Final = 1_788_000_000_000
DAY_MS: Final = 86_400_000
KEYS: Final = [SeriesKey("temperature", f"sensor-{n}", f"main/{n // 4}", "bench") for n in range(SERIES)]


class Shape(NamedTuple):
    """Readings a batch, batches an append."""

    readings: int
    batches: int


SHAPES: Final = (
    Shape(500, 1),
    Shape(500, 10),
    Shape(500, 64),
    Shape(5_000, 1),
    Shape(5_000, 10),
    Shape(5_000, 64),
)


class Rates(NamedTuple):
    """Readings per CPU-second."""

    store: float
    bare: float
    ready: float


def make_batches(shape: Shape, readings_total: int) -> list[SeriesBatch]:
    """A slow random walk in tenths of a degree for each series, one reading every 10 s."""
    generator = np.random.default_rng(1)
    batches = []
    count = -(-shape.readings // SERIES)
    counts = [count] * (shape.readings // count) + ([left] if (left := shape.readings % count) else [])
    walks = np.full(SERIES, 200)
    for sequence in range(1, readings_total // shape.readings + 1):
        start = START_MS + (sequence - 1) * count * PERIOD_MS
        times: list[int] = []
        values: list[float] = []
        for series, length in enumerate(counts):
            walk = walks[series] + np.cumsum(generator.integers(-1, 2, length))
            walks[series] = walk[-1]
            times += range(start, start + length * PERIOD_MS, PERIOD_MS)
            values += (walk / 10).tolist()
        # Columns as the line decodes them.
        columns = (np.array(times).data, np.array(values).data, np.zeros(len(times), np.uint8).data)
        body = Body(KEYS[: len(counts)], counts, *columns, [])
        batches.append(SeriesBatch(BatchKey("bench", "gw-1", "bulk", "g", sequence), 0, body))
    return batches


async def measure_store(path: Path, calls: Sequence[Sequence[SeriesBatch]]) -> float:
    store = await DuckDbStore.open(path)
    started = time.process_time()
    for call in calls:
        await (await store.append(call))
    used = time.process_time() - started
    await store.close()
    return used


async def compare(folder: Path, shape: Shape, readings: int, rounds: int = 5) -> Rates:
    """The medians of some rounds, all three in turns."""
    batches = make_batches(shape, readings)
    calls = [batches[at : at + shape.batches] for at in range(0, len(batches), shape.batches)]
    columns = [append.points for call in calls if (append := gather(MemoryIndex(), call))]
    total = len(batches) * shape.readings
    rates = []
    for number in range(rounds):
        name = f"{shape.readings}-{shape.batches}-{number}"
        used = await measure_store(folder / f"{name}.duckdb", calls)
        bare = insert_all(folder / f"{name}-bare.duckdb", map(plain_columns, calls))
        ready = insert_all(folder / f"{name}-ready.duckdb", columns)
        rates.append(Rates(total / used, total / bare, total / ready))
    return Rates(*(statistics.median(column) for column in zip(*rates, strict=True)))


async def read_back(path: Path, readings: int) -> tuple[float, float]:
    """Bytes a point, and median seconds for one series over a day by 5 minutes."""
    store = await DuckDbStore.open(path)
    for batch in make_batches(Shape(5_000, 1), readings):
        await store.append([batch])
    took = []
    for number in range(20):
        started = time.perf_counter()
        await store.query([number + 1], START_MS, START_MS + DAY_MS, step_ms=300_000)
        took.append(time.perf_counter() - started)
    points = await store.point_count()
    await store.close()
    return path.stat().st_size / points, statistics.median(took)  # noqa: ASYNC240  # nothing else runs


async def run(readings: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-series-") as name:
        folder = Path(name)
        table = Table(
            "readings a batch", "batches an append", "store, k/CPU-s", "bare, k/CPU-s", "ratio",
            "of ready-made columns, k/CPU-s", "ratio",
        )  # fmt: skip
        for shape in SHAPES:
            rates = await compare(folder, shape, min(readings, shape.readings * shape.batches * 200))
            figures = (
                f"{rates.store / 1e3:.0f}",
                f"{rates.bare / 1e3:.0f}",
                f"{rates.store / rates.bare:.2f}",
                f"{rates.ready / 1e3:.0f}",
                f"{rates.store / rates.ready:.2f}",
            )
            table.add_row(str(shape.readings), str(shape.batches), *figures)
        size, seconds = await read_back(folder / "read.duckdb", readings)
    console = Console()
    console.print(table)
    console.print(f"{size:.2f} bytes a point; one series, a day by 5 min: {seconds * 1e3:.1f} ms")
    console.print(f"(of {readings:,} points)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Benchmark of the embedded series store.")
    parser.add_argument("--readings", type=int, default=2_000_000)
    asyncio.run(run(parser.parse_args().readings))
