"""From batches to line protocol: one block of bytes for a request, no object a reading.

    environment_co2_ppm,school=…,room=101 value=812.0 1788000000000                       (InfluxDB)
    environment_co2,school=…,room=101 ppm=812.0 1788000000000                     (VictoriaMetrics)

VictoriaMetrics joins measurement and field by an underscore, so there the name is cut at its last
one. A quality that is not 0 stands in fields beside the value; most points have none.
"""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, Final, Protocol

import msgspec

from collector.series.memory_index import SeriesName
from collector.series.metric_names import CLOCK, HIGH, LOW, QUALITY, labels_of, metric_of
from telemetry.quality import ClockQuality, Quality

ORDINARY_MAX: Final = 1e9
ORDINARY_MIN: Final = 1e-9
"""VictoriaMetrics keeps a block of numbers as 18 digits with one exponent: beside a number beyond these,
ordinary ones would lose their decimals or become 0. Such a number is written by its bits, as two whole
numbers.
"""
_DOUBLE: Final = Struct(">d")
_ESCAPES: Final = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})


_encode_list: Final = msgspec.json.Encoder().encode
"""The quickest way to write a column of numbers, in as few digits as give each number back."""


class LineHead(Protocol):
    """How the lines of one series begin. Raises UnnamedQuantityError when made."""

    ordinary_only: ClassVar[bool]
    """Whether numbers that are not ordinary are written in another way."""
    value: bytes
    """What stands before a value."""

    def __init__(self, name: SeriesName) -> None: ...

    def parts(self, ends: list[bytes], values: list[float], qualities: list[int], clock: int) -> list[bytes]:
        """What joined gives the lines of these readings; `ends` are their times by `line_ends`."""


class _Head:
    """Measurement and tags, and what follows a value for each value quality and clock quality."""

    def __init__(self, name: SeriesName, measurement: str, field: str, quality: str, clock: str) -> None:
        tags = ",".join(f"{label}={text.translate(_ESCAPES)}" for label, text in labels_of(name).items())
        self._start = f"{measurement},{tags} "
        self.value = f"{self._start}{field}=".encode()
        clocks = [f",{clock}={int(one)}" if one else "" for one in ClockQuality]
        qualities = [f",{quality}={int(one)}" if one else "" for one in Quality]
        self._flags = [[f"{one}{other}".encode() for one in qualities] for other in clocks]

    def parts(self, ends: list[bytes], values: list[float], qualities: list[int], clock: int) -> list[bytes]:
        flagged = bool(clock) or any(qualities)
        width = 4 if flagged else 3
        found = [self.value] * (width * len(ends))
        found[1::width] = _encode_list(values)[1:-1].split(b",")
        if flagged:
            flags = self._flags[clock]
            found[2::width] = [flags[quality] for quality in qualities]
        found[width - 1 :: width] = ends
        return found


class InfluxHead(_Head):
    ordinary_only: ClassVar[bool] = False

    def __init__(self, name: SeriesName) -> None:
        super().__init__(name, metric_of(name.key.quantity), "value", QUALITY[1:], CLOCK[1:])


class VictoriaHead(_Head):
    ordinary_only: ClassVar[bool] = True

    def __init__(self, name: SeriesName) -> None:
        measurement, _, field = metric_of(name.key.quantity).rpartition("_")
        super().__init__(name, measurement, field, field + QUALITY, field + CLOCK)
        self._field = field

    def parts(self, ends: list[bytes], values: list[float], qualities: list[int], clock: int) -> list[bytes]:
        if all_ordinary(values):
            return super().parts(ends, values, qualities, clock)
        found = []
        for end, value, quality in zip(ends, values, qualities, strict=True):
            if all_ordinary([value]):
                found += super().parts([end], [value], [quality], clock)
            else:
                found += self._bits(value), self._flags[clock][quality], end
        return found

    def _bits(self, value: float) -> bytes:
        bits, field = int.from_bytes(_DOUBLE.pack(value), "big"), self._field
        return f"{self._start}{field}{HIGH}={bits >> 32},{field}{LOW}={bits & 0xFFFFFFFF}".encode()


def line_ends(times: list[int]) -> list[bytes]:
    """What stands behind the values of these times; series of one device often share them."""
    return (b" %b\n" % _encode_list(times)[1:-1].replace(b",", b"\n, ")).split(b",")


def join_plain(heads: list[bytes], ends: list[bytes], values: list[float]) -> bytes:
    """Lines of ordinary numbers of good quality, for as many series as there are heads: each with its own."""
    found = [b""] * (3 * len(ends))
    found[::3] = heads
    found[1::3] = _encode_list(values)[1:-1].split(b",")
    found[2::3] = ends
    return b"".join(found)


def all_ordinary(values: list[float]) -> bool:
    lowest = min(values)
    if lowest <= -ORDINARY_MAX or max(values) >= ORDINARY_MAX:
        return False
    # Where all are larger than the smallest, which is usual, two looks at the whole list are enough.
    return lowest > ORDINARY_MIN or not any(v and -ORDINARY_MIN < v < ORDINARY_MIN for v in values)


def number_of(high: int, low: int) -> float:
    """The number that was written by its bits."""
    value: float = _DOUBLE.unpack((high << 32 | low).to_bytes(8, "big"))[0]
    return value
