"""What the batch line says to an intake that answers its senders itself, without waiting for anything."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from collector.conditions import OK, Conditions
from collector.intake.contract import Badge, Sender
from collector.intake.lane_queue import LaneQueue
from collector.intake.marks import Marks
from collector.intake.registry import Registry
from collector.records import Mark, StreamKey
from telemetry.ack import FORMAT, RANGES_MAX, Ack, encode_ack
from telemetry.batch import Stream
from telemetry.envelope import Envelope, EnvelopeError, Kind, Signer, open_envelope, verify
from telemetry.posting import Place, PostingError, decode_pending
from telemetry.ranges import Range, RangeSet

AWAY_RETRY_S: Final = 5
"""While a store is away, so often one post is let in to try it."""
BEHIND_S_MAX: Final = 60
_NEEDED: Final[dict[Stream, tuple[str, ...]]] = {
    "urgent": ("records", "registry"),
    "bulk": ("records", "registry", "series"),
}
"""Parts without which a batch is not acknowledged at all: an urgent one is received without the series."""


class LineDoor:
    """The `Door` of the batch line."""

    def __init__(
        self,
        registry: Registry,
        marks: Marks,
        conditions: Conditions,
        queues: dict[Stream, LaneQueue],
        signer: Signer,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._marks = marks
        self._conditions = conditions
        self._queues = queues
        self._signer = signer
        self._clock_s = clock_s
        self._next_try_s: dict[Stream, float] = {}

    def recognise(self, place: Place, data: bytes, badge: Badge | None = None) -> Sender:
        if not self._registry.was_read:
            return "unread"
        try:
            return self._sender(place, open_envelope(data), badge)
        except EnvelopeError:
            return "stranger"

    def _sender(self, place: Place, envelope: Envelope, badge: Badge | None = None) -> Sender:
        found = self._registry.find(envelope.key_id)
        if found is None or (found[0].school, found[0].id) != (place.school, place.gateway):
            return "stranger"
        verify(envelope, found[1])
        if found[0].state != "active":
            return "revoked"
        if badge is None:
            return "known"
        return self._registry.certified(found[0], envelope.key_id, badge)

    def away_s(self, stream: Stream) -> int | None:
        states = self._conditions.as_dict()
        if all(states[part] == OK for part in _NEEDED[stream]):
            return None
        left_s = self._next_try_s.get(stream, 0.0) - self._clock_s()
        if left_s <= 0:
            self._next_try_s[stream] = self._clock_s() + AWAY_RETRY_S
            return None
        return math.ceil(left_s)

    def behind_s(self, stream: Stream) -> int:
        return min(max(math.ceil(self._queues[stream].wait_s), 1), BEHIND_S_MAX)

    def reply(self, place: Place, data: bytes) -> list[bytes]:
        try:
            envelope = open_envelope(data)
            if envelope.kind is not Kind.PENDING or self._sender(place, envelope) != "known":
                return []
            pending = decode_pending(envelope.payload)
        except (EnvelopeError, PostingError):
            return []
        if (pending.school, pending.gateway, pending.stream) != place:
            return []
        return self._acks(place, {pending.generation: pending.ranges})

    def held(self, place: Place, batches: Iterable[tuple[str, int]]) -> list[bytes]:
        by_generation: dict[str, RangeSet] = {}
        for generation, sequence in batches:
            by_generation.setdefault(generation, RangeSet()).add(sequence)
        return self._acks(place, by_generation)

    def _acks(self, place: Place, asked: Mapping[str, Iterable[Range]]) -> list[bytes]:
        found = []
        for generation, ranges in asked.items():
            key = StreamKey(*place, generation)
            stored = self._held(key, "stored", ranges, RANGES_MAX)
            received = self._held(key, "received", ranges, RANGES_MAX - len(stored))
            # An acknowledgement of nothing would be a greeting.
            if stored or received:
                ack = Ack(FORMAT, *key, received=received, stored=stored)
                found.append(self._signer.wrap(Kind.ACK, encode_ack(ack)))
        return found

    def _held(
        self, key: StreamKey, mark: Mark, ranges: Iterable[Range], ranges_max: int
    ) -> tuple[Range, ...]:
        found: list[Range] = []
        for first, last in ranges:
            if len(found) >= ranges_max:
                break
            found += self._marks.held(key, mark, first, last)
        return tuple(found[:ranges_max])
