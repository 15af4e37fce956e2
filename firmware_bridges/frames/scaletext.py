"""Lines of weighing indicators in the A&D and CAS formats: ST,GS,+0001260kg

Source: A&D, AD-4404 instruction manual, 9.2.6, and the output formats of its EK-L and GC series; CAS,
CI-400 owner's manual, appendix 1 (18 and 22 bytes). Canteen scales of Chinese makers write the same with
other commas, some with the stability where others say gross or net.
"""

from __future__ import annotations

import re
from typing import Final

from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.lines import LineCodec
from firmware_bridges.frames.yaohua_a12 import to_kg
from telemetry.named import Named

_LINE: Final = re.compile(
    rb"(?P<state>ST|US|OL|LO|QT)[ ]*,[ ]*"
    rb"(?:(?P<kind>GS|NT|TR|PT|US|ST|[GNT](?=[ ,])|OK|HI|LO|--)[ ]*,[ ]*)?"
    rb"(?:(?s:.)[\x80-\xff],[ ]*)?"  # the number of a CAS indicator and its lamps, two raw bytes
    rb"(?P<sign>[+-]?)[ ]*(?P<digits>[0-9 ]*(?:\.[0-9 ]*)?)(?P<exponent>E[+-][0-9]{2})?[ ]*,?[ ]*"
    rb"(?P<unit>[A-Za-z%]{1,3})[ ]*\Z"
).search
_UNITS: Final = {"kg", "g", "lb", "t"}
_KINDS: Final = {
    "GS": "gross",
    "G": "gross",
    "NT": "net",
    "N": "net",
    "TR": "tare",
    "T": "tare",
    "PT": "tare",
}


def _read(line: bytes) -> Frame:
    found = _LINE(line)
    if found is None:
        raise FrameError("not_a_weight")
    unit = found["unit"].decode().lower()
    if unit not in _UNITS:
        raise FrameError("unknown_unit")
    state, kind = found["state"].decode(), (found["kind"] or b"").decode()
    digits = found["digits"].replace(b" ", b"").decode()
    mass = None
    if digits.strip(".") and not found["exponent"]:
        mass = to_kg(float(found["sign"].decode() + digits), unit)
    elif state not in {"OL", "LO"}:
        raise FrameError("not_a_weight")
    values = {
        "mass": Named(mass, "kg"),
        "stable": Named(state == "ST" and kind != "US", "bool"),
        "overload": Named(state == "OL", "bool"),
    }
    if kind in _KINDS:
        values["kind"] = Named(_KINDS[kind])
    return Frame(line[found.start() :], values)


class ScaleTextCodec(LineCodec):
    """Payload: the line. Values: `mass` in kg (None where an overloaded scale shows no digits),
    `stable`, `overload`, and `kind` where it is told: "gross", "net" or "tare".
    """

    def __init__(self) -> None:
        super().__init__(_read)


def encode(
    mass_kg: float, *, stable: bool = True, kind: str = "GS", decimals: int = 3, overload: bool = False
) -> bytes:
    """A line as A&D and CAS (18 bytes) write it."""
    state = b"OL" if overload else b"ST" if stable else b"US"
    sign = b"-" if mass_kg < 0 else b"+"
    return b"%s,%s,%s%0*.*fkg\r\n" % (state, kind.encode(), sign, 7, decimals, abs(mass_kg))
