"""Wiegand readers behind our own tap board, which writes the bits of a card as a line of 0 and 1.

Source: HID, "Understanding card data formats" (H10301); Hikvision and Civintec reader manuals (34 bits).
Both have an even parity bit before the first half and an odd one behind the second.
"""

from __future__ import annotations

import re
from typing import Final

from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.lines import LineCodec
from telemetry.named import Named

FACILITY_BITS: Final = {26: 8, 34: 16}
"""Of the cards that are read: bits in all → bits of the facility, the other data bits are the number."""
_BITS: Final = re.compile(rb"[01]+\Z").search


def _read(line: bytes) -> Frame:
    found = _BITS(line)
    if found is None:
        raise FrameError("not_bits")
    bits = found[0].decode()
    if len(bits) not in FACILITY_BITS:
        # Also what keypads send: digits of a PIN are nobody's business here.
        raise FrameError("bad_length")
    half = len(bits) // 2
    if bits[:half].count("1") % 2 or not bits[half:].count("1") % 2:
        raise FrameError("bad_parity")
    data = int(bits[1:-1], 2)
    size = len(bits) - 2
    payload = data.to_bytes(size // 8, "big")
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


def encode_bits(payload: bytes) -> str:
    """The bits of a card's three or four bytes, parity included."""
    size = 8 * len(payload)
    data = f"{int.from_bytes(payload, 'big'):0{size}b}"
    if size + 2 not in FACILITY_BITS:
        raise ValueError("a card has three or four bytes here")
    half = size // 2
    even = data[:half].count("1") % 2
    odd = 1 - data[half:].count("1") % 2
    return f"{even}{data}{odd}"


def encode(payload: bytes) -> bytes:
    """The line of our tap board."""
    return encode_bits(payload).encode() + b"\n"
