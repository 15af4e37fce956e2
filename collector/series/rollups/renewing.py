"""A file of roll-ups that turns out to be damaged is put aside and made anew of points, while all goes on."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

import structlog

from collector.series.contract import StoreUnavailableError
from collector.series.rollups.book import PUT_ASIDE, RollupBook
from collector.series.rollups.listing import RolledSeries
from collector.series.rollups.marks import Marks
from collector.series.rollups.metrics import RollupMetrics
from collector.series.rollups.retaining import Retainer
from collector.series.rollups.rolling import Roller

INTERVAL_S: Final = 600.0
"""From one new file to the next: a disk that damages each of them must not be filled with them."""
log = structlog.get_logger()


class Renewal:
    """What must not get lost is in memory: the marks, among them those of appends under way, and since when
    there are points. Minutes and hours from then on are rolled up again as after an upgrade.
    """

    def __init__(
        self,
        book: RollupBook,
        marks: Marks,
        listed: RolledSeries,
        roller: Roller,
        retainer: Retainer,
        metrics: RollupMetrics,
        *,
        forgets: bool,
    ) -> None:
        """forgets: whether points are kept for a time only, so that a file found damaged at the start may have
        had what nobody else has.
        """
        self._book = book
        self._marks = marks
        self._listed = listed
        self._roller = roller
        self._retainer = retainer
        self._metrics = metrics
        self._next_s = time.monotonic()
        self._aside = book.aside
        self._lost = "older than the readings that are left" if forgets and book.aside else ""
        self._rolling = book.aside is not None

    @property
    def due(self) -> bool:
        """Whether the file is damaged, and not made anew yet."""
        return bool(self._book.damage)

    async def renew(self) -> bool:
        """Whether it was necessary. Raises StoreUnavailableError where a new file cannot be begun."""
        damage = self._book.damage
        if not damage or time.monotonic() < self._next_s:
            return False
        async with self._retainer.standing():
            pairs = list(self._marks.pairs())
            try:
                aside = await self._book.renew(pairs)
            except StoreUnavailableError as error:
                raise StoreUnavailableError(
                    f"{self._book.path.name} is damaged and a new one cannot be begun: {error}"
                ) from error
            self._marks.rewritten()
        self._roller.look_anew()
        self._listed.reload()
        self._next_s = time.monotonic() + INTERVAL_S
        lost_ms = self._book.horizons.raw
        since = datetime.fromtimestamp(lost_ms / 1_000, UTC).date().isoformat()
        self._aside, self._lost, self._rolling = aside, f"before {since}" if lost_ms else "", True
        self._metrics.renewed.inc()
        log.error(PUT_ASIDE, aside=str(aside), error=damage, lost_before_ms=lost_ms)
        return True

    def rolled(self, hours: int) -> None:
        """A round has rolled up so many hours."""
        if not hours and not self._book.horizons.examined:
            self._rolling = False

    def words(self) -> str:
        """For an operator: what happened to the file and what is to be done; "ok": nothing."""
        name = self._book.path.name
        if self.due and time.monotonic() < self._next_s:
            return (
                f"{name} is damaged again and is made anew within {INTERVAL_S / 60:.0f} minutes; readings answer "
                "meanwhile. Check the disk and the memory of this machine"
            )
        if self.due:
            return f"{name} is damaged and is made anew now; readings answer meanwhile"
        aside = self._aside.name if self._aside else "gone"
        if self._rolling:
            return f"{name} was damaged and is made anew of the readings, which answer meanwhile; it is now {aside}"
        if self._lost and self._aside and self._aside.exists():
            return (
                f"{name} was damaged: minutes and hours {self._lost} are lost, unless a backup has them (see "
                f"docs/series-retention.md). Move {aside} away to end this message"
            )
        return "ok"
