"""Wiegand readers behind our own tap board, which writes the bits of a card as a line of 0 and 1.

Source: HID, "Understanding card data formats" (H10301); Hikvision and Civintec reader manuals (34 bits).
Both have an even parity bit before the first half and an odd one behind the second.
"""

from __future__ import annotations

import re
from typing import Final

from firmware_bridges.cards import parse_wiegand, to_wiegand
from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.lines import LineCodec
from telemetry.named import Named

FORMATS: Final = frozenset({26, 34})
_BITS: Final = re.compile(rb"[01]+\Z").search


def _read(line: bytes) -> Frame:
    found = _BITS(line)
    if found is None:
        raise FrameError("not_bits")
    bits = found[0].decode()
    if len(bits) not in FORMATS:
        # Also what keypads send: digits of a PIN are nobody's business here.
        raise FrameError("bad_length")
    try:
        payload = parse_wiegand(bits)
    except ValueError:
        raise FrameError("bad_parity") from None
    data, size = int.from_bytes(payload, "big"), len(bits) - 2
    values = {"card_uid": Named(payload.hex().upper()), f"raw{size}": Named(payload.hex().upper(), "hex")}
    if size == 24:
        values |= {"card_facility": Named(data >> 16), "card_number": Named(data & 0xFFFF)}
    else:
        values["card_number"] = Named(data)
    return Frame(payload, values)


class WiegandCodec(LineCodec):
    """Payload: the card's bytes without parity. Values: `card_uid` and `raw24` or `raw32`, the same in
    hexadecimal; `card_facility` and `card_number` of 26 bits, `card_number` of 34.
    """

    def __init__(self) -> None:
        super().__init__(_read)


def encode(payload: bytes) -> bytes:
    """The line of our tap board for a card of three or four bytes."""
    return to_wiegand(payload, 8 * len(payload) + 2).encode() + b"\n"
