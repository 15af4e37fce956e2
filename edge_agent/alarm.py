"""The local alarm: somebody on the spot must know when no collector has heard an urgent event."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import msgspec
import structlog

from edge_agent.buffer.contract import BatchId
from edge_agent.counters import Counters
from foundation.broker import BrokerSettings, Link, keep_connected
from telemetry.batch import Stream
from telemetry.ranges import RangeSet

WATCHED_MAX: Final = 10_000

log = structlog.get_logger()


class LocalAlarm:
    """Watches urgent batches; raises after `after_s` without `received`, clears when all are.

    The alarm is a log line and a retained message on a topic of the local broker: what a siren or
    a lamp subscribes to. It says that there is an alarm and how many events stand behind it, and
    nothing about a person.
    """

    def __init__(self, counters: Counters, *, after_s: float, topic: str) -> None:
        self._counters = counters
        self._after_s = after_s
        self._topic = topic
        self._deadline_s: dict[BatchId, float] = {}
        self._raised: set[BatchId] = set()
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def raised(self) -> bool:
        return bool(self._raised)

    def watch(self, id_: BatchId) -> None:
        """An urgent event is in the buffer; the clock runs from now."""
        if len(self._deadline_s) < WATCHED_MAX:
            self._deadline_s[id_] = asyncio.get_running_loop().time() + self._after_s
            self._wake.set()

    def received(self, stream: Stream, generation: str, sequences: RangeSet) -> None:
        """A collector has these events."""

        def has(id_: BatchId) -> bool:
            return (id_.stream, id_.generation) == (stream, generation) and id_.sequence in sequences

        for id_ in [id_ for id_ in self._deadline_s if has(id_)]:
            del self._deadline_s[id_]
        silenced = {id_ for id_ in self._raised if has(id_)}
        if silenced:
            self._raised -= silenced
            if not self._raised:
                log.info("local alarm cleared: the collector has every urgent event")
            self._changed.set()

    async def run(self) -> None:
        """Raises alarms as they fall due, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now_s = loop.time()
            due = [id_ for id_, deadline_s in self._deadline_s.items() if deadline_s <= now_s]
            for id_ in due:
                del self._deadline_s[id_]
                self._raised.add(id_)
                self._counters.local_alarms += 1
                log.error(
                    "LOCAL ALARM: no collector has received an urgent event",
                    sequence=id_.sequence,
                    after_s=self._after_s,
                )
            if due:
                self._changed.set()
            next_s = min(self._deadline_s.values(), default=now_s + 3_600)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_s):
                    await self._wake.wait()

    async def announce(self, broker: BrokerSettings, client_id: str) -> None:
        """Keeps the alarm topic true, until cancelled."""
        await keep_connected(broker, client_id, self._announce, what="local alarm")

    async def _announce(self, link: Link) -> None:
        self._changed.set()
        published: bytes | None = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            state = "raised" if self._raised else "cleared"
            message = msgspec.json.encode({"state": state, "events": len(self._raised)})
            if message != published:
                await link.publish(self._topic, message, retain=True)
                published = message
