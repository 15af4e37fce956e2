"""The contract between a transport to the collector and the gateway's forwarding logic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from telemetry.batch import Stream
from telemetry.topics import Leaf


class Outgoing(NamedTuple):
    """A signed envelope and the leaf of the topic (or path) it goes to."""

    leaf: Leaf
    data: bytes


class Outbox(Protocol):
    """What an uplink carries, and where it brings the answers. Transport-free.

    An uplink to which answers are pushed calls `next`, with one caller at a time. One whose answers come
    only when it asks calls `next_of`, one caller a stream, and perhaps both at the same time.
    """

    async def connected(self, stream: Stream | None = None) -> None:
        """A new connection: everything on loan (of this stream) is free to be sent again."""

    async def next(self) -> Sequence[Outgoing]:
        """Waits for something to send, within the window of unacknowledged batches; never empty."""

    async def next_of(self, stream: Stream) -> Sequence[bytes]:
        """The same of one stream, envelopes only; with `bulk` comes the status. While an answer is due, the
        question for it too, again and again.
        """

    async def answered(self, data: bytes) -> None:
        """An envelope from the collector; a wrong signature is counted and ignored, never raised."""


class Uplink(Protocol):
    """One way to the collector.

    `run` keeps connected until cancelled, with backoff, and moves envelopes both ways. It may lose,
    repeat and reorder: the outbox resends what stays unacknowledged. It raises only for a fault of
    the program.

    `check` connects once and says in a line what it found; raises UplinkError with the reason.
    """

    async def run(self, outbox: Outbox) -> None: ...

    async def check(self) -> str: ...


class UplinkError(Exception):
    """The way to the collector is closed; the message says why."""
