"""Frame codecs of boards that speak raw serial: bytes in, whole and checked frames out. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from firmware_bridges.frames.contract import Codec, Frame, FrameError, FrameReader
from foundation.lazytable import LazyTable

__all__ = ["CODECS", "REQUESTS", "Codec", "Frame", "FrameError", "FrameReader"]

CODECS: Final[Mapping[str, Callable[[], Codec]]] = LazyTable(
    {
        "cobs": "firmware_bridges.frames.cobs:CobsCodec",
        "dlt645": "firmware_bridges.frames.dlt645:Dlt645Codec",
        "gy-mcu": "firmware_bridges.frames.gymcu:GyMcuCodec",
        "honeywell": "firmware_bridges.frames.honeywell:HoneywellCodec",
        "nova": "firmware_bridges.frames.nova:NovaCodec",
        "osdp": "firmware_bridges.frames.osdp:OsdpCodec",
        "plantower": "firmware_bridges.frames.plantower:PlantowerCodec",
        "rdm6300": "firmware_bridges.frames.rdm6300:Rdm6300Codec",
        "scale-text": "firmware_bridges.frames.scaletext:ScaleTextCodec",
        "shdlc": "firmware_bridges.frames.shdlc:ShdlcCodec",
        "wiegand": "firmware_bridges.frames.wiegand:WiegandCodec",
        "winsen": "firmware_bridges.frames.winsen:WinsenCodec",
        "yaohua": "firmware_bridges.frames.yaohua:YaohuaCodec",
        "yaohua-a12": "firmware_bridges.frames.yaohua_a12:YaohuaA12Codec",
    }
)
"""Name, as a profile gives it → a codec."""
REQUESTS: Final[Mapping[str, Callable[[str, str], bytes]]] = LazyTable(
    {"dlt645": "firmware_bridges.frames.dlt645:encode_request"}
)
"""Framings in which each device has an address: how one is asked for a data identifier. Raises
ValueError for an address or identifier that cannot be.
"""
