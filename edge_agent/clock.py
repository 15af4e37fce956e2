"""The gateway's clock. A Raspberry Pi boots without knowing the time; readings do not wait for it.

Time stamps are the monotonic clock plus an offset. While the time is not known the offset is a
guess, and every batch remembers the offset it was stamped with; once the time is known, batches
of the same boot that are still in the buffer are shifted by the difference before they are sent.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import structlog

from telemetry.quality import ClockQuality

INTERVAL_S: Final = 5.0
"""Between two looks at the system clock."""
PLAUSIBLE_FROM_MS: Final = 1_767_225_600_000
"""2026-01-01, before which no gateway with this program can have run: an earlier clock is wrong."""

_TIME_ERROR: Final = 5
_STEP_MS: Final = 1_000
"""From what size a change of an untrusted system clock is followed."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_RTC: Final = Path("/sys/class/rtc/rtc0")

log = structlog.get_logger()


def kernel_disciplined() -> bool:
    """Whether the kernel's clock is kept by NTP or the like (adjtimex(2), STA_UNSYNC). False where
    the kernel does not say, as in some containers.
    """
    # struct timex is at most 208 bytes on our platforms; a zeroed one asks without changing.
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    return 0 <= state < _TIME_ERROR


def boot_id() -> str:
    """Changes with every boot of the machine, and only then."""
    return _BOOT_ID.read_text("ascii").strip().replace("-", "")[:16]


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Clock:
    """Wall time in ms UTC with a statement of how far it can be trusted.

    `version` changes whenever stamps before and after must not share a batch.
    """

    def __init__(
        self,
        trust: Literal["auto", "system"] = "auto",
        *,
        disciplined: Callable[[], bool] = kernel_disciplined,
        has_rtc: bool | None = None,
        wall_ms: Callable[[], int] = _wall_ms,
        monotonic_ms: Callable[[], int] = _monotonic_ms,
        boot: str | None = None,
    ) -> None:
        self._trust = trust
        self._disciplined = disciplined
        self._has_rtc = _RTC.exists() if has_rtc is None else has_rtc
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self.boot = boot or boot_id()
        self.version = 0
        self.quality = ClockQuality.UNSYNCED
        self._was_synced = False
        self.offset_ms = wall_ms() - monotonic_ms()
        self.refresh()

    def now_ms(self) -> int:
        return self._monotonic_ms() + self.offset_ms

    @property
    def known(self) -> bool:
        return self.quality is not ClockQuality.UNSYNCED

    @property
    def plausible(self) -> bool:
        """False while even the date is surely wrong."""
        return self.known or self.now_ms() >= PLAUSIBLE_FROM_MS

    def refresh(self) -> None:
        """Looks again at the system clock; to be called every few seconds."""
        quality = self._judge()
        offset_ms = self._wall_ms() - self._monotonic_ms()
        changed = quality is not self.quality
        if quality is ClockQuality.UNSYNCED:
            # Somebody set the date by hand: a better guess, to which older batches can be shifted.
            changed = changed or abs(offset_ms - self.offset_ms) > _STEP_MS
        if changed or quality is not ClockQuality.UNSYNCED:
            self.offset_ms = offset_ms
        if changed:
            self.quality = quality
            self.version += 1

    async def run(self) -> None:
        """Looks again and again; until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            before = self.quality
            self.refresh()
            if self.quality is not before:
                log.info("clock", quality=self.quality.name.lower())

    def _judge(self) -> ClockQuality:
        if self._trust == "system" or self._disciplined():
            self._was_synced = True
            return ClockQuality.SYNCED
        plausible = self._wall_ms() >= PLAUSIBLE_FROM_MS
        if plausible and (self._was_synced or self._has_rtc):
            return ClockQuality.HOLDOVER
        return ClockQuality.UNSYNCED

    def correct(
        self, time_base_ms: int, clock: ClockQuality, boot: str, offset_ms: int
    ) -> tuple[int, ClockQuality]:
        """A batch's time base and clock quality as they should be sent now."""
        if clock is not ClockQuality.UNSYNCED or boot != self.boot:
            return time_base_ms, clock
        quality = ClockQuality.CORRECTED if self.known else ClockQuality.UNSYNCED
        return time_base_ms + self.offset_ms - offset_ms, quality
