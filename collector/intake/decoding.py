"""A batch's body as columns of numbers, without an object a reading: what
`telemetry.batch.decode_body` does, for who has numpy and thousands of batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collector.intake.series_names import series_names
from telemetry.batch import BatchError, Body, Header, open_body
from telemetry.columns import DIGITS_MAX, RAW, SCALED_MAX
from telemetry.decoding import INT_MAX
from telemetry.packed import Packed

Integers = NDArray[np.int64]
_POWERS: Final = 10.0 ** np.arange(DIGITS_MAX + 1)


def decode_columns(header: Header, packed: bytes) -> Body:
    """The readings and records of a batch; its columns are memoryviews of 64-bit integers, doubles, bytes.
    Raises BatchError.
    """
    found = open_body(header, packed, series_names)
    if not found.counts:
        return Body([], [], [], [], [], found.records)
    series = _Series(np.array(found.counts, np.int64))
    time_ms = series.walk(np.array(found.time_starts, np.int64) + header.time_base_ms, found.time_steps)
    if time_ms.min() < 0 or time_ms.max() > INT_MAX:
        raise BatchError("a time is out of bounds")
    value = _values(found, series)
    codes = np.array(found.quality_runs[::2], np.uint8)
    quality = np.repeat(codes, found.quality_runs[1::2])
    return Body(found.series, found.counts, _column(time_ms), _column(value), _column(quality), found.records)


class _Series:
    """Where in a column each series begins."""

    def __init__(self, counts: Integers) -> None:
        ends = np.cumsum(counts)
        self.counts = counts
        self._starts = ends - counts
        self._is_step = np.ones(ends[-1], np.bool_)
        self._is_step[self._starts] = False

    def walk(self, starts: Integers, steps: Sequence[int]) -> Integers:
        """The numbers of all series, each from its start on. A sum beyond 64 bits wraps round, but the first
        number that does is far out of the bounds of times and of scaled values.
        """
        numbers = np.empty(len(self._is_step), np.int64)
        numbers[self._is_step] = np.asarray(steps)
        numbers[self._starts] = starts
        # One sum runs through all series: each start takes off what was reached before it.
        numbers[self._starts[1:]] -= np.add.reduceat(numbers, self._starts)[:-1]
        return np.cumsum(numbers, out=numbers)


def _values(found: Packed, series: _Series) -> NDArray[np.float64]:
    digits = np.array(found.digits)
    is_raw = digits == RAW
    if not is_raw.any():
        return _scaled(found, series, digits)
    raw = np.asarray(found.raw_values, np.float64)
    if not np.isfinite(raw).all():
        raise BatchError("a value is not finite")
    if is_raw.all():
        return raw
    values = np.empty(int(series.counts.sum()))
    in_raw = np.repeat(is_raw, series.counts)
    values[in_raw] = raw
    values[~in_raw] = _scaled(found, _Series(series.counts[~is_raw]), digits[~is_raw])
    return values


def _scaled(found: Packed, series: _Series, digits: NDArray[np.int_]) -> NDArray[np.float64]:
    numbers = series.walk(np.array(found.value_starts, np.int64), found.value_steps)
    if numbers.min() < -SCALED_MAX or numbers.max() > SCALED_MAX:
        raise BatchError("a value is out of bounds")
    one = digits[:1] if (digits == digits[0]).all() else np.repeat(digits, series.counts)
    # Dividing, not multiplying, gives the nearest double.
    values: NDArray[np.float64] = numbers / _POWERS[one]
    return values


def _column(numbers: NDArray[np.generic]) -> memoryview:
    return numbers.data
