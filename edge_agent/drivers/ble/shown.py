"""What `campus edge check` says was heard: values of rooms, and of people only that there are some."""

from __future__ import annotations

import asyncio
from typing import Final

from telemetry.quantities import QUANTITIES, Lane
from telemetry.readings import Chunk, SeriesTable

TOLD_S: Final = 0.2
"""How long values that belong together may take."""


class Shown:
    """A sink that keeps, of each device, words to be shown and reasons of what was refused."""

    def __init__(self, table: SeriesTable) -> None:
        self.told: dict[str, dict[str, str]] = {}
        self.reasons: dict[str, set[str]] = {}
        self._table = table
        self._changed = asyncio.Event()

    def words(self, device: str) -> str:
        return ", ".join(self.told[device].values())

    async def wait(self, working: asyncio.Task[None], wait_s: float) -> None:
        """Until there is something new, the work has ended, or the time is over."""
        waiting = asyncio.create_task(self._changed.wait(), name="shown")
        try:
            await asyncio.wait({waiting, working}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if self._changed.is_set():
                await asyncio.sleep(min(TOLD_S, wait_s))
        finally:
            waiting.cancel()
            self._changed.clear()

    def readings(self, chunk: Chunk) -> None:
        for one in chunk.readings(self._table):
            name = one.series.quantity
            quantity = QUANTITIES.get(name)
            personal = quantity is not None and quantity.lane is Lane.PERSONAL
            words = name if personal else f"{name} {one.value:g}"
            self.told.setdefault(one.series.device, {})[name] = words
        self._changed.set()

    def check(self, observation: object) -> None: ...

    def tap(self, observation: object) -> None: ...

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        del size_bytes
        self.reasons.setdefault(device, set()).add(reason)
