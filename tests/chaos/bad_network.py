"""A network between gateway and collector that drops, repeats, delays and reorders.

Two brokers, and between them this: batches, urgent events and status go one way, acknowledgements
the other. What it repeats may be old: acknowledgements are true for ever, and batches keep their
names, so neither end may be misled by them.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from foundation.broker import BrokerSettings, Link, connect, run_together

DROPPED: Final = 0.15
REPEATED: Final = 0.2
REPLAYED: Final = 0.1
DELAY_S_MAX: Final = 0.8
REMEMBERED_MAX: Final = 300
UNDER_WAY_MAX: Final = 500


class BadNetwork:
    """Runs in a thread of its own between `with`; `done` counts what it did."""

    def __init__(self, gateways_port: int, collectors_port: int, chance: random.Random) -> None:
        self._ports = gateways_port, collectors_port
        self._chance = chance
        self.done: Counter[str] = Counter()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="bad-network")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._thread.join()

    _end: Callable[[], object]

    async def _run(self) -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._end = partial(loop.call_soon_threadsafe, ended.set)
        near, far = (BrokerSettings(host="127.0.0.1", port=port) for port in self._ports)
        async with connect(near, "network-near") as here, connect(far, "network-far") as there:
            await here.subscribe([f"campus/v1/+/+/{leaf}" for leaf in ("batch", "urgent", "status")])
            await there.subscribe(["campus/v1/+/+/ack"])
            carrying = asyncio.create_task(
                run_together(up=self._carry(here, there), down=self._carry(there, here)), name="carrying"
            )
            self._ready.set()
            await ended.wait()
            carrying.cancel()
            await asyncio.wait({carrying})

    async def _carry(self, source: Link, sink: Link) -> None:
        """One way. Every copy of a message waits for a time of its own, so they arrive in any order."""
        chance, old = self._chance, deque[tuple[str, bytes]](maxlen=REMEMBERED_MAX)
        room = asyncio.Semaphore(UNDER_WAY_MAX)
        async with asyncio.TaskGroup() as group:
            async for messages in source.chunks():
                for message in messages:
                    self.done["carried"] += 1
                    old.append((message.topic, message.payload))
                    for topic, payload in self._fate(message.topic, message.payload, old):
                        await room.acquire()
                        delay_s = chance.uniform(0, DELAY_S_MAX) if chance.random() < 0.5 else 0
                        sending = self._send(sink, topic, payload, delay_s, room)
                        group.create_task(sending, name="copy")

    def _fate(self, topic: str, payload: bytes, old: deque[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        copies = [(topic, payload)]
        if self._chance.random() < DROPPED:
            self.done["dropped"] += 1
            copies = []
        elif self._chance.random() < REPEATED:
            self.done["repeated"] += 1
            copies *= 2
        if self._chance.random() < REPLAYED:
            self.done["replayed"] += 1
            copies.append(self._chance.choice(old))
        return copies

    @staticmethod
    async def _send(sink: Link, topic: str, payload: bytes, delay_s: float, room: asyncio.Semaphore) -> None:
        await asyncio.sleep(delay_s)
        await sink.publish(topic, payload)
        room.release()
