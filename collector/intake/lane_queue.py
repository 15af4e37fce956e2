"""Where envelopes wait for their lane: bounded in number and in bytes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

from collector.intake.contract import Answer, Incoming

QUEUE_MESSAGES_MAX: Final = 2_000
QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024
GROUP_MESSAGES_MAX: Final = 64


class LaneQueue:
    """Any number of intakes put, one lane takes."""

    def __init__(self, messages_max: int = QUEUE_MESSAGES_MAX, bytes_max: int = QUEUE_BYTES_MAX) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._waiting: deque[tuple[Incoming, Answer, float]] = deque()
        self._changed = asyncio.Condition()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def wait_s(self) -> float:
        """How long what is next has waited: about as long as what comes now will."""
        return time.monotonic() - self._waiting[0][2] if self._waiting else 0.0

    async def put(self, messages: Iterable[Incoming], answer: Answer) -> None:
        """Waits whenever the queue is full."""
        async with self._changed:
            for message in messages:
                if not self._has_room():
                    self._changed.notify_all()
                    await self._changed.wait_for(self._has_room)
                self._waiting.append((message, answer, time.monotonic()))
                self.bytes += len(message.data)
            self._changed.notify_all()

    async def take(self) -> dict[Answer, list[Incoming]]:
        """What waits, at most a group of it, by where the answers go; waits for the first."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting)
            group: dict[Answer, list[Incoming]] = {}
            for _ in range(min(len(self._waiting), GROUP_MESSAGES_MAX)):
                message, answer, _ = self._waiting.popleft()
                self.bytes -= len(message.data)
                group.setdefault(answer, []).append(message)
            self._changed.notify_all()
        return group

    def _has_room(self) -> bool:
        return len(self._waiting) < self._messages_max and self.bytes < self._bytes_max
