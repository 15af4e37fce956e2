"""Honeywell HPMA dust sensors: 40, length, command, data, the sum's two's complement.

Source: Honeywell HPM Series data sheet 32322550, tables 4 and 6. The length counts the
command and the data. What a sensor sends without being asked has Plantower's framing; it is to be
switched off (68 01 20 77) before it is polled.
"""

from __future__ import annotations

from typing import Final

from firmware_bridges.frames.contract import Frame
from firmware_bridges.frames.scanning import begins, reject, take_off

START: Final = b"\x40"
LENGTH_MAX: Final = 0x20


class HoneywellCodec:
    """Payload: the command that is answered, and the data."""

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START) or len(buffer) < 2:
            return None
        length = buffer[1]
        if not 1 <= length <= LENGTH_MAX:
            reject(buffer, "bad_length")
        end = length + 3
        if len(buffer) < end:
            return None
        if sum(buffer[:end]) & 0xFF:
            reject(buffer, "bad_checksum")
        return Frame(take_off(buffer, end)[2:-1])


def encode(payload: bytes) -> bytes:
    """The frame of a command and its data."""
    body = START + bytes((len(payload),)) + payload
    return body + bytes((-sum(body) & 0xFF,))
