"""What goes on beside the store: a round of rolling up every second, a look at retention every hour."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from collector.series.contract import QueryTooLargeError, StoreUnavailableError

if TYPE_CHECKING:
    from collector.series.rollups.store import RolledStore

ROUND_S: Final = 1.0
RETRY_S: Final = 30.0
SWEEP_S: Final = 3_600.0
"""The first day of points moves for the first time so long after the start: by then the gateways have sent
again what a crash has left unanswered, and it is stored as it would have been.
"""
log = structlog.get_logger()


async def tend(store: RolledStore) -> None:
    """Until cancelled; raises only for a fault of the program."""
    move_at_s = time.monotonic() + SWEEP_S
    forget = True
    while True:
        try:
            await store.roller.round()
            if time.monotonic() >= move_at_s:
                await store.retainer.move()
                forget, move_at_s = True, time.monotonic() + SWEEP_S
            if forget:
                await store.retainer.forget()
                forget = False
        except (StoreUnavailableError, QueryTooLargeError) as error:
            if store.health == "ok":
                log.warning("roll-ups and retention wait for the store", error=str(error))
            store.health = f"waiting: {error}"
            await asyncio.sleep(RETRY_S)
        else:
            store.health = "ok"
            await asyncio.sleep(ROUND_S)
