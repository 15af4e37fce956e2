"""Yaohua XK3190-A12 weighing indicators: lines such as wn-0000.1kg, or WG004.139kg3D with a check.

Source: Yaohua, XK3190-A12(E) user manual, page 12: kind, seven characters, unit; then the XOR of the
eleven as two digits. Firmware that leaves the check out writes small letters. An overloaded platform
sends blanks and OL, one that is far below zero LO.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor
from typing import Final

from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.lines import LineCodec
from telemetry.named import Named

_LINE: Final = re.compile(
    rb"([Ww])([WGNTwgnt])([+\-0-9. ]{5,9})(kg|KG| g|lb|LB| t)([0-9A-Fa-f]{2})?[ ]*\Z"
).search
_BEYOND: Final = re.compile(rb"(?:\A|[ ])(OL|LO)([0-9A-Fa-f]{2})?[ ]*\Z").search
_NUMBER: Final = re.compile(rb"[+-]?[0-9]+(?:\.[0-9]*)?").fullmatch
_KINDS: Final = {b"w": "gross", b"g": "gross", b"n": "net", b"t": "tare"}
KG_PER_UNIT: Final = {"kg": 1.0, "g": 0.001, "t": 1_000.0, "lb": 0.45359237}
"""International avoirdupois pound, 1959."""


def to_kg(number: float, unit: str) -> float:
    """A weight in kg, with as many decimals as a scale can mean."""
    return round(number * KG_PER_UNIT[unit], 6) + 0.0


def _read(line: bytes) -> Frame:
    beyond = _BEYOND(line)
    if beyond is not None:
        values = {"mass": Named(None, "kg"), "overload": Named(beyond[1] == b"OL")}
        return Frame(beyond[1], values)
    found = _LINE(line)
    if found is None:
        raise FrameError("not_a_weight")
    number = _NUMBER(found[3].replace(b" ", b""))
    if number is None:
        raise FrameError("not_a_weight")
    text = line[found.start() : found.end(4)]
    if found[5] is not None and int(found[5], 16) != reduce(xor, text):
        raise FrameError("bad_checksum")
    mass = to_kg(float(number[0]), found[4].decode().strip().lower())
    return Frame(text, {"mass": Named(mass, "kg"), "kind": Named(_KINDS[found[2].lower()])})


class YaohuaA12Codec(LineCodec):
    """Payload: the text without the check. Values: `mass` in kg (None beyond the range, then
    `overload` tells on which side), `kind`: "gross", "net" or "tare".
    """

    def __init__(self) -> None:
        super().__init__(_read)


def encode(mass_kg: float, *, kind: str = "net", decimals: int = 3, check: bool = True) -> bytes:
    """A line. Raises ValueError for what seven characters cannot show."""
    text = b"%0*.*f" % (7, decimals, mass_kg)
    if len(text) != 7:
        raise ValueError("the indicator has seven characters, sign and point included")
    body = b"w" + kind[:1].encode() + text + b"kg"
    body = body.upper().replace(b"KG", b"kg") if check else body
    return body + (b"%02X" % reduce(xor, body) if check else b"") + b"\r\n"
