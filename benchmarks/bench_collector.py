"""What the collector's batch line costs, beside what a bare store takes from the same points.

    python benchmarks/bench_collector.py [--readings N]

Signed batches of 40 series are submitted straight into the line, with each of the real stores and the
real records database: readings per CPU-second, the server's own included, until `stored` is answered. Beside
it the same points, decoded and in lists, in groups of the same size: a bare DuckDB makes columns of them and inserts
these, a bare server is posted plain lines. Verifying, decoding, authorising, records and marks are what the line adds;
of verifying, which is one signature a batch, small batches have more.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare import insert_all, plain_columns, plain_lines
from benchmarks.bench_series_servers import KINDS, Kind, bare_cost, measured, start
from benchmarks.line_rig import Gateways, groups, running
from collector.intake.contract import Incoming
from collector.intake.line import wall_ms
from collector.series.contract import SeriesBatch, SeriesStore
from collector.series.duckdb_store import DuckDbStore
from collector.series.rollups.settings import RetentionSection
from collector.series.rollups.store import RolledStore

SIZES: Final = (500, 5_000)
ROUNDS: Final = 5
REQUEST_READINGS_MAX: Final = 50_000
"""Some 6 MB of lines: InfluxDB takes 25 MB in a request, our stores write up to 8."""
HOLD_S: Final = 1.0
"""How long VictoriaMetrics' blocks are held costs time, not work."""


async def rolled(store: SeriesStore, folder: Path) -> SeriesStore:
    """As a collector opens it: what comes is marked to be rolled up, which is done later and not counted here."""
    registry = CollectorRegistry()
    return await RolledStore.open(
        store, folder / "rollups.duckdb", RetentionSection(), registry, now_ms=wall_ms
    )


async def line_cost(kind: Kind | None, gateways: Gateways, messages: Sequence[Incoming]) -> float:
    """CPU-seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind is None:
            store = await rolled(await DuckDbStore.open(folder / "series.duckdb"), folder)
            async with running(folder, gateways, store) as made:
                started = time.process_time()
                await made.take(messages)
                return time.process_time() - started
        server = start(kind)
        store = await rolled(kind.store(server.url, HOLD_S), folder)
        async with running(folder, gateways, store) as made:
            used = await measured(server, lambda: made.take(messages))
        server.remove()
        return used


async def bare_store_cost(kind: Kind | None, calls: Sequence[Sequence[SeriesBatch]]) -> float:
    """CPU-seconds."""
    if kind:
        return await bare_cost(kind, map(plain_lines, calls))
    with tempfile.TemporaryDirectory() as name:
        return insert_all(Path(name) / "bare.duckdb", map(plain_columns, calls))


class Row(NamedTuple):
    """Readings per CPU-second of line and bare store, medians of some rounds in turns; and the most memory of a
    process in which the line has worked once, in MiB.
    """

    line: float
    bare: float
    rss_mb: float


async def compare(kind: Kind | None, size: int, readings: int) -> Row:
    gateways = Gateways()
    messages = gateways.bulk(size, readings // size)
    lines, bares = [await line_cost(kind, gateways, messages)], []
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    calls = groups(messages, REQUEST_READINGS_MAX) if kind else groups(messages)
    for _ in range(ROUNDS):
        bares.append(await bare_store_cost(kind, calls))
        lines.append(await line_cost(kind, gateways, messages))
    total = len(messages) * size
    return Row(total / statistics.median(lines), total / statistics.median(bares), rss_mb)


def compare_now(kind: Kind | None, size: int, readings: int) -> Row:
    return asyncio.run(compare(kind, size, readings))


def main(readings: int) -> None:
    table = Table("store", "readings a batch", "line, k/CPU-s", "bare, k/CPU-s", "ratio", "RSS, MB")
    for kind in (None, *KINDS):
        for size in SIZES:
            # A process each: its memory is its own.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                row = pool.submit(compare_now, kind, size, readings).result()
            table.add_row(
                kind.name if kind else "DuckDB",
                f"{size:,}",
                f"{row.line / 1e3:,.0f}",
                f"{row.bare / 1e3:,.0f}",
                f"{row.line / row.bare:.2f}",
                f"{row.rss_mb:.0f}",
            )
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readings", type=int, default=1_280_000)
    main(parser.parse_args().readings)
