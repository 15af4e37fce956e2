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
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare import insert_all, plain_columns, plain_lines
from benchmarks.bench_series_servers import KINDS, Kind, bare_cost, measured, start
from benchmarks.line_rig import Gateways, groups, running
from collector.intake.contract import Incoming
from collector.series.contract import SeriesBatch
from collector.series.duckdb_store import DuckDbStore

SIZES: Final = (500, 5_000)
ROUNDS: Final = 5
REQUEST_READINGS_MAX: Final = 50_000
"""Some 6 MB of lines: InfluxDB takes 25 MB in a request, our stores write up to 8."""
HOLD_S: Final = 1.0
"""How long VictoriaMetrics' blocks are held costs time, not work."""


class Cost(NamedTuple):
    """CPU-seconds."""

    line: float
    bare: float


async def on_duckdb(
    gateways: Gateways, messages: Sequence[Incoming], calls: Sequence[Sequence[SeriesBatch]]
) -> Cost:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = await DuckDbStore.open(folder / "series.duckdb")
        async with running(folder, gateways, store) as made:
            started = time.process_time()
            await made.take(messages)
            line = time.process_time() - started
        return Cost(line, insert_all(folder / "bare.duckdb", map(plain_columns, calls)))


async def on_server(
    kind: Kind, gateways: Gateways, messages: Sequence[Incoming], calls: Sequence[Sequence[SeriesBatch]]
) -> Cost:
    server = start(kind)
    with tempfile.TemporaryDirectory() as name:
        async with running(Path(name), gateways, kind.store(server.url, HOLD_S)) as made:
            line = await measured(server, lambda: made.take(messages))
    server.remove()
    return Cost(line, await bare_cost(kind, map(plain_lines, calls)))


async def compare(kind: Kind | None, size: int, readings: int) -> tuple[float, float]:
    """Readings per CPU-second, medians of some rounds, line and bare store in turns."""
    gateways = Gateways()
    messages = gateways.bulk(size, readings // size)
    calls = groups(messages, REQUEST_READINGS_MAX) if kind else groups(messages)
    costs = [
        await (on_server(kind, gateways, messages, calls) if kind else on_duckdb(gateways, messages, calls))
        for _ in range(ROUNDS)
    ]
    total = len(messages) * size
    return total / statistics.median(one.line for one in costs), total / statistics.median(
        one.bare for one in costs
    )


async def main(readings: int) -> None:
    table = Table("store", "readings a batch", "line, readings/CPU-s", "bare store", "ratio")
    for kind in (None, *KINDS):
        for size in SIZES:
            line, bare = await compare(kind, size, readings)
            name = kind.name if kind else "DuckDB"
            table.add_row(name, f"{size:,}", f"{line:,.0f}", f"{bare:,.0f}", f"{line / bare:.2f}")
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readings", type=int, default=1_280_000)
    asyncio.run(main(parser.parse_args().readings))
