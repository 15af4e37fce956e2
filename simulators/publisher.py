"""Publishes what the simulated devices say, and counts exactly what a broker has taken."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from foundation.backoff import Backoff
from foundation.broker import BrokerSettings, BrokerUnavailableError, Link, keep_connected
from simulators.devices import Message, Simulation
from simulators.mqtt_faults import CONNECTED_MS, Fault, Faults
from simulators.world import Device

AT_ONCE_MAX: Final = 50
"""Publications in flight; more do not make a QoS 1 client faster."""
LATE_MS_MAX: Final = 3_000
"""What could not be published within this time is not said any more: devices keep nothing."""
DRAIN_S_MAX: Final = 3.0
HELD_MAX: Final = 1_000
"""Messages that a fault holds back at the same time; what is more counts as missed."""
_BREATH_S_MAX: Final = 0.5


class Totals:
    """What was published, by device. A message counts once the broker has answered for it."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.readings: Counter[str] = Counter()
        """Readings that the messages give when each is read once."""
        self.checks: Counter[str] = Counter()
        self.fevers = 0
        self.unknown_cards = 0
        self.missed = 0
        """Messages that no broker was there for; they count nowhere else."""
        self.connections = 0
        self.faults: Counter[Fault] = Counter()
        """How often each fault struck: messages, and for "disconnect" connections."""

    def add(self, message: Message) -> None:
        device = message.device.id
        self.messages[device] += 1
        if message.readings:
            self.readings[device] += len(message.readings)
        if message.check is not None:
            self.checks[device] += 1
            self.fevers += message.check.has_fever
            self.unknown_cards += message.check.pupil is None


class _Agenda:
    """Who speaks when, with a look at the next one."""

    def __init__(self, entries: Iterator[tuple[int, Device]]) -> None:
        self._entries = entries
        self.head = next(entries)

    def pop(self) -> tuple[int, Device]:
        head, self.head = self.head, next(self._entries)
        return head


class Publisher:
    """A school's devices on one MQTT connection, QoS 1.

    A message whose answer is lost with its connection is published again after the reconnect:
    subscribers get every counted message at least once, and exactly once while no connection
    breaks. With faults, what is counted is what was sent: a message sent twice counts twice, a
    corrupt one gives no readings.
    """

    def __init__(
        self,
        simulation: Simulation,
        broker: BrokerSettings,
        *,
        faults: Faults | None = None,
        client_id: str = "campus-simulator",
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.simulation = simulation
        self.totals = Totals()
        self._broker = broker
        self._client_id = client_id
        self.clock_ms = clock_ms
        self._waiting: list[Message] = []
        """Due and not yet answered for; at most AT_ONCE_MAX, and what a fault sends twice."""
        self._faults = faults or Faults((), simulation.school.seed)
        self._held: list[tuple[int, int, Message]] = []
        """What a fault holds back: a heap of when it is sent."""
        self._numbers = itertools.count()

    async def run(self, duration_s: float | None = None) -> None:
        """Publishes until cancelled, or for a time. Returns when nothing is in flight any more."""
        start_ms = self.clock_ms()
        end_ms = None if duration_s is None else start_ms + int(duration_s * 1_000)
        agenda = _Agenda(self.simulation.agenda(start_ms))
        done = asyncio.Event()

        async def use(link: Link) -> None:
            self.totals.connections += 1
            await self._publish_until(link, agenda, end_ms)
            done.set()
            await asyncio.Event().wait()

        work = asyncio.create_task(
            keep_connected(
                self._broker,
                self._client_id,
                use,
                what="simulator",
                backoff=Backoff(first_s=0.2, max_s=2.0),
            ),
            name="simulator-connection",
        )
        finished = asyncio.create_task(done.wait(), name="simulator-finished")
        # Without a broker the time still ends, or a run would never return.
        limit_s = None if duration_s is None else duration_s + LATE_MS_MAX / 1_000
        try:
            await asyncio.wait({work, finished}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, finished):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            self.totals.missed += len(self._waiting) + len(self._held)
            self._waiting = []
            self._held = []

    async def _publish_until(self, link: Link, agenda: _Agenda, end_ms: int | None) -> None:
        connected_ms = self.clock_ms()
        while True:
            now_ms = self.clock_ms()
            if "disconnect" in self._faults.kinds and now_ms - connected_ms >= CONNECTED_MS:
                self.totals.faults["disconnect"] += 1
                raise BrokerUnavailableError("the simulator breaks it, as it was told")
            self._collect(agenda, now_ms, end_ms)
            if self._waiting:
                await self._publish(link)
                continue
            if end_ms is not None and agenda.head[0] >= end_ms and now_ms >= end_ms:
                return
            next_ms = min(agenda.head[0], self._held[0][0] if self._held else agenda.head[0])
            pause_s = (next_ms - now_ms) / 1_000
            # Short naps: a wall clock may be set while we sleep.
            await asyncio.sleep(min(max(pause_s, 0.0), _BREATH_S_MAX))

    def _collect(self, agenda: _Agenda, now_ms: int, end_ms: int | None) -> None:
        """Moves what is due from the agenda, and what was held back, to the waiting messages."""
        last_ms = now_ms if end_ms is None else min(now_ms, end_ms - 1)
        while agenda.head[0] <= last_ms and len(self._waiting) < AT_ONCE_MAX:
            due_ms, device = agenda.pop()
            if due_ms < now_ms - LATE_MS_MAX:
                self.totals.missed += 1
            else:
                self._say(self.simulation.message(device, due_ms))
        while self._held and self._held[0][0] <= last_ms and len(self._waiting) < AT_ONCE_MAX:
            self._waiting.append(heapq.heappop(self._held)[2])

    def _say(self, message: Message) -> None:
        """Lets a message wait for the broker, after what the faults make of it."""
        met, sent = self._faults.of(message)
        self.totals.faults.update(met)
        for delay_ms, one in sent:
            if not delay_ms:
                self._waiting.append(one)
            elif len(self._held) < HELD_MAX:
                heapq.heappush(self._held, (message.due_ms + delay_ms, next(self._numbers), one))
            else:
                self.totals.missed += 1

    async def _publish(self, link: Link) -> None:
        """Publishes all that waits; keeps what was not answered for.

        Cancellation waits a little for the answers on their way, so that the count stays exact.
        """
        flight = asyncio.ensure_future(_publish_all(link, self._waiting, self.totals.add))
        try:
            self._waiting = await asyncio.shield(flight)
        except asyncio.CancelledError:
            await asyncio.wait({flight}, timeout=DRAIN_S_MAX)
            if flight.done():
                self._waiting = flight.result()
            flight.cancel()
            raise
        if self._waiting:
            raise BrokerUnavailableError("the connection broke while publishing")


async def _publish_all(
    link: Link, messages: Sequence[Message], answered: Callable[[Message], None]
) -> list[Message]:
    """Publishes messages side by side; returns those that were not answered for."""

    async def one(message: Message) -> bool:
        try:
            await link.publish(message.topic, message.payload)
        except BrokerUnavailableError:
            return False
        answered(message)
        return True

    results = await asyncio.gather(*map(one, messages))
    return [message for message, taken in zip(messages, results, strict=True) if not taken]
