"""The ways in which one card's number is written, and how each leads back to its bytes. Pure functions.

A reader of 13.56 MHz tags tells the tag's 4 or 7 bytes, some of them last byte first; a tag or a school's
list shows ten digits (the number of four bytes), or facility and number (the last three bytes); a
Wiegand reader sends 24 or 32 of the bits. Sources: HID, "Understanding card data formats"; the print on
EM4100 tags; ISO/IEC 14443-3 for the order of bytes.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[:\- ]?)+").fullmatch
_BETWEEN: Final = re.compile(r"[:\- ]")
_FACILITY: Final = re.compile(r"([0-9]{1,3})[,: ]([0-9]{1,5})").fullmatch
UID_BYTES_MAX: Final = 10
"""A triple-size UID, ISO/IEC 14443-3."""


class Facility(NamedTuple):
    """The last three bytes as people write them: 134,62532."""

    facility: int
    number: int

    def __str__(self) -> str:
        return f"{self.facility:03d},{self.number:05d}"


def parse_hex(text: str) -> bytes:
    """A card's bytes from hexadecimal digits, separators allowed. Raises ValueError."""
    if _HEX(text) is None or len(data := bytes.fromhex(_BETWEEN.sub("", text))) > UID_BYTES_MAX:
        raise ValueError("expected 1 to 10 bytes in hexadecimal, such as 0086F444")
    return data


def parse_decimal(text: str) -> bytes:
    """Four bytes from up to ten digits, as printed on tags. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 1 << 32):
        raise ValueError("expected a number below 4294967296, such as 0008844356")
    return int(text).to_bytes(4, "big")


def parse_facility(text: str) -> bytes:
    """Three bytes from facility and number, such as 134,62532. Raises ValueError."""
    found = _FACILITY(text)
    if found is None:
        raise ValueError("expected facility and number, such as 134,62532")
    return from_facility(Facility(int(found[1]), int(found[2])))


def from_facility(card: Facility) -> bytes:
    """Three bytes. Raises ValueError for a facility above 255 or a number above 65535."""
    if not (0 <= card.facility <= 0xFF and 0 <= card.number <= 0xFFFF):
        raise ValueError("a facility is at most 255 and a number at most 65535")
    return bytes((card.facility,)) + card.number.to_bytes(2, "big")


def to_facility(uid: bytes) -> Facility:
    """Facility and number of the last three bytes. Raises ValueError where there are fewer."""
    if len(uid) < 3:
        raise ValueError("facility and number take three bytes")
    return Facility(uid[-3], int.from_bytes(uid[-2:], "big"))


def to_decimal(uid: bytes) -> str:
    """The ten digits of the last four bytes; of fewer, what there is."""
    return f"{int.from_bytes(uid[-4:], 'big'):010d}"


def to_wiegand(uid: bytes, bits: int) -> str:
    """The bits that a reader of 26 or 34 bits sends for this card, parity included.

    Raises ValueError for another format, and for a card with too few bytes.
    """
    if bits not in {26, 34}:
        raise ValueError("formats of 26 and 34 bits are known")
    size = bits - 2
    if len(uid) < size // 8:
        raise ValueError(f"{bits} bits take {size // 8} bytes")
    data = f"{int.from_bytes(uid[-size // 8 :], 'big'):0{size}b}"
    even = data[: size // 2].count("1") % 2
    odd = 1 - data[size // 2 :].count("1") % 2
    return f"{even}{data}{odd}"


def parse_wiegand(bits: str) -> bytes:
    """The three or four bytes in 26 or 34 bits. Raises ValueError, also for a wrong parity."""
    if len(bits) not in {26, 34} or not set(bits) <= {"0", "1"}:
        raise ValueError("expected 26 or 34 bits")
    half = len(bits) // 2
    if bits[:half].count("1") % 2 or not bits[half:].count("1") % 2:
        raise ValueError("the parity is wrong")
    return int(bits[1:-1], 2).to_bytes((len(bits) - 2) // 8, "big")


def notations(uid: bytes) -> frozenset[str]:
    """Every hexadecimal number, in capitals, under which readers may tell this card: as it is and last
    byte first, whole, its last and first five and four bytes, and three of each; and what is left of
    those where a reader writes a decimal number, which has no leading zeros (four bytes stay).

    Short ones are not unique: a school must not trust 24 bits across makers of cards.
    """
    found = {uid, uid[::-1]}
    for whole in (uid, uid[::-1]):
        for count in (5, 4, 3):
            if len(whole) >= count:
                found |= {whole[-count:], whole[:count]}
    # A decimal number is taken for four bytes at least: device_profiles.named_people.read_card.
    found |= {_without_zeros(one) for one in found} | {_without_zeros(one)[::-1] for one in (uid, uid[::-1])}
    return frozenset(one.hex().upper() for one in found)


def _without_zeros(data: bytes) -> bytes:
    return data.lstrip(b"\0").rjust(4, b"\0")
