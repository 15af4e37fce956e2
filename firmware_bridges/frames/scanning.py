"""What all codecs of binary frames do: find where a frame may begin, and give up one byte at a time."""

from __future__ import annotations

from typing import NoReturn

from firmware_bridges.frames.contract import NOISE, FrameError


def begins(buffer: bytearray, start: bytes, *, quiet: bytes = b"") -> bool:
    """Whether `buffer` begins with the whole of `start`; False while more bytes are needed.

    Bytes before it are dropped: those in `quiet` (a preamble, the idle level of a line) silently,
    others with FrameError "wrong_header" (NOISE).
    """
    at = buffer.find(start)
    if at < 0:
        # The last bytes may be the first of `start`.
        keep = next((n for n in range(len(start) - 1, 0, -1) if buffer.endswith(start[:n])), 0)
        at = len(buffer) - keep
    noise = bytes(buffer[:at])
    del buffer[:at]
    if noise.strip(quiet) if quiet else noise:
        raise FrameError(NOISE)
    return buffer.startswith(start)


def reject(buffer: bytearray, reason: str) -> NoReturn:
    """What begins here is no frame. Only its first byte goes: a good frame may begin with the next."""
    del buffer[:1]
    raise FrameError(reason)


def take_off(buffer: bytearray, count: int) -> bytes:
    """Removes and returns the first bytes."""
    taken = bytes(buffer[:count])
    del buffer[:count]
    return taken
