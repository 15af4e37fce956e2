"""Nova Fitness dust sensors, SDS011 to SDS198: AA, kind, six bytes, sum, AB.

Source: Nova Fitness, "Laser dust sensor control protocol V1.3".
"""

from __future__ import annotations

from typing import Final

from firmware_bridges.frames.contract import Frame
from firmware_bridges.frames.scanning import begins, reject, take_off

START: Final = b"\xaa"
TAIL: Final = 0xAB
KINDS: Final = frozenset({0xC0, 0xC5, 0xCF})
"""Measurements, the reply to a command, and the measurements of the SDS198."""
FRAME_BYTES: Final = 10


class NovaCodec:
    """Payload: the kind and the six bytes; the last two are the sensor's id."""

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START) or len(buffer) < 2:
            return None
        if buffer[1] not in KINDS:
            reject(buffer, "wrong_header")
        if len(buffer) < FRAME_BYTES:
            return None
        if buffer[9] != TAIL:
            reject(buffer, "wrong_tail")
        if buffer[8] != sum(buffer[2:8]) & 0xFF:
            reject(buffer, "bad_checksum")
        return Frame(take_off(buffer, FRAME_BYTES)[1:8])


def encode(payload: bytes) -> bytes:
    """The frame of a kind and its six bytes."""
    return START + payload + bytes((sum(payload[1:]) & 0xFF, TAIL))
