"""kill -9 of VictoriaMetrics under load: what became durable is there, however often it was killed."""

from __future__ import annotations

import asyncio
import os

import pytest

from collector.series.contract import BatchKey, SeriesBatch, SeriesStore, StoreUnavailableError
from collector.series.holding import HOLD_S
from collector.series.server_store import ServerStore
from collector.series.server_wire import Access, ServerWire
from collector.series.victoria import Victoria
from telemetry.batch import Body
from telemetry.readings import SeriesKey
from tests.series.servers import VictoriaServer

T0 = 1_577_836_800_000
READINGS = 200
KILLS = 8 if os.environ.get("CAMPUS_CHAOS") == "long" else 2
KEY = SeriesKey("co2", "air-1", "main/101")


def make_batch(sequence: int) -> SeriesBatch:
    times = [T0 + sequence * READINGS + at for at in range(READINGS)]
    body = Body([KEY], [READINGS], times, [float(sequence)] * READINGS, [0] * READINGS, [])
    return SeriesBatch(BatchKey("example", "gw-1", "bulk", "a", sequence), 0, body)


class Load:
    """Sends batch after batch, again where the store was away, and notes which have become durable."""

    def __init__(self, store: SeriesStore) -> None:
        self.store = store
        self.durable: set[int] = set()
        self.sequence = 0
        self.done = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as waiting:
            while not self.done:
                self.sequence += 1
                waiting.create_task(self._send(self.sequence), name=f"batch-{self.sequence}")
                await asyncio.sleep(0.1)

    async def _send(self, sequence: int) -> None:
        while True:
            try:
                await (await self.store.append([make_batch(sequence)]))
            except StoreUnavailableError:
                await asyncio.sleep(0.2)
            else:
                self.durable.add(sequence)
                return


@pytest.mark.timeout(600)
async def test_nothing_durable_is_lost_by_kill_9() -> None:
    server = VictoriaServer().start()
    store = ServerStore(Victoria(ServerWire(Access(server.url))), hold_s=HOLD_S, held_bytes_max=10_000_000)
    try:
        load = Load(store)
        loading = asyncio.create_task(load.run(), name="load")
        for number in range(KILLS):
            # Young servers lose everything, older ones the last seconds.
            await asyncio.sleep((2.5, 7.0)[number % 2])
            server.kill()
            written = load.sequence
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)
        load.done = True
        await loading
        assert load.durable == set(range(1, load.sequence + 1))
        assert written > 20
        assert store.rewritten > 0
        # Once more, now that all is durable: only the disk counts.
        server.kill()
        server.start()
        [info] = await store.series()
        [answer] = await store.query([info.id], 0, 10**20, step_ms=READINGS, aggregate="max")
        assert answer.counts == [READINGS] * load.sequence
        assert answer.value == [float(number) for number in range(1, load.sequence + 1)]
    finally:
        await store.close()
        server.remove()
