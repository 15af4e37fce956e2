"""What goes on beside the store: a round of rolling up every second, a look at retention every hour."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from collector.series.contract import QueryTooLargeError, StoreUnavailableError
from collector.series.duckdb_file import StoreDamagedError
from collector.series.rollups.renewing import Renewal
from collector.series.rollups.retaining import Retainer
from collector.series.rollups.rolling import Roller

ROUND_S: Final = 1.0
RETRY_S: Final = 30.0
SWEEP_S: Final = 3_600.0
"""The first day of points moves for the first time so long after the start: by then the gateways have sent
again what a crash has left unanswered, and it is stored as it would have been.
"""
log = structlog.get_logger()


class Tending:
    """`health`: what troubles roll-ups and retention, in a few words."""

    def __init__(self, roller: Roller, retainer: Retainer, renewal: Renewal) -> None:
        self._roller = roller
        self._retainer = retainer
        self._renewal = renewal
        self._move_at_s = 0.0
        self._forgets = True
        self.health = "ok"

    async def run(self) -> None:
        """Until cancelled; raises only for a fault of the program."""
        self._move_at_s = time.monotonic() + SWEEP_S
        while True:
            pause_s = ROUND_S
            try:
                await self._round()
            except (StoreUnavailableError, QueryTooLargeError) as error:
                if isinstance(error, StoreDamagedError) and self._renewal.due:
                    self.health = self._renewal.words()
                else:
                    if self.health == "ok":
                        log.warning("roll-ups and retention wait for the store", error=str(error))
                    self.health = f"waiting: {error}"
                    pause_s = RETRY_S
            else:
                self.health = self._renewal.words()
            await asyncio.sleep(pause_s)

    async def _round(self) -> None:
        if await self._renewal.renew():
            self._move_at_s = time.monotonic() + SWEEP_S
        self._renewal.rolled(await self._roller.round())
        if time.monotonic() >= self._move_at_s:
            await self._retainer.move()
            self._forgets, self._move_at_s = True, time.monotonic() + SWEEP_S
        if self._forgets:
            await self._retainer.forget()
            self._forgets = False
