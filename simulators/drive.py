"""One school drives the devices of every transport: what each would measure at this moment.

A transport's simulator asks a `Truth` whenever its device is read or speaks, and needs to know neither
seed, nor plan, nor clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from simulators.arrivals import Tap
from simulators.school import School
from simulators.senses import sense
from simulators.timetable import Timeline
from simulators.world import Device

Truth = Callable[[str], float]
"""From a quantity to its true value now, in the unit of the quantity."""
_NAP_S_MAX: Final = 0.5
LATE_MS_MAX: Final = 2_000


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Drive:
    """A school on a timeline, at the present moment of a clock (ms UTC).

    checks_all_day: pupils come to desks and terminals outside the morning window too. pupil_every_s:
    seconds of wall time between two of them.
    """

    def __init__(
        self,
        school: School,
        timeline: Timeline,
        clock_ms: Callable[[], int] = wall_clock_ms,
        *,
        checks_all_day: bool = True,
        pupil_every_s: float = 4.0,
    ) -> None:
        self.school = school
        self.timeline = timeline
        self.clock_ms = clock_ms
        self.pupil_every_s = pupil_every_s
        self._checks_all_day = checks_all_day

    @property
    def checks_now(self) -> bool:
        """Whether pupils come to a morning check now."""
        return self._checks_all_day or self.school.world.timetable.in_check_window(self.school_ms)

    @property
    def school_ms(self) -> int:
        """What the school's clock says now."""
        return self.timeline.school_ms(self.clock_ms())

    def truth(self, device: Device) -> Truth:
        """What a device of the school measures, whenever it is asked."""

        def now(quantity: str) -> float:
            return sense(self.school.world, device, quantity, self.school_ms)

        return now

    async def taps(self, apart_s: float = 0.2) -> AsyncIterator[Tap]:
        """Cards at the gate, each when the school's clock has come to it; for ever.

        Two are at least `apart_s` of wall time apart, as hands are. Where the school's day runs too
        fast for that, those who come too late to the reader have gone past it.
        """
        for tap in self.school.taps(self.school_ms):
            due_ms = self.timeline.wall_ms(tap.school_ms)
            if due_ms < self.clock_ms() - LATE_MS_MAX:
                continue
            while (wait_ms := due_ms - self.clock_ms()) > 0:  # noqa: ASYNC110  # a clock has no event
                # Short naps: a wall clock may be set while we sleep.
                await asyncio.sleep(min(wait_ms / 1_000, _NAP_S_MAX))
            yield tap
            await asyncio.sleep(apart_s)
