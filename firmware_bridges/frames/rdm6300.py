"""RDM6300 readers of 125 kHz EM4100 tags: 02, ten hexadecimal digits, their XOR as two, 03.

Source: Itead, RDM6300 module specification. The first byte is the version or customer, the other four
the number; readers of the ID-12 kind put CR LF before the last byte. The tag is repeated while it stays.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor
from typing import Final

from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.scanning import begins, reject, take_off
from telemetry.named import Named

START: Final = b"\x02"
FRAME_BYTES: Final = 14
LINE_END: Final = b"\r\n"
_DIGITS: Final = re.compile(rb"[0-9A-Fa-f]{12}").fullmatch


class Rdm6300Codec:
    """Payload: the five bytes of the tag. Values: `card_uid` (all of it, hexadecimal), `card_version`,
    `card_number` and the ways in which it is printed on tags: `card_number_10d`; `card_facility` and
    `card_number_5d`.
    """

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START):
            return None
        another = buffer.find(START, 1, FRAME_BYTES)
        if another > 0:
            del buffer[:another]
            raise FrameError("truncated")
        if len(buffer) < FRAME_BYTES:
            return None
        end = FRAME_BYTES
        if buffer[end - 1 : end] == LINE_END[:1]:
            end += 2
            if len(buffer) < end:
                return None
            if buffer[end - 3 : end - 1] != LINE_END:
                reject(buffer, "wrong_tail")
        if buffer[end - 1] != 0x03:
            reject(buffer, "wrong_tail")
        if _DIGITS(buffer[1:13]) is None:
            reject(buffer, "not_hex")
        data = bytes.fromhex(buffer[1:13].decode())
        if reduce(xor, data):
            reject(buffer, "bad_checksum")
        take_off(buffer, end)
        return Frame(data[:5], _values(data[:5]))


def _values(uid: bytes) -> dict[str, Named]:
    number = int.from_bytes(uid[1:], "big")
    return {
        "card_uid": Named(uid.hex().upper()),
        "card_version": Named(f"{uid[0]:02X}"),
        "card_number": Named(number),
        "card_number_10d": Named(f"{number:010d}"),
        "card_facility": Named(number >> 16 & 0xFF),
        "card_number_5d": Named(number & 0xFFFF),
    }


def encode(uid: bytes) -> bytes:
    """The frame of a tag's five bytes."""
    return START + (uid + bytes((reduce(xor, uid),))).hex().upper().encode() + b"\x03"
