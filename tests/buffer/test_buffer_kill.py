"""kill -9 at random moments, again and again on one file: what was promised is there, once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from edge_agent.buffer import BatchId, Leased, SqliteBuffer

ROUNDS = 50
CHILD = Path(__file__).with_name("append_until_killed.py")
Drain = Callable[[SqliteBuffer], Awaitable[list[Leased]]]


def run_and_kill(path: Path, number: int, lines: int) -> list[str]:
    """Kills the child some time after it has printed so many lines; returns whole lines."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(path), str(number)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child:
        seen = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        seen += child.stdout.read().splitlines(keepends=True)
    assert child.returncode == -9
    return [line.strip() for line in seen if line.endswith("\n")]


def parse(stream: str, generation: str, sequence: str) -> BatchId:
    return BatchId("urgent" if stream == "urgent" else "bulk", generation, int(sequence))


async def test_killed_fifty_times_loses_nothing_and_repeats_nothing(tmp_path: Path, drain: Drain) -> None:
    path = tmp_path / "buffer.db"
    chance = random.Random(20)
    promised: dict[BatchId, str] = {}
    accepting: set[BatchId] = set()
    accepted: set[BatchId] = set()
    for number in range(ROUNDS):
        for line in run_and_kill(path, number, chance.randint(1, 30)):
            match line.split():
                case ["accepting" | "accepted" as word, *id_text]:
                    (accepting if word == "accepting" else accepted).add(parse(*id_text))
                case [*id_text, body]:
                    if id_text:
                        assert parse(*id_text) not in promised, "a number was given twice"
                        promised[parse(*id_text)] = body
    assert len(promised) > ROUNDS
    buffer = await SqliteBuffer.open(path, bytes_max=10**8, disk_free_bytes_min=0)
    found = await drain(buffer)
    stats = buffer.stats()
    await buffer.close()
    ids = [one.id for one in found]
    assert len(set(ids)) == len(ids)
    bodies = {one.id: one.item.body.hex() for one in found}
    assert not accepted & set(ids)
    assert set(promised) - accepting <= set(ids)
    assert all(bodies[id_] == body for id_, body in promised.items() if id_ in bodies)
    # What was durable but not yet printed when the kill came is at most one append a round.
    assert len(set(ids) - set(promised)) <= 3 * ROUNDS
    assert stats.quarantined == 0
    assert stats.given_up == {}
