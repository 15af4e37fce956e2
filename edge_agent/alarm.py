"""The local alarm: somebody on the spot must know when no collector has heard an urgent event."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import msgspec
import structlog

from edge_agent.buffer.contract import BatchId
from edge_agent.counters import Counters
from foundation.broker import BrokerSettings, Link, keep_connected, run_together
from telemetry.batch import Stream
from telemetry.ranges import RangeSet

WATCHED_MAX: Final = 10_000
"""Urgent batches told apart; when more wait, the alarm sounds anyway."""

log = structlog.get_logger()


class LocalAlarm:
    """Watches urgent batches; raises after `after_s` without `received`, clears when all are. A batch
    that the disk does not take raises at once. One that the collector has refused, or that had to
    be given up, has been seen by nobody: for it the alarm stays until the gateway is started again.

    The alarm is a log line and a retained message on a topic of the local broker: what a siren or
    a lamp subscribes to. It says that there is an alarm and how many urgent batches stand behind it
    (as "events"), and nothing about a person.
    """

    def __init__(self, counters: Counters, *, after_s: float, topic: str) -> None:
        self._counters = counters
        self._after_s = after_s
        self._topic = topic
        self._deadline_s: dict[BatchId, float] = {}
        self._raised: set[BatchId] = set()
        self._unbuffered = 0
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def raised(self) -> int:
        """How many urgent batches stand behind the alarm; 0: there is none."""
        return len(self._raised) + self._unbuffered

    def watch(self, id_: BatchId) -> None:
        """An urgent event is in the buffer; the clock runs from now."""
        if len(self._deadline_s) + len(self._raised) >= WATCHED_MAX:
            return
        if self._unbuffered:
            self._raised.add(id_)  # it has waited already, and the alarm is on
            return
        self._deadline_s[id_] = asyncio.get_running_loop().time() + self._after_s
        self._wake.set()

    def unbuffered(self, batches: int) -> None:
        """So many urgent batches wait in memory because the disk takes nothing."""
        if batches == self._unbuffered:
            return
        if not self._unbuffered:
            log.error("LOCAL ALARM: the disk does not take an urgent event", batches=batches)
        before, self._unbuffered = self.raised, batches
        self._changed.set()
        self._note_cleared(before)

    def _note_cleared(self, before: int) -> None:
        if before and not self.raised:
            log.info("local alarm cleared: the collector has every urgent event")

    def received(self, stream: Stream, generation: str, sequences: RangeSet) -> None:
        """A collector has these events."""

        def has(id_: BatchId) -> bool:
            return (id_.stream, id_.generation) == (stream, generation) and id_.sequence in sequences

        for id_ in [id_ for id_ in self._deadline_s if has(id_)]:
            del self._deadline_s[id_]
        before = self.raised
        self._raised = {id_ for id_ in self._raised if not has(id_)}
        if self.raised < before:
            self._note_cleared(before)
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
            if due:
                self._counters.local_alarms += len(due)
                log.error(
                    "LOCAL ALARM: no collector has received an urgent event",
                    batches=len(due),
                    sequence=due[0].sequence,
                    after_s=self._after_s,
                )
                self._changed.set()
            next_s = next(iter(self._deadline_s.values()), now_s + 3_600)  # in order: all wait equally long
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_s):
                    await self._wake.wait()

    async def announce(self, broker: BrokerSettings, client_id: str) -> None:
        """Keeps the alarm topic true, until cancelled."""
        await keep_connected(broker, client_id, self._announce, what="local alarm")

    async def _announce(self, link: Link) -> None:
        # A broker that restarts may have forgotten the retained message: the end of the link must show.
        await run_together(alarm_state=self._publish_changes(link), alarm_link=_until_broken(link))

    async def _publish_changes(self, link: Link) -> None:
        self._changed.set()
        published: bytes | None = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            state = "raised" if self.raised else "cleared"
            message = msgspec.json.encode({"state": state, "events": self.raised})
            if message != published:
                await link.publish(self._topic, message, retain=True)
                published = message


async def _until_broken(link: Link) -> None:
    async for _ in link.chunks():
        pass
