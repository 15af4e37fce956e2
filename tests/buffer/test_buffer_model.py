"""The buffer against a reference model: any order of calls, with restarts in between."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge_agent.buffer import BatchId, Item, SqliteBuffer
from telemetry.batch import Stream
from telemetry.quality import ClockQuality
from telemetry.ranges import Range

STREAMS = st.sampled_from(["bulk", "urgent"])
NUMBERS = st.integers(1, 40)
RANGES = st.lists(st.tuples(NUMBERS, st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=5)
BODIES = st.binary(max_size=6_000)


class Model:
    """What the contract says, in the fewest words."""

    def __init__(self) -> None:
        self.rows: dict[BatchId, Item] = {}
        self.last = {"bulk": 0, "urgent": 0}
        self.loans: set[BatchId] = set()
        self.received: set[BatchId] = set()

    def remove(self, stream: Stream, ranges: list[Range]) -> tuple[int, int, int]:
        gone = {id_ for id_ in self.rows if id_.stream == stream and within(id_, ranges)}
        items = [self.rows.pop(id_) for id_ in gone]
        self.loans -= gone
        return len(items), sum(item.readings for item in items), sum(item.records for item in items)

    def order(self) -> list[BatchId]:
        def key(id_: BatchId) -> tuple[bool, bool, int]:
            return id_.stream == "bulk", id_.stream == "bulk" or not self.rows[id_].alarm, id_.sequence

        return sorted(self.rows, key=key)


def within(id_: BatchId, ranges: list[Range]) -> bool:
    return any(first <= id_.sequence <= last for first, last in ranges)


class BufferMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.given_up = 0
        self._open()
        self.generation = self.buffer.generation

    def _open(self) -> None:
        path = Path(self.directory.name) / "buffer.db"
        self.buffer = self.runner.run(SqliteBuffer.open(path, bytes_max=10**7, disk_free_bytes_min=0))

    @rule(batch=st.lists(st.tuples(STREAMS, BODIES, st.booleans()), min_size=1, max_size=6))
    def append(self, batch: list[tuple[Stream, bytes, bool]]) -> None:
        items = [
            Item(stream, body, len(body), 1, 10**12, ClockQuality.HOLDOVER, "b", -5, "p", alarm)
            for stream, body, alarm in batch
        ]
        ids = self.runner.run(self.buffer.append(items))
        for id_, item in zip(ids, items, strict=True):
            self.model.last[item.stream] += 1
            assert id_ == (item.stream, self.generation, self.model.last[item.stream])
            self.model.rows[id_] = item

    @rule(batches_max=st.integers(0, 8))
    def lease(self, batches_max: int) -> None:
        leased = self.runner.run(self.buffer.lease(batches_max))
        free = [id_ for id_ in self.model.order() if id_ not in self.model.loans][:batches_max]
        assert [one.id for one in leased] == free
        assert [one.item for one in leased] == [self.model.rows[id_] for id_ in free]
        assert [one.received for one in leased] == [id_ in self.model.received for id_ in free]
        self.model.loans |= set(free)

    @rule(stream=STREAMS, numbers=st.none() | st.lists(NUMBERS, max_size=4))
    def keep(self, stream: Stream, numbers: list[int] | None) -> None:
        ids = None if numbers is None else [BatchId(stream, self.generation, number) for number in numbers]
        self.runner.run(self.buffer.keep(ids))
        self.model.loans -= set(self.model.loans if ids is None else ids)

    @rule(stream=STREAMS, ranges=RANGES, times=st.integers(1, 2))
    def accept(self, stream: Stream, ranges: list[Range], times: int) -> None:
        for _ in range(times):
            removed = self.runner.run(self.buffer.accept(stream, self.generation, ranges))
            assert removed == self.model.remove(stream, ranges)

    @rule(stream=STREAMS, ranges=RANGES)
    def receive(self, stream: Stream, ranges: list[Range]) -> None:
        self.runner.run(self.buffer.received(stream, self.generation, ranges))
        self.model.received |= {
            id_ for id_ in self.model.rows if id_.stream == stream and within(id_, ranges)
        }

    @rule(stream=STREAMS, number=NUMBERS)
    def reject(self, stream: Stream, number: int) -> None:
        id_ = BatchId(stream, self.generation, number)
        removed = self.runner.run(self.buffer.reject(id_, "reason"))
        assert removed == self.model.remove(stream, [(number, number)])
        self.given_up += removed.readings

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.buffer.close())
        self._open()
        self.model.loans.clear()
        assert self.buffer.generation == self.generation

    @invariant()
    def figures_agree(self) -> None:
        if not hasattr(self, "buffer"):
            return
        stats, rows = self.buffer.stats(), self.model.rows
        assert stats.batches == len(rows)
        assert stats.urgent_batches == sum(id_.stream == "urgent" for id_ in rows)
        assert stats.size_bytes == sum(len(item.body) + 256 for item in rows.values())
        assert stats.given_up.get("rejected", 0) == self.given_up
        alarms = [id_ for id_ in self.model.order() if rows[id_].alarm and id_ not in self.model.received]
        assert self.runner.run(self.buffer.unreceived_alarms()) == alarms
        assert sum(gap.readings for gap in self.runner.run(self.buffer.gaps(1_000))) == self.given_up

    def teardown(self) -> None:
        if hasattr(self, "buffer"):
            self.runner.run(self.buffer.close())
            self.runner.close()
            self.directory.cleanup()


BufferMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestBufferAgainstModel = BufferMachine.TestCase
