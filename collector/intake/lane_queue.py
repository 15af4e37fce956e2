"""Where envelopes wait for their lane: bounded in number and in bytes, gateways in turns."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from collector.intake.contract import Answer, Incoming

QUEUE_MESSAGES_MAX: Final = 2_000
QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024
GROUP_MESSAGES_MAX: Final = 64


class _Waiting(NamedTuple):
    message: Incoming
    answer: Answer
    since_s: float


class LaneQueue:
    """Any number of intakes put, one lane takes: of each gateway in turn the oldest message, so that who sends
    much waits for himself.
    """

    def __init__(self, messages_max: int = QUEUE_MESSAGES_MAX, bytes_max: int = QUEUE_BYTES_MAX) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._turns: dict[tuple[str, str], deque[_Waiting]] = {}
        """By gateway; the first in the dict is the next. None is empty."""
        self._count = 0
        self._changed = asyncio.Condition()
        self.bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def wait_s(self) -> float:
        """How long what is next has waited: about as long as what comes now will."""
        return time.monotonic() - next(iter(self._turns.values()))[0].since_s if self._turns else 0.0

    async def put(self, messages: Iterable[Incoming], answer: Answer) -> None:
        """Waits whenever the queue is full."""
        async with self._changed:
            for message in messages:
                if not self._has_room():
                    self._changed.notify_all()
                    await self._changed.wait_for(self._has_room)
                place = message.address[:2]
                waiting = _Waiting(message, answer, time.monotonic())
                self._turns.setdefault(place, deque()).append(waiting)
                self._count += 1
                self.bytes += len(message.data)
            self._changed.notify_all()

    async def take(self) -> dict[Answer, list[Incoming]]:
        """What waits, at most a group of it, by where the answers go; waits for the first."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._turns)
            group: dict[Answer, list[Incoming]] = {}
            for _ in range(min(self._count, GROUP_MESSAGES_MAX)):
                message, answer, _ = self._next()
                group.setdefault(answer, []).append(message)
            self._changed.notify_all()
        return group

    def _next(self) -> _Waiting:
        place = next(iter(self._turns))
        waiting = self._turns.pop(place)
        found = waiting.popleft()
        if waiting:
            self._turns[place] = waiting  # behind the others
        self._count -= 1
        self.bytes -= len(found.message.data)
        return found

    def _has_room(self) -> bool:
        return self._count < self._messages_max and self.bytes < self._bytes_max
