"""How much one gateway may make the collector remember: series, generations, holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from collector.intake.marks import Marks
from collector.intake.opening import Opened
from collector.intake.record_bounds import Objection
from collector.intake.series_names import SERIES_REMEMBERED_MAX
from collector.series.contract import Selector, SeriesStore
from telemetry.readings import SeriesKey

SERIES_MAX: Final = 10_000
"""Of one gateway: 200 devices with 50 quantities."""
GENERATIONS_MAX: Final = 1_000
"""Streams of one gateway; a new one begins only with a new buffer file."""
HOLES_MAX: Final = 10_000
"""Ranges of one stream; each batch that never came is one more."""
_PAGE: Final = 10_000


class Quotas:
    """What is refused here would be taken from another gateway; the sender itself is known and sound."""

    def __init__(
        self, marks: Marks, *, series_max: int = SERIES_MAX, generations_max: int = GENERATIONS_MAX
    ) -> None:
        self._marks = marks
        self._series_max = series_max
        self._generations_max = generations_max
        self._series: dict[tuple[str, str], set[SeriesKey]] = {}
        self._allowed: dict[tuple[str, str], Sequence[SeriesKey]] = {}

    async def load(self, store: SeriesStore) -> None:
        """Learns which series there are."""
        after_id = 0
        while page := await store.series(Selector(after_id=after_id, limit=_PAGE)):
            for info in page:
                names = self._series.setdefault((info.school, info.gateway), set())
                names.add(SeriesKey(info.quantity, info.device, info.place, info.model))
            after_id = page[-1].id

    def objection(self, batch: Opened) -> Objection | None:
        """Why a batch would be too much; if it is not, it is allowed for from now on."""
        key = batch.key
        if self._marks.is_new(key) and self._marks.generations(key) >= self._generations_max:
            return "too_many_generations", f"more than {self._generations_max} streams; register it anew"
        if self._marks.holes(key) > HOLES_MAX:
            return "too_many_holes", f"more than {HOLES_MAX} ranges of batches that never came"
        origin, series = key[:2], batch.body.series
        if self._allowed.get(origin) is series:
            return None
        if len(series) > self._series_max:
            return self._too_many_series()
        known = self._series.setdefault(origin, set())
        if not known.issuperset(series):
            new = set(series) - known
            if len(known) + len(new) > self._series_max:
                return self._too_many_series()
            known |= new
        if len(series) <= SERIES_REMEMBERED_MAX:
            self._allowed[origin] = series
        return None

    def _too_many_series(self) -> Objection:
        return "too_many_series", f"more than {self._series_max} series of one gateway"
