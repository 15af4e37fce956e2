"""The contract of rules: pure functions of a batch that find what somebody should know of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from telemetry.batch import Body


class Finding(NamedTuple):
    """What a rule found. `cause` is unique within the batch and the same whenever it is asked again,
    so that a repeated batch raises nothing twice. `value` and `limit` in `unit`. `device`: None for what
    somebody carries. `record_type`: of the record it was found in; None for a reading.
    """

    kind: str
    cause: str
    device: str | None
    place: str
    at_ms: int
    value: float
    unit: str
    limit: float | None = None
    pseudonym: str | None = None
    class_id: str | None = None
    site: str | None = None
    doubtful: bool = False
    record_type: str | None = None


class EventRule(Protocol):
    """Asked once about every urgent batch, at intake, before it is answered as received.

    Pure: looks at a batch, remembers nothing, asks nobody.
    """

    def findings(self, body: Body) -> Iterable[Finding]: ...


class ReadingRule(Protocol):
    """Asked about the readings of every batch before they are stored, urgent ones too; in a thread.

    Pure as well, so it cannot remember that it has told: here `cause` stands for all batches of a gateway,
    and only the first finding of a cause raises an alert. Put the device into it, and the time after which
    it may be told again, such as ``co2-301:2026-09-01``. Findings of readings that are older than an hour
    raise nothing.
    """

    def findings(self, body: Body) -> Iterable[Finding]: ...


class Rules(NamedTuple):
    """The rules of a scenario, or of all of them."""

    events: Sequence[EventRule] = ()
    readings: Sequence[ReadingRule] = ()
