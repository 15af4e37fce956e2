"""Tells open pages that something has changed: a word, never the data itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Literal

Topic = Literal["alerts", "series", "gateways"]


class Hub:
    """Signals from the batch line to any number of listeners.

    A slow listener misses nothing and costs nothing: signals of one topic that it has not taken yet
    are one signal.
    """

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self.published: Counter[Topic] = Counter()
        """Signals so far: what was made at the same count has missed none."""

    def publish(self, topic: Topic) -> None:
        self.published[topic] += 1
        for listener in self._listeners:
            listener.topics.add(topic)
            listener.wake.set()

    async def listen(self) -> AsyncIterator[frozenset[Topic]]:
        """Topics that have changed since the last time, for ever."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            while True:
                await listener.wake.wait()
                listener.wake.clear()
                topics, listener.topics = frozenset(listener.topics), set()
                yield topics
        finally:
            self._listeners.discard(listener)

    @property
    def listeners(self) -> int:
        return len(self._listeners)


class _Listener:
    def __init__(self) -> None:
        self.topics: set[Topic] = set()
        self.wake = asyncio.Event()
