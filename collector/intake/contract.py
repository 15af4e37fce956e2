"""The contract between a transport's intake and the batch line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from telemetry.topics import Address

Answer = Callable[[Address, bytes], Awaitable[None]]
"""Sends a signed acknowledgement back to a gateway; may lose it, must not raise for that."""


class Incoming(NamedTuple):
    """One envelope and where it claims to come from; nothing about it is trusted yet. An address without
    a school stands for a place that is no gateway's.
    """

    address: Address
    data: bytes


class Line(Protocol):
    """Verify → decode → authorise → dedupe → commit → acknowledge, for chunks of envelopes."""

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
