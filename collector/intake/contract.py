"""The contract between a transport's intake and the batch line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Literal, NamedTuple, Protocol

from telemetry.batch import Stream
from telemetry.posting import Place
from telemetry.topics import Address

Answer = Callable[[Address, bytes], Awaitable[None]]
"""Sends a signed acknowledgement (leaf ``ack``) or an offer of a configuration (``config``) back to a
gateway; may lose it, must not raise for that.
"""


class Incoming(NamedTuple):
    """One envelope and where it claims to come from; nothing about it is trusted yet. An address without
    a school stands for a place that is no gateway's.
    """

    address: Address
    data: bytes


Sender = Literal["known", "stranger", "revoked", "unread", "uncertified", "foreign"]
"""Who signed. unread: nobody knows yet, the registry has not been read since the start; uncertified: its
connection shows no certificate, and has to; foreign: it shows one that is not this gateway's.
"""


class Badge(NamedTuple):
    """What a connection shows on which client certificates are asked for. fingerprint: SHA-256 of the one it
    has shown, which our authority has signed; None: none. required: of every gateway, also of those that were
    registered by hand and never got one.
    """

    fingerprint: bytes | None
    required: bool


class Door(Protocol):
    """What an intake asks that answers its senders itself. Cheap: nothing here waits."""

    def recognise(self, place: Place, data: bytes, badge: Badge | None = None) -> Sender:
        """Whether an envelope is signed by the gateway that this place names, and came with its certificate.
        badge: None where nobody is asked for one. May run in a thread.
        """

    def away_s(self, stream: Stream) -> int | None:
        """How long to stay away because a store does; None for who may come in. While a store is away that
        is now and then one, who finds out whether it is back.
        """

    def behind_s(self, stream: Stream) -> int:
        """When to come again after the line had no room."""

    def reply(self, place: Place, data: bytes) -> list[bytes]:
        """The acknowledgements for a question of the kind PENDING; none where there is nothing to tell, or
        it cannot be believed.
        """

    def held(self, place: Place, batches: Iterable[tuple[str, int]]) -> list[bytes]:
        """The acknowledgements for batches, given generation and sequence number, as they are now."""


class Line(Protocol):
    """Verify → decode → authorise → dedupe → commit → acknowledge, for chunks of envelopes."""

    @property
    def door(self) -> Door: ...

    async def greet(self, answer: Answer) -> None:
        """To be called when an intake has begun to listen: tells every gateway to send again what
        it sent while nobody did, rather than wait for its time-out.
        """

    async def submit(self, messages: Sequence[Incoming], answer: Answer) -> None:
        """Takes a chunk over; waits while the line is full, so that the transport slows down.
        Bad messages are counted, logged once and, where the sender is known, answered as rejected.
        """


class Intake(Protocol):
    """One way in. `run` receives until cancelled, reconnects by itself, and raises only for a fault
    of the program.
    """

    @property
    def name(self) -> str: ...

    async def run(self, line: Line) -> None: ...
