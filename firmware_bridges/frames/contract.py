"""What a frame codec is: bytes of a serial line in, whole and checked frames out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from telemetry.named import Named

BUFFER_BYTES_MAX: Final = 4_096
"""More is never kept of a line on which no frame begins."""
NOISE: Final = "wrong_header"
"""The reason of bytes before anything that a frame could begin with."""
_NOTHING: Final[Mapping[str, Named]] = MappingProxyType({})


class FrameError(ValueError):
    """Bytes that are no good frame; `reason` is one of a few fixed words, such as "bad_checksum"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Frame(NamedTuple):
    """A good frame. `payload` is what stands between header and checksum; `values` is what the codec
    understood itself, for frames that carry text or BCD.
    """

    payload: bytes
    values: Mapping[str, Named] = _NOTHING


class Codec(Protocol):
    """One framing. Holds no state between frames; all that is unread stays in the caller's buffer.

    A framing of text lines has an attribute `line_end`, the bytes that end a line.
    """

    def take(self, buffer: bytearray) -> Frame | None:
        """Removes everything up to and including the next good frame, and returns that frame; None
        while more bytes are needed.

        Raises FrameError for what is no good frame, having removed at least one byte: the caller
        finds the next frame by calling again.
        """


class FrameReader:
    """Feeds a codec from a line, however the bytes are cut, and finds its way again after noise."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._line_end: bytes = getattr(codec, "line_end", b"")
        self._buffer = bytearray()
        self._lost = False
        self.faults: Counter[str] = Counter()
        """What was no good frame, by reason. Of what is fed at once, the rest of a bad frame is no further
        fault.
        """

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        frames: list[Frame] = []
        self._buffer += data
        self._lost = False
        while self._buffer:
            try:
                frame = self._codec.take(self._buffer)
            except FrameError as error:
                if not (self._lost and error.reason == NOISE):
                    self.faults[error.reason] += 1
                self._lost = True
                continue
            if frame is None:
                break
            self._lost = False
            frames.append(frame)
        if len(self._buffer) > BUFFER_BYTES_MAX:
            del self._buffer[:-BUFFER_BYTES_MAX]
            self.faults["overflow"] += 1
        return frames

    def finish(self) -> list[Frame]:
        """What the last bytes give when no more will come: a line may lack its end, anything else that
        has begun is counted as "truncated".
        """
        lost = self._lost
        frames = self.feed(self._line_end) if self._buffer and self._line_end else []
        if self._buffer and not lost:
            self.faults["truncated"] += 1
        self.clear()
        return frames

    def clear(self) -> None:
        """Forgets what has begun: after a pause of the line, or a change of its speed."""
        self._buffer.clear()
        self._lost = False
