"""The contract of an event rule: asked once about every urgent batch, at intake."""

from __future__ import annotations

from collections.abc import Iterable
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
    """Pure: looks at a batch, remembers nothing, asks nobody."""

    def findings(self, body: Body) -> Iterable[Finding]: ...
