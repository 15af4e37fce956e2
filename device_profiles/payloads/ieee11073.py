"""The FLOAT of medical devices: 24 bits of mantissa and 8 of exponent to the base of 10.

Source: IEEE 11073-20601, and the Bluetooth SIG's Personal Health Devices Transcoding white paper, 2.2.
"""

from __future__ import annotations

from typing import Final

SPECIAL: Final = frozenset({0x7FFFFF, 0x800000, 0x7FFFFE, 0x800001, 0x800002})
"""Mantissas that are no number: NaN, not at this resolution, infinite, reserved, minus infinite."""
EXPONENT_MAX: Final = 20
"""Beyond it nothing measures; it also keeps the outcome finite."""


def read_float(data: bytes) -> float | None:
    """4 bytes, least significant first; None where they are no number."""
    mantissa = int.from_bytes(data[:3], "little")
    exponent = int.from_bytes(data[3:4], "little", signed=True)
    if mantissa in SPECIAL or abs(exponent) > EXPONENT_MAX:
        return None
    if mantissa & 0x800000:
        mantissa -= 0x1000000
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent
