"""The contract of the gateway's buffer: what stands between a reading taken and a reading kept.

Item by item it is a transaction: `append` (durable when it returns), `lease`, then one of `accept`
(the collector has it in its stores), `reject` (the collector will never take it) or `keep` (try
again later). Nothing leaves the buffer in any other way, but for what `append` gives up when the
byte cap is reached, and that is declared as gaps.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple, Protocol

from telemetry.batch import Gap, Stream
from telemetry.quality import ClockQuality
from telemetry.ranges import Range


class Item(NamedTuple):
    """A closed batch as it goes in: an encoded body and what its header will need.

    `clock_offset_ms` is wall time minus the monotonic clock at the moment of stamping, so that a
    batch stamped before the time was known can be corrected later within the same `boot`.
    `alarm` marks an urgent batch for which the local alarm sounds if the collector stays away.
    """

    stream: Stream
    body: bytes
    readings: int
    records: int
    time_base_ms: int
    clock: ClockQuality
    boot: str
    clock_offset_ms: int
    policy: str
    alarm: bool = False


class BatchId(NamedTuple):
    """Names one batch of this gateway for ever."""

    stream: Stream
    generation: str
    sequence: int


class Leased(NamedTuple):
    """A batch on loan to the uplink. `received`: the collector has said so before."""

    id: BatchId
    item: Item
    received: bool


class Removed(NamedTuple):
    """How much an acknowledgement removed; zero for one that came twice."""

    batches: int
    readings: int
    records: int


class BufferStats(NamedTuple):
    """Figures for metrics and the status message. `given_up` counts readings by reason."""

    batches: int
    urgent_batches: int
    size_bytes: int
    oldest_ms: int | None
    given_up: dict[str, int]
    quarantined: int


class BufferFullError(Exception):
    """The disk takes nothing more, not even after old data was given up; nothing was appended."""


class Buffer(Protocol):
    """Order: a stream's sequence numbers rise by one from 1 in every generation.

    A generation begins when the buffer file is new. Batches salvaged from a damaged file keep the
    generation and number they had, so that the collector still recognises them.
    """

    @property
    def generation(self) -> str: ...

    async def append(self, items: Sequence[Item]) -> list[BatchId]:
        """Durable (fsync) when it returns. Over the byte cap it first thins old bulk batches, then
        drops bulk, then urgent ones, then alarms, oldest first, and declares it. Raises BufferFullError.
        """

    async def lease(self, batches_max: int, stream: Stream | None = None) -> list[Leased]:
        """The next batches not on loan: alarms, then urgent, then bulk, oldest first; perhaps none.
        Given a stream, only of that one.
        """

    async def received(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> None:
        """Remembers that the collector has these, so that no alarm sounds for them again."""

    async def accept(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> Removed:
        """Deletes what the collector has stored; unknown numbers are fine (repeated acks)."""

    async def reject(self, id_: BatchId, reason: str) -> Removed:
        """Deletes a batch the collector refused for good and counts its readings as given up."""

    async def erase(self, pseudonyms: Container[str]) -> int:
        """Takes the records of these pseudonyms out of all batches, those on loan too, and out of what
        was put aside as damaged; how many. An emptied batch stays, so that its number still arrives. What
        the uplink has in hand at the moment may still be sent. Raises BufferFullError.
        """

    async def keep(self, ids: Sequence[BatchId] | None = None) -> None:
        """Ends the loan of these batches (of all, for None); they can be leased again."""

    async def unreceived_alarms(self) -> list[BatchId]:
        """Batches with `alarm` that the collector has not received: asked once, at the start."""

    async def gaps(self, limit: int) -> tuple[Gap, ...]:
        """Gaps not yet known to be delivered, oldest first."""

    async def gaps_delivered(self, gaps: Sequence[Gap]) -> None:
        """Forgets gaps that a stored batch carried."""

    def stats(self) -> BufferStats: ...

    async def close(self) -> None: ...
