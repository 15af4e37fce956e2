"""Appends to a buffer file until killed; prints each id once its batch is durable.

Usage: append_until_killed.py FILE ROUND. The body of a batch says which it is.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from edge_agent.buffer import Item, SqliteBuffer
from telemetry.batch import Stream
from telemetry.quality import ClockQuality


async def main(path: Path, number_of_round: int) -> None:
    buffer = await SqliteBuffer.open(path, bytes_max=10**8, disk_free_bytes_min=0)
    for step in itertools.count():
        items = []
        for at in range(1 + step % 3):
            stream: Stream = "urgent" if (step + at) % 4 == 0 else "bulk"
            body = f"{number_of_round}-{step}-{at}-".encode() * (1 + 97 * (step % 5))
            items.append(Item(stream, body, 1, 0, 1, ClockQuality.SYNCED, "boot", 0, "policy"))
        ids = await buffer.append(items)
        lines = [
            f"{id_.stream} {id_.generation} {id_.sequence} {item.body.hex()}\n"
            for id_, item in zip(ids, items, strict=True)
        ]
        sys.stdout.write("".join(lines) + ".\n")
        sys.stdout.flush()
        if step % 7 == 6:
            for id_ in (one.id for one in await buffer.lease(3)):
                for word, call in (("accepting", None), ("accepted", buffer.accept)):
                    if call:
                        await call(id_.stream, id_.generation, [(id_.sequence, id_.sequence)])
                    print(word, *id_, flush=True)


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
