"""From batches to line protocol: one block of bytes for a request, no object a reading.

    environment_co2_ppm,school=…,room=101 value=812.0 1788000000000                       (InfluxDB)
    environment_co2,school=…,room=101 ppm=812.0 1788000000000                     (VictoriaMetrics)

VictoriaMetrics joins measurement and field by an underscore, so there the name is cut at its last
one. A quality that is not 0 stands in fields beside the value; most points have none.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, Protocol

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


class LineHead(Protocol):
    """How the lines of one series begin. Raises UnnamedQuantityError when made."""

    def __init__(self, name: SeriesName) -> None: ...

    def lines(self, times: list[int], values: list[float], qualities: list[int], clock: int) -> str:
        """The lines of these readings, each ending in a line feed."""


class _Head:
    """Measurement and tags, and what follows a value for each value quality and clock quality."""

    def __init__(self, name: SeriesName, measurement: str, field: str, quality: str, clock: str) -> None:
        tags = ",".join(f"{label}={text.translate(_ESCAPES)}" for label, text in labels_of(name).items())
        self._start = f"{measurement},{tags} "
        self._value = f"{self._start}{field}="
        clocks = [f",{clock}={int(one)}" if one else "" for one in ClockQuality]
        qualities = [f",{quality}={int(one)}" if one else "" for one in Quality]
        self._flags = [[one + other for one in qualities] for other in clocks]

    def lines(self, times: list[int], values: list[float], qualities: list[int], clock: int) -> str:
        value = self._value
        if not clock and not any(qualities):
            rows = [f"{value}{v!r} {t}" for v, t in zip(values, times, strict=True)]
        else:
            flags = self._flags[clock]
            rows = [f"{value}{v!r}{flags[q]} {t}" for v, t, q in zip(values, times, qualities, strict=True)]
        rows.append("")
        return "\n".join(rows)


class InfluxHead(_Head):
    def __init__(self, name: SeriesName) -> None:
        super().__init__(name, metric_of(name.key.quantity), "value", QUALITY[1:], CLOCK[1:])


class VictoriaHead(_Head):
    def __init__(self, name: SeriesName) -> None:
        measurement, _, field = metric_of(name.key.quantity).rpartition("_")
        super().__init__(name, measurement, field, field + QUALITY, field + CLOCK)
        self._field = field

    def lines(self, times: list[int], values: list[float], qualities: list[int], clock: int) -> str:
        if _all_ordinary(values):
            return super().lines(times, values, qualities, clock)
        rows = []
        for time_ms, value, quality in zip(times, values, qualities, strict=True):
            if _all_ordinary([value]):
                rows.append(super().lines([time_ms], [value], [quality], clock))
            else:
                rows.append(self._bits(time_ms, value, quality, clock))
        return "".join(rows)

    def _bits(self, time_ms: int, value: float, quality: int, clock: int) -> str:
        bits = int.from_bytes(_DOUBLE.pack(value), "big")
        field, flags = self._field, self._flags[clock][quality]
        return f"{self._start}{field}{HIGH}={bits >> 32},{field}{LOW}={bits & 0xFFFFFFFF}{flags} {time_ms}\n"


def _all_ordinary(values: list[float]) -> bool:
    lowest = min(values)
    if lowest <= -ORDINARY_MAX or max(values) >= ORDINARY_MAX:
        return False
    # Where all are larger than the smallest, which is usual, two looks at the whole list are enough.
    return lowest > ORDINARY_MIN or not any(v and -ORDINARY_MIN < v < ORDINARY_MIN for v in values)


def number_of(high: int, low: int) -> float:
    """The number that was written by its bits."""
    value: float = _DOUBLE.unpack((high << 32 | low).to_bytes(8, "big"))[0]
    return value
