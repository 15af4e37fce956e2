"""Frame codecs of boards that speak raw serial: bytes in, whole and checked frames out. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from firmware_bridges.frames.contract import Codec, Frame, FrameError, FrameReader

__all__ = ["CODECS", "REQUESTS", "Codec", "Frame", "FrameError", "FrameReader"]

CODECS: Final[dict[str, Callable[[], Codec]]] = {}
"""Name, as a profile gives it → a codec."""
REQUESTS: Final[dict[str, Callable[[str, str], bytes]]] = {}
"""Framings in which each device has an address: how one is asked for a data identifier. Raises
ValueError for an address or identifier that cannot be.
"""
