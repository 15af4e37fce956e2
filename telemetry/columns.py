"""How a column of numbers becomes few bytes and, to the last bit, the same numbers again.

Sensors speak in short decimals. If every value of a series is an integer over a power of ten, the
series is kept as those integers; otherwise as raw IEEE 754 doubles. The test is exact
(``integer / 10**digits == value``), so nothing is rounded. Integers are kept as a start and the steps from
one to the next, and the steps of all series lie in one array of the narrowest width that holds them.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from math import copysign
from operator import sub
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RAW: Final = -1
"""In place of a digit count: the column is stored as doubles."""
DIGITS_MAX: Final = 6
SCALED_MAX: Final = 2**53 - 1
"""Up to here a double holds every integer."""
_POWERS: Final = tuple(10.0**digits for digits in range(DIGITS_MAX + 1))
_TYPECODES: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
"""By bytes a number. Arrays lie in memory as on the wire, little end first, on every machine we run on."""


def to_scaled(values: Sequence[float]) -> tuple[int, list[int]]:
    """The fewest decimal digits that hold all values exactly, and the scaled integers.

    Returns ``(RAW, [])`` where no digit count up to `DIGITS_MAX` does.
    """
    if max(values) > SCALED_MAX or min(values) < -SCALED_MAX:
        return RAW, []
    for digits, power in enumerate(_POWERS):
        if round(values[0] * power) / power != values[0]:
            continue
        scaled = [round(value * power) for value in values]
        if (
            max(scaled) <= SCALED_MAX
            and min(scaled) >= -SCALED_MAX
            and from_scaled(scaled, digits) == list(values)
        ):
            # -0.0 equals 0.0 but is another number: it goes the raw way.
            if 0 in scaled and any(copysign(1.0, value) < 0 for value in values if value == 0):
                break
            return digits, scaled
    return RAW, []


def from_scaled(scaled: Iterable[int], digits: int) -> list[float]:
    """The values behind scaled integers; dividing (not multiplying) gives the nearest double."""
    power = _POWERS[digits]
    return [number / power for number in scaled]


def steps(numbers: Sequence[int]) -> Iterator[int]:
    """Each number but the first, less the one before it."""
    return map(sub, numbers[1:], numbers)


def walk(start: int, steps_taken: Iterable[int]) -> Iterator[int]:
    """The inverse of `steps`: one number more than there are steps."""
    return accumulate(steps_taken, initial=start)


def pack(numbers: Sequence[int]) -> bytes:
    """1, 2, 4 or 8 bytes a number, two's complement: first the lowest bytes of all numbers, then the next
    ones. High bytes are nearly all alike, and side by side they cost nothing once compressed. Raises
    OverflowError beyond 64 bits.
    """
    for width, typecode in _TYPECODES.items():
        try:
            packed = array(typecode, numbers).tobytes()
        except OverflowError:
            if width == max(_TYPECODES):
                raise
            continue
        return packed if width == 1 else b"".join(packed[plane::width] for plane in range(width))
    raise AssertionError("a width returns or raises")


def unpack(packed: bytes, count: int) -> array[int]:
    """The inverse of `pack`; the width follows from the length. Raises ValueError unless it is one."""
    width, rest = divmod(len(packed), count) if count else (1, len(packed))
    if rest or width not in _TYPECODES:
        raise ValueError(f"{len(packed)} bytes for {count} numbers")
    if width == 1:
        return array("b", packed)
    numbers = bytearray(len(packed))
    for plane in range(width):
        numbers[plane::width] = packed[plane * count : (plane + 1) * count]
    return array(_TYPECODES[width], bytes(numbers))


def to_runs(numbers: Sequence[int]) -> list[int]:
    """Run-length code: value, count, value, count, …"""
    if numbers and list(numbers).count(numbers[0]) == len(numbers):
        return [numbers[0], len(numbers)]  # as a rule all readings are good
    runs: list[int] = []
    for number in numbers:
        if runs and runs[-2] == number:
            runs[-1] += 1
        else:
            runs += (number, 1)
    return runs


def from_runs(runs: Sequence[int]) -> list[int]:
    """The inverse of `to_runs`."""
    numbers: list[int] = []
    for value, count in zip(runs[::2], runs[1::2], strict=True):
        numbers += [value] * count
    return numbers
