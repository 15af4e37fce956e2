"""A Wiegand card reader at a door. Runs on MicroPython and CPython alike.

A card whose parity is wrong is told without its number: it could be somebody else's.
"""

from firmware_bridges.boards import wire
from firmware_bridges.boards.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware_bridges.boards.hal import Hal

KIND = 2
WIEGAND = 2
_LENGTHS = (26, 34)
_BITS_MAX = 64


def read_bits(bits: bytes) -> "tuple[bytes, bool]":
    """The card's bytes, first bit highest, and whether both parities hold.

    bits: 26 or 34 of "0" and "1". The first makes the number of ones in the first half even, the
    last that of the second half odd. A card of zeros only is a disturbance.
    """
    half = len(bits) // 2
    is_good = bits[:half].count(b"1") % 2 == 0 and bits[half:].count(b"1") % 2 == 1
    is_good = is_good and b"1" in bits[1:-1]
    return int(bits[1:-1], 2).to_bytes((len(bits) - 2) // 8, "big"), is_good


class WiegandTap:
    """D0 and D1 of a reader, each a pulse a bit; a card ends with a silence."""

    def __init__(self, hal: "Hal") -> None:
        self.link = Link(hal, KIND)
        self._hal = hal
        self._bits = b""
        self._bit_ms = 0

    def step(self, now_ms: int) -> None:
        """To be called every few milliseconds, with the milliseconds since the board started."""
        if self._bits and now_ms - self._bit_ms >= self.link.parameters["silence_ms"]:
            bits, self._bits = self._bits, b""
            self._on_card(bits, now_ms)
        bits = self._hal.reader.read()
        if bits:
            self._bits = (self._bits + bits)[: _BITS_MAX + 1]
            self._bit_ms = now_ms
        self.link.step(now_ms)

    def _on_card(self, bits: bytes, now_ms: int) -> None:
        if len(bits) not in _LENGTHS:  # a key of a keypad, a disturbance, or a bit was missed
            self.link.refused += 1
            return
        self.link.health |= wire.HEALTH_READER
        card, is_good = read_bits(bits)
        values = (WIEGAND, wire.PARITY_GOOD if is_good else wire.PARITY_BAD, len(bits))
        taken = self.link.record(wire.TAP, values, card if is_good else b"", now_ms)
        if not is_good:
            self.link.refused += 1
        if not (taken and is_good):
            self.link.signal(wire.REJECT, now_ms)
