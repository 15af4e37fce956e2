"""Winsen gas sensors (MH-Z19B, ZE07, ZE08): FF, seven bytes, the sum's two's complement.

Source: Winsen's user's manuals of MH-Z19B, ZE07-CH2O and ZE08-CH2O. A reply begins with the command it
answers (86 a reading), an upload with the gas (17 formaldehyde), a request with the sensor's number 01.
"""

from __future__ import annotations

from typing import Final

from firmware_bridges.frames.contract import Frame
from firmware_bridges.frames.scanning import begins, reject, take_off

START: Final = b"\xff"
FRAME_BYTES: Final = 9
KINDS: Final = frozenset({0x01, 0x04, 0x17, 0x78, 0x79, 0x86, 0x99})
"""What may follow the start. Without this a reader that has begun within a frame would stay there: any
nine bytes of a frame sent again and again have the same sum, and FF may stand in the data.
"""
READ: Final = b"\x01\x86\x00\x00\x00\x00\x00"
"""Asks sensor 1 for a reading."""


class WinsenCodec:
    """Payload: the seven bytes between header and check; the first tells what the frame is."""

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START) or len(buffer) < 2:
            return None
        if buffer[1] not in KINDS:
            reject(buffer, "wrong_header")
        if len(buffer) < FRAME_BYTES:
            return None
        if sum(buffer[1:FRAME_BYTES]) & 0xFF:
            reject(buffer, "bad_checksum")
        return Frame(take_off(buffer, FRAME_BYTES)[1:8])


def encode(payload: bytes) -> bytes:
    """The frame of seven bytes."""
    return START + payload + bytes((-sum(payload) & 0xFF,))
