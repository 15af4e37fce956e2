"""Frames of our own boards: COBS and CRC-16/CCITT-FALSE, see `firmware_bridges.boards.wire`.

The frame's payload is the board's message; its values are those of `boards.messages.named_values`.
"""

from __future__ import annotations

from firmware_bridges.boards.messages import named_values, parse_message
from firmware_bridges.boards.wire import FRAME_BYTES_MAX, WireError, decode_frame
from firmware_bridges.frames.contract import Frame, FrameError


class CobsCodec:
    """Frames stand between zeros; a damaged one costs nothing but itself."""

    def take(self, buffer: bytearray) -> Frame | None:
        """See `contract.Codec`."""
        begin = len(buffer) - len(buffer.lstrip(b"\0"))
        end = buffer.find(0, begin)
        if end < 0:
            del buffer[:begin]
            if len(buffer) <= FRAME_BYTES_MAX:
                return None
            buffer.clear()
            raise FrameError("too_long")
        stuffed = bytes(buffer[begin:end])
        del buffer[: end + 1]
        try:
            payload = decode_frame(stuffed)
            return Frame(payload, named_values(parse_message(payload)))
        except WireError as error:
            raise FrameError(error.reason) from None
