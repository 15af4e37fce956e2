"""One rendering for many pages: what is the same for everybody is made once, not once a page."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

KEEP_S: Final = 0.5
KEYS_MAX: Final = 16

Made = TypeVar("Made")


class _Making(Generic[Made]):
    """One making. `changes` is None until it starts: who asks before that misses nothing."""

    def __init__(self) -> None:
        self.changes: int | None = None
        self.started_s = 0.0
        self.task: asyncio.Task[Made]


class Shared(Generic[Made]):
    """Makes a thing at most once in `KEEP_S` for each key, the last `KEYS_MAX` keys.

    Nobody gets a thing that was begun before the latest change: who asks after a change waits for
    the next making, which all who ask meanwhile share. `changes` counts the changes.
    """

    def __init__(self, changes: Callable[[], int]) -> None:
        self._changes = changes
        self._latest: OrderedDict[Hashable, _Making[Made]] = OrderedDict()
        self.made = 0

    @property
    def keys(self) -> int:
        return len(self._latest)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Made]]) -> Made:
        """Raises what `make` raises."""
        latest = self._latest.get(key)
        if latest is None or not self._is_fresh(latest):
            pause_s = 0.0 if latest is None else latest.started_s + KEEP_S - time.monotonic()
            latest = self._latest[key] = _Making()
            latest.task = asyncio.create_task(self._make(latest, max(0.0, pause_s), make), name="shared")
            latest.task.add_done_callback(_retrieve)
        self._latest.move_to_end(key)
        while len(self._latest) > KEYS_MAX:
            self._latest.popitem(last=False)
        # Another who asks may still wait for it when this one has gone.
        return await asyncio.shield(latest.task)

    def _is_fresh(self, making: _Making[Made]) -> bool:
        if making.changes is None:
            return True
        if making.task.done() and making.task.exception() is not None:
            return False
        return making.changes == self._changes() and time.monotonic() < making.started_s + KEEP_S

    async def _make(self, making: _Making[Made], pause_s: float, make: Callable[[], Awaitable[Made]]) -> Made:
        await asyncio.sleep(pause_s)
        making.changes, making.started_s = self._changes(), time.monotonic()
        self.made += 1
        return await make()


def _retrieve(task: asyncio.Task[Made]) -> None:
    """An error that nobody waits for any more is nobody's."""
    if not task.cancelled():
        task.exception()
