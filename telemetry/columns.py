"""How a column of values becomes small integers and, to the last bit, the same values again.

Sensors speak in short decimals. If every value of a series is an integer over a power of ten, the
column is stored as those integers, each as its difference from the one before; otherwise as raw
IEEE 754 doubles. The test is exact (``integer / 10**digits == value``), so nothing is rounded.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import copysign
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RAW: Final = -1
"""In place of a digit count: the column is stored as doubles."""
DIGITS_MAX: Final = 6
_EXACT_MAX: Final = 2.0**53
_POWERS: Final = tuple(10.0**digits for digits in range(DIGITS_MAX + 1))


def to_scaled(values: Sequence[float]) -> tuple[int, list[int]]:
    """The fewest decimal digits that hold all values exactly, and the scaled integers.

    Returns ``(RAW, [])`` where no digit count up to `DIGITS_MAX` does.
    """
    if max(values) >= _EXACT_MAX or min(values) <= -_EXACT_MAX:
        return RAW, []
    for digits, power in enumerate(_POWERS):
        if round(values[0] * power) / power != values[0]:
            continue
        scaled = [round(value * power) for value in values]
        if (
            max(scaled) < _EXACT_MAX
            and min(scaled) > -_EXACT_MAX
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


def deltas(numbers: Sequence[int], base: int = 0) -> list[int]:
    """Each number less the one before it, the first less `base`."""
    return [numbers[0] - base, *(after - before for before, after in pairwise(numbers))]


def undelta(differences: Sequence[int], base: int = 0) -> list[int]:
    """The inverse of `deltas`."""
    return list(accumulate(differences, initial=base))[1:]


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


def from_runs(runs: Sequence[int], total: int) -> list[int]:
    """The inverse of `to_runs`. Raises ValueError unless the runs add up to `total`."""
    counts = runs[1::2]
    if len(runs) % 2 or sum(counts) != total or min(counts, default=1) < 1:
        raise ValueError(f"quality runs do not add up to {total} readings")
    numbers: list[int] = []
    for value, count in zip(runs[::2], counts, strict=True):
        numbers += [value] * count
    return numbers
