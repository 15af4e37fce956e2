"""kill -9 at random moments: what `append` has answered for is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from collector.series.contract import BatchKey, SeriesBatch
from collector.series.duckdb_store import DuckDbStore
from telemetry.batch import Body
from telemetry.readings import SeriesKey

ROUNDS = 40
READINGS = 20
REPEATED = 5
"""Batches that each round sends once more, as a gateway does that missed the acknowledgement."""


def make_batch(sequence: int) -> SeriesBatch:
    """Batch n has its number for value and time; every third brings a series of its own."""
    keys = [SeriesKey("co2", "air-1", "main/101"), SeriesKey("co2", f"air-{sequence // 3 + 2}", "main/102")]
    body = Body(
        keys,
        [READINGS, 1],
        [sequence] * (READINGS + 1),
        [float(sequence)] * (READINGS + 1),
        [0] * (READINGS + 1),
        [],
    )
    return SeriesBatch(BatchKey("example", "gw-1", "bulk", "a", sequence), 0, body)


# Forks one writer a round, so that the libraries are loaded once. A writer prints the number of each
# batch that append has returned for; in every other round DuckDB checkpoints at every few commits.
FORK_SERVER = """
import asyncio, os, sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

spec = spec_from_file_location("kill_test", sys.argv[1])
module = module_from_spec(spec)
spec.loader.exec_module(module)

async def write(first, checkpoints):
    store = await module.DuckDbStore.open(Path(sys.argv[2]))
    if checkpoints:
        store._file.writer.execute("SET checkpoint_threshold = '8KB'")
    sequence = first
    while True:
        await (await store.append([module.make_batch(sequence), module.make_batch(sequence + 1)]))
        os.write(1, b"%d\\n" % (sequence + 1))
        sequence += 2

for line in sys.stdin:
    first, checkpoints = map(int, line.split())
    child = os.fork()
    if not child:
        asyncio.run(write(first, checkpoints))
    os.write(1, b"pid %d\\n" % child)
    os.write(1, b"dead %d\\n" % os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


@contextmanager
def fork_server(path: Path) -> Iterator[tuple[IO[str], IO[str]]]:
    command = [sys.executable, "-c", FORK_SERVER, __file__, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdin, server.stdout
        server.stdin.close()


def one_life(orders: IO[str], answers: IO[str], first: int, checkpoints: int, appends: int) -> int:
    """Lets a writer live for so many appends and a moment; returns the last batch answered for."""
    orders.write(f"{first} {checkpoints}\n")
    orders.flush()
    pid = answered = 0
    for line in answers:
        if line.startswith("dead"):
            assert int(line.split()[1]) == signal.SIGKILL
            break
        if line.startswith("pid"):
            pid = int(line.split()[1])
        else:
            answered = int(line)
            appends -= 1
        if appends <= 0 and pid:
            # Some part of the next append, in steps of the processor: no clock is asked.
            sum(range(random.randrange(100_000)))
            os.kill(pid, signal.SIGKILL)
            pid = 0
    return answered


async def test_nothing_answered_for_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "series.duckdb"
    answered = 0
    with fork_server(path) as (orders, answers):
        for number in range(ROUNDS):
            first = max(1, answered + 1 - REPEATED)
            life = one_life(orders, answers, first, number % 2, random.randrange(12))
            answered = max(answered, life)
    assert answered >= ROUNDS

    store = await DuckDbStore.open(path)
    [points] = await store.query([1], 0, 10**9)
    copies = Counter(points.value)
    assert set(copies.values()) == {READINGS}
    assert set(range(1, answered + 1)) <= {int(value) for value in copies}

    before = await store.series(), await store.point_count()
    assert before[1] == len(copies) * (READINGS + 1)
    await store.append([make_batch(int(value)) for value in copies])
    assert (await store.series(), await store.point_count()) == before
    await store.close()
