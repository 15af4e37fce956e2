"""How far a reading can be trusted: the value's own quality and the clock's.

On the wire a reading carries its quality in a run-length column and the batch header carries the
clock quality; a store keeps both in one byte, ``quality | clock << 4``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Quality(IntEnum):
    """Quality of a value. "Not available" is never a value: such a reading does not exist."""

    GOOD = 0
    UNCERTAIN = 1
    """Warm-up, or a raw value that the device also uses when a probe is missing."""
    OUT_OF_RANGE = 2
    """Outside the plausible range of its quantity or of its profile's field."""
    STALE = 3
    """The device's own time stamp was already old when the gateway read it."""


class ClockQuality(IntEnum):
    """Quality of the clock that stamped a batch."""

    SYNCED = 0
    HOLDOVER = 1
    """A plausible clock that nothing disciplines at the moment."""
    CORRECTED = 2
    """Taken before the time was known, shifted once it was."""
    UNSYNCED = 3
    """The time is the gateway's best guess."""


def pack_quality(quality: int, clock: int) -> int:
    """One byte for a store: value quality in the low half, clock quality in the high half."""
    return quality | clock << 4


def unpack_quality(packed: int) -> tuple[Quality, ClockQuality]:
    """The inverse of `pack_quality`; raises ValueError for a byte that no encoder writes."""
    return Quality(packed & 0x0F), ClockQuality(packed >> 4)


PACKED_NAMES: Final = {
    pack_quality(quality, clock): (quality.name.lower(), clock.name.lower())
    for quality in Quality
    for clock in ClockQuality
}
"""Value quality and clock quality in words, by the byte that stands for both."""
