"""One device of a bus as its scheduler sees it: when it is due, how it fares, how it is asked."""

from __future__ import annotations

from typing import Final

import structlog

from device_profiles.modbus import ModbusDecoder, RegisterRead
from edge_agent.counters import DeviceCounters

log = structlog.get_logger()

FAILURES_MAX: Final = 3
"""So many polls in a row without an answer put a device into quarantine."""
PROBE_CYCLES: Final = 10
"""A device in quarantine is asked once in so many cycles."""


class PolledDevice:
    """A configured device. Times are monotonic, in seconds.

    A device that misses FAILURES_MAX polls in a row is quarantined: it is only asked once in
    PROBE_CYCLES of its intervals, so that its time-outs cost its neighbours next to nothing. Its
    first answer brings it back.
    """

    def __init__(
        self,
        decoder: ModbusDecoder,
        *,
        unit: int,
        interval_s: float,
        offset_s: float,
        counters: DeviceCounters,
        driver: str,
    ) -> None:
        self.decoder = decoder
        self.id = decoder.device
        self.unit = unit
        self.interval_s = interval_s
        self.offset_s = offset_s
        self.counters = counters
        self.due_s = 0.0
        self.quarantined = False
        self.plan: list[RegisterRead] = list(decoder.reads)
        """What is asked, in order; a read that the device refused stands here in its parts."""
        self.healthy_polls_at_probe = 0
        self._driver = driver
        self._failures = 0
        self._seen_s: float | None = None
        self._warm_s: float | None = None

    def start(self, now_s: float) -> None:
        """The bus is there (again): the rhythm begins anew, but not for who was silent before."""
        if not self.quarantined:
            self.due_s = now_s + self.offset_s

    def schedule(self, now_s: float) -> None:
        """Sets the next due time. On a bus that cannot keep up every device gets its turn, late."""
        cycles = PROBE_CYCLES if self.quarantined else 1
        due_s = self.due_s + cycles * self.interval_s
        if due_s < now_s:
            self.counters.missed += int((now_s - self.due_s) / self.interval_s)
            due_s = now_s
        self.due_s = max(due_s, now_s + (cycles - 1) * self.interval_s)

    def warming_up(self, now_s: float) -> bool:
        """Whether it was switched on, for all that is known, less than its warm-up time ago."""
        return self._warm_s is None or now_s < self._warm_s

    def answered(self, now_s: float, time_ms: int) -> None:
        """It lives; an exception is an answer too."""
        if self._warm_s is None:
            self._warm_s = now_s + self.decoder.spec.warm_up_s
        if self.quarantined:
            log.info(
                "device answers again",
                driver=self._driver,
                device=self.id,
                silent_s=None if self._seen_s is None else round(now_s - self._seen_s, 1),
            )
        self.quarantined = self.counters.silent = False
        self._failures = 0
        self._seen_s = now_s
        self.counters.last_seen_ms = time_ms

    def failed(self, *, garbled: bool) -> None:
        """A poll without a good answer."""
        if garbled:
            self.counters.garbled += 1
        else:
            self.counters.timeouts += 1
        self._failures += 1
        if self._failures >= FAILURES_MAX and not self.quarantined:
            self.quarantined = self.counters.silent = True
            self.counters.quarantines += 1
            # What comes back after a silence may just have been switched on.
            self._warm_s = None
            log.warning(
                "device silent",
                driver=self._driver,
                device=self.id,
                unit=self.unit,
                missed=self._failures,
                answers="garbled" if garbled else "none",
                next_try_s=round(PROBE_CYCLES * self.interval_s, 1),
            )

    def split(self, read: RegisterRead, parts: tuple[RegisterRead, ...]) -> None:
        """From now on `read` is asked in parts."""
        at = self.plan.index(read)
        self.plan[at : at + 1] = parts
        log.info(
            "device takes a shorter read only",
            driver=self._driver,
            device=self.id,
            refused=str(read),
            asked=", ".join(map(str, parts)),
        )
