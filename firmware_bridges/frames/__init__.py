"""Frame codecs of boards that speak raw serial: bytes in, whole and checked frames out. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from firmware_bridges.frames import dlt645
from firmware_bridges.frames.cobs import CobsCodec
from firmware_bridges.frames.contract import Codec, Frame, FrameError, FrameReader
from firmware_bridges.frames.dlt645 import Dlt645Codec
from firmware_bridges.frames.gymcu import GyMcuCodec
from firmware_bridges.frames.honeywell import HoneywellCodec
from firmware_bridges.frames.nova import NovaCodec
from firmware_bridges.frames.osdp import OsdpCodec
from firmware_bridges.frames.plantower import PlantowerCodec
from firmware_bridges.frames.rdm6300 import Rdm6300Codec
from firmware_bridges.frames.scaletext import ScaleTextCodec
from firmware_bridges.frames.shdlc import ShdlcCodec
from firmware_bridges.frames.wiegand import WiegandCodec
from firmware_bridges.frames.winsen import WinsenCodec
from firmware_bridges.frames.yaohua import YaohuaCodec
from firmware_bridges.frames.yaohua_a12 import YaohuaA12Codec

__all__ = ["CODECS", "REQUESTS", "Codec", "Frame", "FrameError", "FrameReader"]

CODECS: Final[dict[str, Callable[[], Codec]]] = {
    "cobs": CobsCodec,
    "dlt645": Dlt645Codec,
    "gy-mcu": GyMcuCodec,
    "honeywell": HoneywellCodec,
    "nova": NovaCodec,
    "osdp": OsdpCodec,
    "plantower": PlantowerCodec,
    "rdm6300": Rdm6300Codec,
    "scale-text": ScaleTextCodec,
    "shdlc": ShdlcCodec,
    "wiegand": WiegandCodec,
    "winsen": WinsenCodec,
    "yaohua": YaohuaCodec,
    "yaohua-a12": YaohuaA12Codec,
}
"""Name, as a profile gives it → a codec."""
REQUESTS: Final[dict[str, Callable[[str, str], bytes]]] = {"dlt645": dlt645.encode_request}
"""Framings in which each device has an address: how one is asked for a data identifier. Raises
ValueError for an address or identifier that cannot be.
"""
