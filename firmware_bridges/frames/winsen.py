"""Winsen gas sensors (MH-Z19B, ZE07, ZE08): FF, seven bytes, the sum's two's complement.

Source: Winsen MH-Z19B user's manual V1.6; ZE08-CH2O manual V1.0. A reply begins with the command it
answers (86 a reading), an upload with the gas (17 formaldehyde), a request with the sensor's number 01.
"""

from __future__ import annotations

from typing import Final

from firmware_bridges.frames.contract import Frame
from firmware_bridges.frames.scanning import begins, reject, take_off

START: Final = b"\xff"
FRAME_BYTES: Final = 9
READ: Final = b"\x01\x86\x00\x00\x00\x00\x00"
"""Asks sensor 1 for a reading."""


class WinsenCodec:
    """Payload: the seven bytes between header and check; the first tells what the frame is."""

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START) or len(buffer) < FRAME_BYTES:
            return None
        if sum(buffer[1:FRAME_BYTES]) & 0xFF:
            reject(buffer, "bad_checksum")
        return Frame(take_off(buffer, FRAME_BYTES)[1:8])


def encode(payload: bytes) -> bytes:
    """The frame of seven bytes."""
    return START + payload + bytes((-sum(payload) & 0xFF,))
