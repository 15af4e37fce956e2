"""Frame codecs of boards that speak raw serial: bytes in, whole and checked frames out. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from firmware_bridges.frames.contract import Codec, Frame, FrameError, FrameReader
from foundation.lazytable import LazyTable

__all__ = ["CODECS", "REQUESTS", "Codec", "Frame", "FrameError", "FrameReader"]

CODECS: Final[Mapping[str, Callable[[], Codec]]] = LazyTable(
    {
        "cobs": "cobs:CobsCodec",
        "dlt645": "dlt645:Dlt645Codec",
        "gy-mcu": "gymcu:GyMcuCodec",
        "honeywell": "honeywell:HoneywellCodec",
        "nova": "nova:NovaCodec",
        "osdp": "osdp:OsdpCodec",
        "plantower": "plantower:PlantowerCodec",
        "rdm6300": "rdm6300:Rdm6300Codec",
        "scale-text": "scaletext:ScaleTextCodec",
        "shdlc": "shdlc:ShdlcCodec",
        "wiegand": "wiegand:WiegandCodec",
        "winsen": "winsen:WinsenCodec",
        "yaohua": "yaohua:YaohuaCodec",
        "yaohua-a12": "yaohua_a12:YaohuaA12Codec",
    },
    package="firmware_bridges.frames",
)
"""Name, as a profile gives it → a codec."""
REQUESTS: Final[Mapping[str, Callable[[str, str], bytes]]] = LazyTable(
    {"dlt645": "dlt645:encode_request"}, package="firmware_bridges.frames"
)
"""Framings in which each device has an address: how one is asked for a data identifier. Raises
ValueError for an address or identifier that cannot be.
"""
