"""How soon an alert is there while the bulk lane is kept full.

    python benchmarks/bench_alerts.py [--alerts N]

With DuckDB: the time from an urgent batch's submit to the hub's signal, and to its alert being found in the records
database.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.line_rig import Gateways, running
from collector.series.duckdb_store import DuckDbStore


async def alert_times(alerts: int, size: int) -> tuple[list[float], list[float], float]:
    """Seconds to the hub's signal and to the alert in the database, and bulk readings/s meanwhile."""
    gateways = Gateways()
    messages = gateways.bulk(size, 8_000_000 // size)
    signals: list[float] = []
    visible: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        store = await DuckDbStore.open(Path(name) / "series.duckdb")
        async with running(Path(name), gateways, store) as made:
            flooding = asyncio.create_task(made.line.submit(messages, made.answer), name="flood")
            listening = made.hub.listen()
            await made.until_stored(1)
            started, before = time.perf_counter(), made.stored
            for sequence in range(1, alerts + 1):
                if flooding.done() and made.stored == len(messages):
                    break
                submitted = time.perf_counter()
                await made.line.submit([gateways.fever(sequence)], made.answer)
                while "alerts" not in await anext(listening):
                    pass
                signals.append(time.perf_counter() - submitted)
                while not (found := await made.records.find_alerts(limit=1)) or found[0].id < sequence:
                    pass
                visible.append(time.perf_counter() - submitted)
            rate = (made.stored - before) * size / (time.perf_counter() - started)
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
            await listening.aclose()  # type: ignore[attr-defined]  # an async generator
    return signals, visible, rate


def percentile(seconds: Sequence[float], share: float) -> str:
    return f"{float(np.quantile(seconds, share)) * 1000:.1f} ms"


async def main(alerts: int) -> None:
    table = Table("bulk meanwhile", "alerts", "signal p50", "p99", "in the records p50", "p99")
    for size in (500, 5_000):
        signals, visible, rate = await alert_times(alerts, size)
        shares = [percentile(found, share) for found in (signals, visible) for share in (0.5, 0.99)]
        table.add_row(f"{size:,} × {rate:,.0f} readings/s", f"{len(signals)}", *shares)
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--alerts", type=int, default=300)
    asyncio.run(main(parser.parse_args().alerts))
