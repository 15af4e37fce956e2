"""GY-MCU90614/90615 infrared thermometer modules: 5A 5A, 45, how many bytes, data, sum.

Source: the vendor's text of the module, https://w.electrodragon.com/w/Category:Contactless_Temperature.
"""

from __future__ import annotations

from typing import Final

from firmware_bridges.frames.contract import Frame
from firmware_bridges.frames.scanning import begins, reject, take_off

START: Final = b"\x5a\x5a\x45"
DATA_BYTES_MAX: Final = 16
"""The modules known send 4; newer ones may add a value."""


class GyMcuCodec:
    """Payload: the data, words big-endian."""

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START) or len(buffer) < 4:
            return None
        count = buffer[3]
        if not 1 <= count <= DATA_BYTES_MAX:
            reject(buffer, "bad_length")
        end = count + 5
        if len(buffer) < end:
            return None
        if buffer[end - 1] != sum(buffer[: end - 1]) & 0xFF:
            reject(buffer, "bad_checksum")
        return Frame(take_off(buffer, end)[4:-1])


def encode(payload: bytes) -> bytes:
    """The frame of some data."""
    body = START + bytes((len(payload),)) + payload
    return body + bytes((sum(body) & 0xFF,))
