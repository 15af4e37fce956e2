"""Whether this machine's clock can be believed: a wrong one must neither refuse good readings nor delete
what is not due.

Witnesses are the gateways: each says in its signed status what time it is and how far its own clock can be
trusted. Without witnesses a clock is believed while it runs on without a jump, and from a start that lies not
far behind what is in the database. After a jump nothing is deleted for a day, unless witnesses agree: a
machine that was switched off over the summer is right, one whose battery is empty is not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final

from collector.intake.objections import PLAUSIBLE_FROM_MS
from collector.overview import Overview
from telemetry.quality import ClockQuality

DIFFERENCE_MS_MAX: Final = 3_600_000
"""Gateways differ by seconds; an hour is a wrong time zone or a wrong clock."""
WITNESS_AGE_MS_MAX: Final = 10 * 60_000
AWAY_MS_MAX: Final = 30 * 86_400_000
"""A longer time without data before a start is taken for a jump."""
PATIENCE_S: Final = 86_400.0


class ClockWatch:
    """Looks at the clock whenever it is asked; from one thread."""

    def __init__(
        self, overview: Overview, now_ms: Callable[[], int], monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._overview = overview
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._offset_ms = self._wall_less_monotonic_ms()
        self._patient_until_s = float("-inf")

    def start(self) -> None:
        """To be called once the overview knows when data came last."""
        last_ms = self._overview.last_data_ms
        if last_ms is not None:
            away_ms = self._now_ms() - last_ms
            if not -DIFFERENCE_MS_MAX <= away_ms <= AWAY_MS_MAX:
                self._be_patient()

    @property
    def is_believed(self) -> bool:
        """Whether by this clock something may be deleted, or another clock be called fast."""
        if self._now_ms() < PLAUSIBLE_FROM_MS:
            return False
        offset_ms = self._wall_less_monotonic_ms()
        if abs(offset_ms - self._offset_ms) > DIFFERENCE_MS_MAX:
            self._be_patient()
        self._offset_ms = offset_ms
        difference_ms = self._difference_ms()
        if difference_ms is None:
            return self._monotonic_s() >= self._patient_until_s
        return abs(difference_ms) <= DIFFERENCE_MS_MAX

    def words(self) -> str:
        """For /healthz: "ok", or what is wrong."""
        if self._now_ms() < PLAUSIBLE_FROM_MS:
            return "this machine does not know the time"
        difference_ms = self._difference_ms()
        if difference_ms is not None and abs(difference_ms) > DIFFERENCE_MS_MAX:
            hours = round(abs(difference_ms) / 3_600_000)
            return f"{'behind' if difference_ms > 0 else 'ahead of'} the gateways' clocks by {hours} h"
        if not self.is_believed:
            return "has jumped; nothing is deleted for a day, or until a gateway's clock agrees"
        return "ok"

    def _be_patient(self) -> None:
        self._patient_until_s = self._monotonic_s() + PATIENCE_S

    def _wall_less_monotonic_ms(self) -> float:
        return self._now_ms() - self._monotonic_s() * 1_000

    def _difference_ms(self) -> float | None:
        """How far the witnesses are ahead of us, in the middle; None without any."""
        now_ms = self._now_ms()
        found = [
            seen.status.time_ms - seen.status_ms
            for seen in self._overview.all()
            if seen.status is not None
            and seen.status_ms is not None
            and seen.status.clock is ClockQuality.SYNCED
            and 0 <= now_ms - seen.status_ms <= WITNESS_AGE_MS_MAX
        ]
        return statistics.median(found) if found else None
