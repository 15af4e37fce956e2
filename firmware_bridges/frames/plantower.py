"""Plantower dust sensors, PMS3003 to PMSA003: 42 4D, length, words, sum of 16 bits.

Source: Plantower, "Digital universal particle concentration sensor", PMS5003 series data manual V2.3,
appendix I. The length counts the payload and the sum.
"""

from __future__ import annotations

from typing import Final

from firmware_bridges.frames.contract import Frame
from firmware_bridges.frames.scanning import begins, reject, take_off

START: Final = b"\x42\x4d"
LENGTH_MIN: Final = 4
"""The reply to a command."""
LENGTH_MAX: Final = 60
"""The longest frame known has 36 (PMS5003ST)."""


class PlantowerCodec:
    """Payload: the words, big-endian. The sum tells damage, the length the family; not the model."""

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START) or len(buffer) < 4:
            return None
        length = int.from_bytes(buffer[2:4], "big")
        if not LENGTH_MIN <= length <= LENGTH_MAX or length % 2:
            reject(buffer, "bad_length")
        end = 4 + length
        if len(buffer) < end:
            return None
        if int.from_bytes(buffer[end - 2 : end], "big") != sum(buffer[: end - 2]):
            reject(buffer, "bad_checksum")
        return Frame(take_off(buffer, end)[4:-2])


def encode(payload: bytes) -> bytes:
    """The frame of a payload of whole words."""
    body = START + (len(payload) + 2).to_bytes(2, "big") + payload
    return body + sum(body).to_bytes(2, "big")
