"""A disk that becomes full and gets room again, with a buffer on it; run as a program of its own.

Usage: fill_the_disk.py DIRECTORY (stuff | limit). `stuff` fills the file system of DIRECTORY with
another file, `limit` lets no file of this process grow. Prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from edge_agent.buffer import BufferFullError, Item, SqliteBuffer
from telemetry.batch import Stream
from telemetry.quality import ClockQuality


def stuff(directory: Path) -> None:
    with (directory / "stuff").open("ab", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def there(path: Path) -> bool:
    return path.with_name(path.name + ".ballast").exists()


def unstuff(directory: Path) -> None:
    (directory / "stuff").unlink()


def limit(directory: Path) -> None:
    largest = max(entry.stat().st_size for entry in directory.iterdir() if "ballast" not in entry.name)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))


def unlimit(_: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def item(number: int, stream: Stream, size: int = 5_000) -> Item:
    body = random.Random(number).randbytes(size)
    return Item(stream, body, 10, 0, number, ClockQuality.SYNCED, "boot", 0, "policy")


async def main(directory: Path, fill: Callable[[Path], None], empty: Callable[[Path], None]) -> None:
    path = directory / "buffer.db"
    buffer = await SqliteBuffer.open(path, bytes_max=10**8, disk_free_bytes_min=0)
    expected = {}
    for number in range(10):
        one = item(number, "urgent")
        (id_,) = await buffer.append([one])
        expected[id_] = one.body
    fill(directory)
    refused = 0
    number = 100
    while refused < 3:
        one = item(number, "bulk", 60_000)
        number += 1
        try:
            (id_,) = await buffer.append([one])
        except BufferFullError:
            refused += 1
        else:
            expected[id_] = one.body
        assert number < 1_000, "never full"
    urgent_there = buffer.stats().urgent_batches
    batches_there = buffer.stats().batches
    survivors = {one.id: one.item.body for one in await buffer.lease(1_000)}
    await buffer.keep()
    assert all(expected[id_] == body for id_, body in survivors.items())
    try:
        removed = (await buffer.accept("urgent", buffer.generation, [(1, 4)])).batches
    except BufferFullError:
        removed = 0
    empty(directory)
    after = [(await buffer.append([item(n, "bulk")]))[0].sequence for n in range(200, 205)]
    stats = buffer.stats()
    gaps = await buffer.gaps(1_000)
    await buffer.close()
    again = await SqliteBuffer.open(path, bytes_max=10**8, disk_free_bytes_min=0)
    rows = len(await again.lease(1_000))
    await again.close()
    print(
        json.dumps(
            {
                "appended_while_full": len(expected) - 10,
                "urgent_there": urgent_there,
                "there": [batches_there, len(survivors)],
                "accepted_while_full": removed,
                "after": after,
                "rows_after_restart": [rows, stats.batches],
                "readings": [
                    stats.batches * 10,
                    sum(gap.readings for gap in gaps),
                    sum(stats.given_up.values()),
                ],
                "appended": 10 * (len(expected) + 5) - 10 * removed,
                "gap_reasons": sorted({gap.reason for gap in gaps}),
                "quarantined": stats.quarantined,
                "ballast": there(path),
            }
        )
    )


MEDIA = {"stuff": (stuff, unstuff), "limit": (limit, unlimit)}
asyncio.run(main(Path(sys.argv[1]), *MEDIA[sys.argv[2]]))
