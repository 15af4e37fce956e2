"""The columns that CSV and Parquet files have, and a piece of points with all that stands beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Self

from collector.series.contract import SeriesPoints
from telemetry.quality import PACKED_NAMES
from telemetry.quantities import QUANTITIES

ABOUT_COLUMNS: Final = ("school", "gateway", "device", "place", "place_name", "quantity", "unit")
CSV_COLUMNS: Final = ("time", "time_ms", *ABOUT_COLUMNS, "value", "quality", "clock", "count")


class About(NamedTuple):
    """What a series is about, in the order of `ABOUT_COLUMNS`; place_name: empty where it has none."""

    school: str
    gateway: str
    device: str
    place: str
    place_name: str
    quantity: str
    unit: str


class Labelled(NamedTuple):
    """Points of one series and what they are about."""

    about: About
    points: SeriesPoints

    @classmethod
    def of(cls, points: SeriesPoints, place_name: str) -> Self:
        series = points.series
        row = QUANTITIES.get(series.quantity)
        unit = row.unit if row else ""
        about = About(
            series.school, series.gateway, series.device, series.place, place_name, series.quantity, unit
        )
        return cls(about, points)

    def rows(self) -> Iterator[tuple[int, float, str, str, int]]:
        """Time (ms UTC), value, quality, clock, count."""
        points = self.points
        for time_ms, value, packed, count in zip(
            points.time_ms, points.value, points.quality, points.counts, strict=True
        ):
            quality, clock = PACKED_NAMES[packed]
            yield time_ms, value, quality, clock, count
