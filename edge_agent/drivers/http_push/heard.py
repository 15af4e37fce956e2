"""What `check` hears: who posted and what came of it, without values about people."""

from __future__ import annotations

import asyncio
from typing import Final

from telemetry.readings import Chunk, SeriesTable

WAITING_MAX: Final = 1_000


class Heard:
    """A sink that keeps what is to be shown."""

    def __init__(self, table: SeriesTable) -> None:
        self._table = table
        self._told: list[str] = []
        self._posts: asyncio.Queue[tuple[str, str]] = asyncio.Queue(WAITING_MAX)
        self.reasons: dict[str, str] = {}

    def readings(self, chunk: Chunk) -> None:
        self._told += [f"{one.series.quantity} {one.value:g}" for one in chunk.readings(self._table)]

    def check(self, observation: object) -> None:
        del observation
        self._told.append("a morning check")

    def tap(self, observation: object) -> None:
        del observation
        self._told.append("somebody at a door")

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        del size_bytes
        self.reasons[device] = reason

    def posted(self, device: str) -> None:
        """A device's post has been read."""
        text = ", ".join(dict.fromkeys(self._told)) or (
            "" if device in self.reasons else "it posts; nothing to read in it yet"
        )
        self._told.clear()
        if not self._posts.full():
            self._posts.put_nowait((device, text))

    async def next(self) -> tuple[str, str]:
        """A device that has posted, and what; nothing where it gave nothing."""
        return await self._posts.get()
