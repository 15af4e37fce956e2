"""Tells open pages that something has changed: a word, never the data itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from typing import Final, Literal, get_args

Topic = Literal["alerts", "series", "gateways"]
TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)


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
            if topic in listener.wanted:
                listener.topics.add(topic)
                listener.wake.set()

    async def listen(self, wanted: Collection[Topic] = TOPICS) -> AsyncIterator[frozenset[Topic]]:
        """Those of these topics that have changed since the last time, for ever."""
        listener = _Listener(frozenset(wanted))
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
    def __init__(self, wanted: frozenset[Topic]) -> None:
        self.wanted = wanted
        self.topics: set[Topic] = set()
        self.wake = asyncio.Event()
