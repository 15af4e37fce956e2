"""What records cost in the records database, on SQLite and on PostgreSQL, and what of it is sealing.

    python benchmarks/bench_records.py [--records N]

Batches of ten morning checks, or of sixty heart-rate windows, are written as the line writes them: ten
batches a transaction, looked up first, durable on return. Records per second of this process's CPU, with
the columns sealed and, in the same process, with a keyring that seals nothing; then how long reading
takes, and the bytes on disk a record. PostgreSQL's own CPU is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, select, text

# The servers that the tests start.
sys.path.insert(0, str(Path(__file__).parents[1]))

from collector.records import Records, StreamKey, personal
from collector.records.sealing import Keyring, attach
from collector.records.tables import RECORD_TABLES
from foundation import logs
from telemetry.quality import ClockQuality
from telemetry.records import HeartRateWindow, MorningCheck, Record, name_of
from tests.postgresql import running_postgresql

BATCHES: Final = 10
"""In one transaction."""
ROUNDS: Final = 3
PSEUDONYM: Final = "7K3M9PXA2QH5RT8WZ4CB6DFG1E"


class Clear(Keyring):
    """Seals nothing: what is left is the price of the rest."""

    def seal(self, plain: bytes, about: str) -> bytes:  # noqa: ARG002  # bound to nothing
        return plain

    def open(self, sealed: bytes, about: str) -> bytes:  # noqa: ARG002  # as above
        return sealed


class Cost(NamedTuple):
    """Records written and read per CPU-second, and bytes on disk a record."""

    written: float
    read: float
    size: float


def batch(kind: type[Record], now_ms: int) -> list[Record]:
    if kind is MorningCheck:
        return [
            MorningCheck(now_ms, "station-gate", "gate/east", "forehead", 36.4, 21.0, (), PSEUDONYM, "3-2")
        ] * 10
    return [HeartRateWindow(now_ms, "sports", 141.5, 130.0, 152.0, 15, 0.97, 0.0, PSEUDONYM, "3-2")] * 60


def measure(where: Path | str, kind: type[Record], count: int, *, sealed: bool) -> Cost:
    records = Records.open(where, Ed25519PrivateKey.generate())
    if not sealed:
        clear = Clear()
        clear.current = records.keyring.current
        attach(records._engine, clear)  # noqa: SLF001  # the one place where it can be taken away
    now_ms = time.time_ns() // 1_000_000
    some = batch(kind, now_ms)
    table = RECORD_TABLES[name_of(some[0])]
    before = size_of(records, table.name)
    groups = count // len(some) // BATCHES
    started = time.process_time()
    for group in range(groups):
        rows = [
            personal.rows_of(
                StreamKey("bench", "gw-1", "urgent", "g"), group * BATCHES + n, ClockQuality.SYNCED, some
            )
            for n in range(BATCHES)
        ]
        records.run_now(partial(personal.add, batches=rows, now_ms=now_ms))
    written = groups * BATCHES * len(some)
    wrote_s = time.process_time() - started
    started = time.process_time()
    found = records.look_now(lambda connection: len(connection.execute(select(table)).all()))
    read_s = time.process_time() - started
    assert found == written
    size = size_of(records, table.name) - before
    records.close_now()
    return Cost(written / wrote_s, written / read_s, size / written)


def size_of(records: Records, table: str) -> float:
    def ask(connection: Connection) -> float:
        if connection.dialect.name == "sqlite":
            query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        else:
            query = f"SELECT pg_total_relation_size('{table}')"
        return float(connection.scalar(text(query)) or 0)

    return records.look_now(ask)


@contextlib.contextmanager
def places() -> Iterator[dict[str, Callable[[], Path | str]]]:
    with tempfile.TemporaryDirectory() as folder, running_postgresql() as server:
        numbers = iter(range(1_000))
        yield {
            "SQLite": lambda: Path(folder) / f"{next(numbers)}.db",
            "PostgreSQL": server.new_database,
        }


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def main(count: int) -> None:
    logs.configure("error", "auto")
    table = Table("database", "records", "columns", "written/CPU-s", "read/CPU-s", "bytes each")
    with places() as found:
        for name, make in found.items():
            for kind in (MorningCheck, HeartRateWindow):
                costs: dict[bool, list[Cost]] = {True: [], False: []}
                for _ in range(ROUNDS):
                    for sealed, some in costs.items():
                        some.append(measure(make(), kind, count, sealed=sealed))
                for sealed, some in costs.items():
                    cost = median(some)
                    words = "sealed" if sealed else "clear"
                    table.add_row(
                        name,
                        kind.__name__,
                        words,
                        f"{cost.written:,.0f}",
                        f"{cost.read:,.0f}",
                        f"{cost.size:.0f}",
                    )
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=12_000)
    main(parser.parse_args().records)
