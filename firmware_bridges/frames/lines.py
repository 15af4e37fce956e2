"""What the codecs of text lines share: the line is taken whole, and read from its end.

What stands before a good line without a line end of its own is noise, and costs the line nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.scanning import take_off

LINE_BYTES_MAX: Final = 64
_LINE_ENDS: Final = re.compile(rb"[\r\n\x03]")


class LineCodec:
    """Lines that end with CR, LF or ETX. `read` makes a frame of a line, or raises FrameError."""

    line_end: Final = b"\n"

    def __init__(self, read: Callable[[bytes], Frame]) -> None:
        self._read = read

    def take(self, buffer: bytearray) -> Frame | None:
        while buffer and buffer[0] in b"\r\n\x03":
            del buffer[:1]
        found = _LINE_ENDS.search(buffer)
        if found is None:
            # A line's last bytes decide: the beginning of an endless one is nothing.
            if len(buffer) > 2 * LINE_BYTES_MAX:
                del buffer[:-LINE_BYTES_MAX]
                raise FrameError("bad_length")
            return None
        line = take_off(buffer, found.start())
        return self._read(line[-LINE_BYTES_MAX:])
