"""Which decoders a topic is for: MQTT topic filters with + and # in a tree, answers cached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CACHE_TOPICS_MAX: Final = 4_096


class Listener(Protocol):
    """Whoever listens to topics; `device_profiles.decoder.DeviceDecoder` does."""

    @property
    def topics(self) -> tuple[str, ...]: ...


L = TypeVar("L", bound=Listener)


class _Node:
    __slots__ = ("children", "here", "many")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.here: list[int] = []
        self.many: list[int] = []


class Router(Generic[L]):
    """Routes topics to the listeners whose filters match (MQTT 5, section 4.7)."""

    def __init__(self, listeners: Iterable[L]) -> None:
        self._listeners = tuple(listeners)
        self._root = _Node()
        self._cache: dict[str, tuple[L, ...]] = {}
        for at, listener in enumerate(self._listeners):
            for topic_filter in listener.topics:
                self._insert(topic_filter, at)

    @property
    def filters(self) -> list[str]:
        """What to subscribe to: every filter once, in the order of the listeners."""
        return list(dict.fromkeys(one for listener in self._listeners for one in listener.topics))

    def match(self, topic: str) -> tuple[L, ...]:
        """Every listener for a topic once, in the order in which they were given."""
        found = self._cache.get(topic)
        if found is None:
            levels = topic.split("/")
            found = tuple(self._listeners[at] for at in sorted(set(self._find(self._root, levels, 0))))
            if len(self._cache) >= CACHE_TOPICS_MAX:
                # Starting over is rare and needs no book-keeping on the hot path.
                self._cache.clear()
            self._cache[topic] = found
        return found

    def _insert(self, topic_filter: str, at: int) -> None:
        node = self._root
        *levels, last = topic_filter.split("/")
        for level in levels:
            node = node.children.setdefault(level, _Node())
        if last == "#":
            node.many.append(at)
        else:
            node.children.setdefault(last, _Node()).here.append(at)

    def _find(self, node: _Node, levels: list[str], depth: int) -> Iterator[int]:
        wild = depth > 0 or not levels[0].startswith("$")
        if wild:
            yield from node.many
        if depth == len(levels):
            yield from node.here
            return
        if child := node.children.get(levels[depth]):
            yield from self._find(child, levels, depth + 1)
        if wild and (child := node.children.get("+")):
            yield from self._find(child, levels, depth + 1)
