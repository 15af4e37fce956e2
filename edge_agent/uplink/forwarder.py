"""The transport-free half of the uplink: what to send next, and what an answer means.

A full disk can refuse any change of the buffer. That ends nothing here: it is logged once and
counted, and the same change comes again with the next poll or, as the batch stays unanswered and is
sent again, with the next answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_agent.alarm import LocalAlarm
from edge_agent.buffer.contract import BatchId, Buffer, BufferFullError, Leased
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.uplink.contract import Outgoing
from edge_agent.uplink.questions import Questions
from foundation.logs import FirstOnly
from telemetry.ack import Ack, AckError, decode_ack
from telemetry.batch import FORMAT, GAPS_MAX, Gap, Header, Stream, encode_payload, shift_records
from telemetry.envelope import Envelope, EnvelopeError, Kind, Signer, open_envelope, verify
from telemetry.ranges import RangeSet
from telemetry.status import Status, encode_status

URGENT_RESERVE: Final = 8
"""Urgent batches that may be on their way although the window is full."""
POLL_S: Final = 1.0

log = structlog.get_logger()


@dataclass
class _Flight:
    sent_s: float
    gaps: tuple[Gap, ...]


class Forwarder:
    """The outbox of the uplink: leases, signs, resends what stays unacknowledged, takes answers."""

    def __init__(
        self,
        *,
        school: str,
        gateway: str,
        buffer: Buffer,
        clock: Clock,
        signer: Signer,
        collector_key: Ed25519PublicKey,
        counters: Counters,
        alarm: LocalAlarm,
        status: Callable[[], Status],
        window_batches: int,
        resend_s: float,
        late_after_s: float,
        status_interval_s: float,
        offered: Callable[[Envelope], None] | None = None,
    ) -> None:
        """offered: looks at configurations from the collector, and at their signatures."""
        self._school = school
        self._gateway = gateway
        self._buffer = buffer
        self._clock = clock
        self._signer = signer
        self._collector_key = collector_key
        self._counters = counters
        self._alarm = alarm
        self._status = status
        self._offered = offered
        self._questions = Questions(school, gateway, signer, resend_s)
        self._next_status_s = 0.0
        self.tune(
            window_batches=window_batches,
            resend_s=resend_s,
            late_after_s=late_after_s,
            status_interval_s=status_interval_s,
        )
        self._flights: dict[BatchId, _Flight] = {}
        self._leasing = asyncio.Lock()
        self._wakes: dict[Stream | None, asyncio.Event] = {
            stream: asyncio.Event() for stream in (None, "urgent", "bulk")
        }
        self._answered = asyncio.Event()
        self._reported = FirstOnly()
        self.answered_s: float | None = None
        """When the collector was heard last, monotonic."""

    def tune(
        self, *, window_batches: int, resend_s: float, late_after_s: float, status_interval_s: float
    ) -> None:
        """How batches are handed over from now on; what is on its way stays so."""
        self._window_batches = window_batches
        self._resend_s = self._questions.resend_s = resend_s
        self._late_after_ms = late_after_s * 1000
        self._status_interval_s = status_interval_s

    def tell_status(self) -> None:
        """The next status goes out at once."""
        self._next_status_s = 0.0
        self.wake()

    def wake(self) -> None:
        """There is something new to send, or room to send it."""
        for event in self._wakes.values():
            event.set()

    async def connected(self, stream: Stream | None = None) -> None:
        if stream != "urgent":
            self._next_status_s = 0.0
        await self._resend_all(stream)

    async def _resend_all(self, stream: Stream | None = None) -> None:
        """Nothing under way (of this stream) is believed to arrive any more."""
        lost = [id_ for id_ in self._flights if stream in {None, id_.stream}]
        self._counters.batches_unanswered += len(lost)
        for id_ in lost:
            del self._flights[id_]
        await self._buffer.keep(lost if stream else None)
        self.wake()

    async def next(self) -> Sequence[Outgoing]:
        return await self._next(None)

    async def next_of(self, stream: Stream) -> Sequence[bytes]:
        return [one.data for one in await self._next(stream)]

    async def _next(self, stream: Stream | None) -> list[Outgoing]:
        wake = self._wakes[stream]
        while True:
            wake.clear()
            outgoing = await self._batches(stream)
            if stream != "urgent" and self._now_s() >= self._next_status_s:
                self._next_status_s = self._now_s() + self._status_interval_s
                payload = encode_status(self._status())
                outgoing.append(Outgoing("status", self._signer.wrap(Kind.STATUS, payload)))
            if stream is not None:
                outgoing += self._ask(stream)
            if outgoing:
                return outgoing
            try:
                async with asyncio.timeout(POLL_S):
                    await wake.wait()
            except TimeoutError:
                continue

    def _ask(self, stream: Stream) -> list[Outgoing]:
        flights = ((id_, flight.sent_s) for id_, flight in self._flights.items())
        return list(self._questions.due(stream, flights, self._now_s()))

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    async def _batches(self, stream: Stream | None = None) -> list[Outgoing]:
        try:
            async with self._leasing:
                await self._expire()
                return [self._pack(leased, gaps) for leased, gaps in await self._lease(stream)]
        except BufferFullError as error:
            self._note_full(error)
            return []

    def _note_full(self, error: BufferFullError) -> None:
        self._counters.disk_full += 1
        if self._reported.first("disk full"):
            log.error("buffer cannot be changed, tried again later", error=str(error))

    async def _expire(self) -> None:
        """Frees batches whose acknowledgement is overdue, so that they are sent again."""
        before_s = self._now_s() - self._resend_s
        overdue = [id_ for id_, flight in self._flights.items() if flight.sent_s < before_s]
        if overdue:
            for id_ in overdue:
                del self._flights[id_]
            self._counters.batches_unanswered += len(overdue)
            if self._reported.first("no answer"):
                log.warning(
                    "collector does not answer; batches are kept and sent again", after_s=self._resend_s
                )
            await self._buffer.keep(overdue)

    async def _lease(self, stream: Stream | None) -> list[tuple[Leased, tuple[Gap, ...]]]:
        """What may be sent now: urgent batches first, and with the first batch all pending gaps, again
        and again until a batch that carried them is stored.
        """
        room = self._window_batches - len(self._flights)
        # Bulk readings wait until the time is known; urgent ones never do.
        bulk_room = max(room, 0) if self._clock.plausible and stream != "urgent" else 0
        flying = sum(id_.stream == "urgent" for id_ in self._flights)
        waiting = 0 if stream == "bulk" else self._buffer.stats().urgent_batches - flying
        urgent_room = min(waiting, room + URGENT_RESERVE)
        if max(bulk_room, urgent_room) <= 0:
            return []
        leased = await self._buffer.lease(max(bulk_room, urgent_room), stream)
        taken = [one for at, one in enumerate(leased) if at < bulk_room or one.id.stream == "urgent"]
        try:
            gaps = await self._buffer.gaps(GAPS_MAX) if taken else ()
        except BufferFullError:
            await self._buffer.keep([one.id for one in leased])
            raise
        if len(taken) < len(leased):
            await self._buffer.keep([one.id for one in leased if one not in taken])
        return [(one, gaps if at == 0 else ()) for at, one in enumerate(taken)]

    def _pack(self, leased: Leased, gaps: tuple[Gap, ...]) -> Outgoing:
        item, id_ = leased.item, leased.id
        base_ms, clock = self._clock.correct(item.time_base_ms, item.clock, item.boot, item.clock_offset_ms)
        shift_ms = base_ms - item.time_base_ms
        body = shift_records(item.body, shift_ms) if shift_ms and item.records else item.body
        header = Header(
            format=FORMAT,
            school=self._school,
            gateway=self._gateway,
            stream=id_.stream,
            generation=id_.generation,
            sequence=id_.sequence,
            time_base_ms=base_ms,
            clock=clock,
            boot=item.boot,
            policy=item.policy,
            readings=item.readings,
            records=item.records,
            late=self._clock.now_ms() - base_ms > self._late_after_ms,
            gaps=gaps,
        )
        self._flights[id_] = _Flight(self._now_s(), gaps)
        self._counters.batches_sent += 1
        envelope = self._signer.wrap(Kind.BATCH, encode_payload(header, body))
        return Outgoing("urgent" if id_.stream == "urgent" else "batch", envelope)

    async def answered(self, data: bytes) -> None:
        try:
            envelope = open_envelope(data)
            if envelope.kind is Kind.CONFIGURATION and self._offered is not None:
                self._offered(envelope)
                return
            ack = self._open(envelope)
        except (EnvelopeError, AckError) as error:
            self._counters.acks_refused += 1
            if self._reported.first(str(error)):
                log.warning("answer refused; is collector.public_key right?", error=str(error))
            return
        self.answered_s = self._now_s()
        try:
            await self._apply(ack)
            if self._reported.forget("disk full"):
                log.info("buffer can be changed again")
        except BufferFullError as error:
            self._note_full(error)
        self.wake()
        self._answered.set()

    async def drained(self) -> None:
        """Waits until the collector has everything that is in the buffer."""
        while self._buffer.stats().batches:
            self._answered.clear()
            await self._answered.wait()

    def _open(self, envelope: Envelope) -> Ack:
        if envelope.kind is not Kind.ACK:
            raise EnvelopeError(f"an answer of kind {envelope.kind.name}")
        ack = decode_ack(verify(envelope, self._collector_key))
        if (ack.school, ack.gateway) != (self._school, self._gateway):
            raise AckError("an answer for another gateway")
        return ack

    async def _apply(self, ack: Ack) -> None:
        if ack.is_greeting:
            await self._resend_all()
            return
        if self._reported.forget("no answer"):
            log.info("collector answers again")
        stream, generation = ack.stream, ack.generation
        self._alarm.received(stream, generation, RangeSet((*ack.received, *ack.stored)))
        if ack.stored:  # before the rest: on a full disk it makes room
            removed = await self._buffer.accept(stream, generation, ack.stored)
            self._counters.readings_stored += removed.readings
            self._counters.records_stored += removed.records
            await self._land(stream, generation, RangeSet(ack.stored))
        if ack.received:
            await self._buffer.received(stream, generation, ack.received)
        for one in ack.rejected:
            # The local alarm stays: nobody at the collector has seen the event.
            id_ = BatchId(stream, generation, one.sequence)
            await self._buffer.reject(id_, one.reason)
            self._flights.pop(id_, None)

    async def _land(self, stream: str, generation: str, stored: RangeSet) -> None:
        landed = [
            id_
            for id_ in self._flights
            if (id_.stream, id_.generation) == (stream, generation) and id_.sequence in stored
        ]
        delivered = [gap for id_ in landed for gap in self._flights.pop(id_).gaps]
        if delivered:
            await self._buffer.gaps_delivered(delivered)
