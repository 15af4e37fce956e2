"""The running gateway renews its own certificate, long before it ends; its signing key stays."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from edge_agent.clock import Clock
from edge_agent.config import GatewayConfig
from edge_agent.counters import Counters
from edge_agent.enrolment.certificates import read_certificate
from edge_agent.enrolment.contact import EnrolmentAwayError, EnrolmentRefusedError
from edge_agent.enrolment.rotate import CannotRotateError, Rotated, rotate
from foundation.backoff import Backoff
from foundation.commands import UsageError
from foundation.faults import kind_of, where_of
from foundation.keyfiles import KeyFileError

DAYS_LEFT_MIN: Final = 60.0
"""With less a new one is asked for: every day, if it must be, until somebody notices."""
FIRST_S: Final = 5.0
LOOK_S: Final = 6 * 3_600.0
RETRY_S, RETRY_S_MAX = 900.0, 86_400.0

log = structlog.get_logger()


class Rotate(Protocol):
    async def __call__(
        self, config: GatewayConfig, *, signing_key: bool, now_ms: Callable[[], int]
    ) -> Rotated: ...


class Renewal:
    """Looks at the certificate's end from time to time. Connections take the new one into use when they are
    made anew; the old one is good until then.
    """

    def __init__(
        self, config: GatewayConfig, clock: Clock, counters: Counters, rotate: Rotate = rotate
    ) -> None:
        self._config = config
        self._clock = clock
        self._counters = counters
        self._rotate = rotate
        self._backoff = Backoff(RETRY_S, RETRY_S_MAX)
        self._told = False

    async def run(self) -> None:
        wait_s = random.uniform(0, FIRST_S)  # noqa: S311  # spreads, guards nothing
        while True:
            await asyncio.sleep(wait_s)
            try:
                wait_s = await self.look()
            except Exception as error:  # noqa: BLE001  # a supervising boundary: the certificate is good for weeks yet
                self._counters.certificate_failures["fault"] += 1
                log.error("fault while renewing the certificate", error=kind_of(error), where=where_of(error))
                wait_s = RETRY_S_MAX

    async def look(self) -> float:
        """Renews if it is time to; how many seconds to wait for the next look."""
        file = self._config.collector.certificate_file
        # By a clock that is not known every certificate looks ended, or fresh.
        if file is None or not self._clock.plausible:
            return LOOK_S if file is None else RETRY_S
        try:
            end = (await asyncio.to_thread(read_certificate, file)).not_after
            self._counters.certificate_ends_s = end.timestamp()
            if self._days_left(end) < DAYS_LEFT_MIN:
                done = await self._rotate(self._config, signing_key=False, now_ms=self._clock.now_ms)
                self._counters.certificate_ends_s = done.certificate.not_after.timestamp()
                self._counters.certificate_renewals += 1
                log.info("certificate renewed", until=f"{done.certificate.not_after:%Y-%m-%d}")
        except (EnrolmentRefusedError, EnrolmentAwayError, UsageError, KeyFileError) as error:
            return self._failed(error)
        self._backoff.reset()
        self._told = False
        return LOOK_S * random.uniform(0.5, 1.0)  # noqa: S311  # spreads, guards nothing

    def _days_left(self, end: dt.datetime) -> float:
        return (end.timestamp() - self._clock.now_ms() / 1_000) / 86_400

    def _failed(self, error: Exception) -> float:
        reason = _reason(error)
        self._counters.certificate_failures[reason] += 1
        if reason != "away":
            self._backoff.exhaust()
        delay_s = self._backoff.delay_s()
        report = log.debug if self._told else log.warning
        self._told = True
        report(
            "certificate not renewed, tried again; the one so far stays in use",
            error=str(error),
            retry_s=round(delay_s),
        )
        return delay_s


def _reason(error: Exception) -> str:
    """A word for the counter."""
    if isinstance(error, EnrolmentAwayError):
        return "away"
    if isinstance(error, CannotRotateError):
        return "no_way"
    return "refused" if isinstance(error, EnrolmentRefusedError) else "files"
