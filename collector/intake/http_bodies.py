"""Bodies of posts in memory, and the bound that all of them have together."""

from __future__ import annotations

from typing import Final

from telemetry.batch import Stream

BODIES_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of all posts of a stream that are being read or wait; a flood of bulk takes nothing from urgent ones."""


class Talk:
    """What one connection takes of the bound that all of them have together."""

    def __init__(self, bodies_bytes: dict[Stream, int]) -> None:
        self._bodies_bytes = bodies_bytes
        self._taken: dict[Stream, int] = {"urgent": 0, "bulk": 0}

    def take(self, stream: Stream, size_bytes: int) -> bool:
        if self._bodies_bytes[stream] + size_bytes > BODIES_BYTES_MAX:
            return False
        self._bodies_bytes[stream] += size_bytes
        self._taken[stream] += size_bytes
        return True

    def give_back(self) -> None:
        for stream, size_bytes in self._taken.items():
            self._bodies_bytes[stream] -= size_bytes
            self._taken[stream] = 0


class Body:
    """A body as it comes, as long as there is room for it. What is there counts, not what is announced."""

    def __init__(self, talk: Talk, stream: Stream) -> None:
        self._talk = talk
        self._stream = stream
        self._data = bytearray()
        self._no_room = False

    def feed(self, data: bytes) -> None:
        self._no_room = self._no_room or not self._talk.take(self._stream, len(data))
        if self._no_room:
            self._data.clear()
        else:
            self._data += data

    def finish(self) -> None:
        return None

    def taken(self) -> bytes | None:
        """All of it; None where there was no room."""
        data, self._data = bytes(self._data), bytearray()
        return None if self._no_room else data
