"""Which readings of a series are handed on: the ones that say something new, or an interval's figures."""

from __future__ import annotations

from typing import Protocol

from telemetry.quality import Quality
from telemetry.readings import Chunk


class Strategy(Protocol):
    """One series. Times in ms UTC."""

    def offer(self, time_ms: int, value: float, quality: int, out: Chunk) -> None:
        """Takes a reading; appends to `out` what is to be handed on now."""

    def close(self, now_ms: int | None, out: Chunk) -> None:
        """Hands on what is complete at `now_ms`; everything where it is None."""


class OnChange:
    """Hands on what differs, and a sign of life now and then.

    A reading of another quality differs. One that is older than the last (a device that catches up)
    is handed on too: nobody has seen its time yet.
    """

    def __init__(self, series: int, *, dead_band: float, heartbeat_s: float) -> None:
        self._series = series
        self._dead_band = dead_band
        self._heartbeat_ms = heartbeat_s * 1_000
        self._last: tuple[int, float, int] | None = None

    def offer(self, time_ms: int, value: float, quality: int, out: Chunk) -> None:
        if self._last is not None:
            last_ms, last_value, last_quality = self._last
            moved = abs(value - last_value)
            if (
                quality == last_quality
                and 0 <= time_ms - last_ms < self._heartbeat_ms
                and (moved < self._dead_band or moved == 0)
            ):
                return
        self._last = (time_ms, value, quality)
        out.append(self._series, time_ms, value, quality)

    def close(self, now_ms: int | None, out: Chunk) -> None: ...


class Aggregate:
    """Hands on mean, minimum and maximum of each interval, stamped with its end.

    Intervals lie on multiples of `interval_s` since 1970, so those of all devices coincide. Readings
    that are not good count only where there are no good ones, and then the figures carry the worst
    quality. A reading that comes after its interval was closed is handed on by itself.
    """

    def __init__(self, mean: int, low: int, high: int, *, interval_s: float) -> None:
        self._outputs = (mean, low, high)
        self._interval_ms = round(interval_s * 1_000)
        self._end_ms: int | None = None
        self._values: list[float] = []
        self._quality = int(Quality.GOOD)

    def offer(self, time_ms: int, value: float, quality: int, out: Chunk) -> None:
        end_ms = (time_ms // self._interval_ms + 1) * self._interval_ms
        if self._end_ms is None or end_ms > self._end_ms:
            self.close(None, out)
            self._end_ms = end_ms
        elif end_ms < self._end_ms:
            out.append(self._outputs[0], time_ms, value, quality)
            return
        if quality != self._quality and self._values:
            if self._quality == Quality.GOOD:
                return
            if quality == Quality.GOOD:
                self._values.clear()
        self._quality = quality if not self._values else max(self._quality, quality)
        self._values.append(value)

    def close(self, now_ms: int | None, out: Chunk) -> None:
        if self._end_ms is None or (now_ms is not None and now_ms < self._end_ms):
            return
        if self._values:
            mean = sum(self._values) / len(self._values)
            figures = (round(mean, 6), min(self._values), max(self._values))
            for series, figure in zip(self._outputs, figures, strict=True):
                out.append(series, self._end_ms, figure, self._quality)
        self._values = []
        if now_ms is None:
            self._end_ms = None
