"""The contract between a transport's driver and the rest of the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from device_profiles.observations import CheckObservation, TapObservation
from telemetry.readings import Chunk


class Sink(Protocol):
    """Where a driver puts what it read. No call blocks, none raises; the gate stands behind it."""

    def readings(self, chunk: Chunk) -> None:
        """Ambient readings, as many as came together; the chunk belongs to the sink from now on."""

    def check(self, observation: CheckObservation) -> None:
        """A morning check, credential still in clear; it lives in memory only."""

    def tap(self, observation: TapObservation) -> None:
        """A card at a reader, credential still in clear; it lives in memory only."""

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        """Input that gave nothing. `device` is a configured id or "unknown", never part of the input."""


class DeviceReport(NamedTuple):
    """What `campus edge check` says of one device."""

    device: str
    ok: bool
    text: str


class Driver(Protocol):
    """One transport: a broker, a bus, an adapter, a port.

    `run` reads until it is cancelled and owns its reconnects: an absent broker or device is not an
    error but a state, logged once, counted, retried with backoff. It raises only for a fault of the
    program; one that raises or returns before is made anew and started again after 1 s to 5 minutes.
    Bad input goes to `Sink.refused` and delays nothing else. On cancellation it returns when what it
    had begun is handed over.

    `check` connects, waits for each configured device at most `timeout_s` in total and reports them
    one by one as they become known; it changes nothing at the devices.
    """

    @property
    def name(self) -> str: ...

    async def run(self, sink: Sink) -> None: ...

    def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]: ...
