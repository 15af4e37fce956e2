"""A school's time that a test sets and speeds up, the same in every process that is told of it."""

from __future__ import annotations

import time
from typing import NamedTuple

from edge_agent.clock import Clock


class Moment(NamedTuple):
    """At `monotonic_s` of this machine it is `school_ms`, and from there time runs `speed` times as fast."""

    school_ms: int
    monotonic_s: float
    speed: float

    def now_ms(self) -> int:
        return self.school_ms + int((time.monotonic() - self.monotonic_s) * 1_000 * self.speed)


class SchoolTime:
    """What the school's clock says; `set` it as often as need be."""

    def __init__(self, school_ms: int) -> None:
        self.moment = Moment(school_ms, time.monotonic(), 1.0)

    def set(self, school_ms: int, speed: float = 1.0) -> Moment:
        self.moment = Moment(school_ms, time.monotonic(), speed)
        return self.moment

    def now_ms(self) -> int:
        return self.moment.now_ms()

    def gateway_clock(self) -> Clock:
        """A clock for a gateway: known, and always the school's."""
        return Clock("system", wall_ms=self.now_ms, monotonic_ms=self.now_ms, boot="week")
