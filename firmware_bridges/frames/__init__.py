"""Frame codecs of boards that speak raw serial: bytes in, whole and checked frames out. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from firmware_bridges.frames.contract import Codec, Frame, FrameError, FrameReader

__all__ = ["CODECS", "Codec", "Frame", "FrameError", "FrameReader"]

CODECS: Final[dict[str, Callable[[], Codec]]] = {}
"""Name, as a profile gives it → a codec."""
