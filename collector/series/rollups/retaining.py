"""Forgets what has been kept long enough: points, then minutes, then hours.

Points are forgotten by whole days, once every hour before is rolled up. From that moment the store takes no
points of those days any more: late ones are merged into roll-ups. So an hour is either rolled up from points
or added to, and never both.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog

from collector.series.contract import SeriesStore
from collector.series.rollups.book import RollupBook
from collector.series.rollups.marks import Marks
from collector.series.rollups.metrics import RollupMetrics
from collector.series.rollups.rows import DAY_MS
from collector.series.rollups.settings import RetentionSection
from collector.series.rollups.tables import Horizons, Table

STEPS_MAX: Final = 1_000
"""Of one sweep, a day's points each."""
MARGIN_DAYS: Final = 2
"""So long before a server forgets points by itself they are merged rather than sent to it."""
_LONGER_DAYS: Final = 31
"""A server that keeps points so much longer than it need is told of."""
log = structlog.get_logger()


class Retainer:
    """`settled` is set but for the moment in which the first day of points, or the file, is being changed."""

    def __init__(
        self,
        store: SeriesStore,
        book: RollupBook,
        marks: Marks,
        metrics: RollupMetrics,
        retention: RetentionSection,
        *,
        now_ms: Callable[[], int],
        may_delete: Callable[[], bool],
    ) -> None:
        """may_delete: whether the clock of `now_ms` can be believed."""
        self._store = store
        self._book = book
        self._marks = marks
        self._metrics = metrics
        self._retention = retention
        self._now_ms = now_ms
        self._may_delete = may_delete
        self._told = ""
        self._begun = False
        self._moving = asyncio.Lock()
        self.settled = asyncio.Event()
        self.settled.set()
        self._show()

    async def begin(self) -> None:
        """Before the first append: what the store itself has forgotten meanwhile is not sent to it. Raises
        StoreUnavailableError.
        """
        if self._begun or not self._may_delete():
            return
        kept_ms = await self._server_raw_ms()
        horizons = self._book.horizons
        if not horizons.examined:
            await self._move_to(horizons._replace(raw=kept_ms))
        self._begun = True

    async def move(self) -> None:
        """Sets since when there are points, minutes and hours. Raises StoreUnavailableError."""
        horizons, kept = self._book.horizons, self._retention
        if not horizons.examined and self._may_delete():
            raw = max(self._days_ago(kept.raw_days), await self._server_raw_ms())
            minutes, hours = self._days_ago(kept.minute_days), self._days_ago(kept.hour_days)
            await self._move_to(horizons._replace(raw=raw, minutes=minutes, hours=hours))
        self._show()

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """No append begins now; those under way have marked what they bring."""
        async with self._moving:
            self.settled.clear()
            try:
                yield
            finally:
                self.settled.set()

    async def _move_to(self, wanted: Horizons) -> None:
        async with self.standing():
            await self._move(wanted)

    async def _move(self, wanted: Horizons) -> None:
        horizons = self._book.horizons
        oldest_ms = self._marks.oldest_ms()
        raw = wanted.raw if oldest_ms is None else min(wanted.raw, oldest_ms // DAY_MS * DAY_MS)
        raw = max(horizons.raw, raw)
        minutes = max(horizons.minutes, min(wanted.minutes, raw))
        hours = max(horizons.hours, min(wanted.hours, minutes))
        moved = horizons._replace(raw=raw, minutes=minutes, hours=hours)
        if moved != horizons:
            await self._book.move(moved)
            log.info("older readings are forgotten", raw_ms=raw, minutes_ms=minutes, hours_ms=hours)

    def _days_ago(self, days: int | None) -> int:
        if days is None:
            return 0
        return max(0, (self._now_ms() // DAY_MS - days) * DAY_MS)

    async def _server_raw_ms(self) -> int:
        """Before which points are merged because the store will soon forget them by itself; 0: never."""
        kept_ms = await self._store.kept_from_ms()
        if not kept_ms:
            return 0
        self._compare(kept_ms)
        return (kept_ms // DAY_MS + MARGIN_DAYS) * DAY_MS

    def _compare(self, kept_ms: int) -> None:
        """Says once where the server keeps points for another time than [retention] says."""
        days, kept_days = self._retention.raw_days, round((self._now_ms() - kept_ms) / DAY_MS)
        needed_days = (days or 0) + MARGIN_DAYS + 1
        if days is None or needed_days - 1 <= kept_days <= needed_days + _LONGER_DAYS:
            self._told = ""
        else:
            self._tell("longer" if kept_days > needed_days else "shorter", kept_days)

    def _tell(self, kept: str, server_days: int | None) -> None:
        if kept != self._told:
            days = self._retention.raw_days
            log.warning(
                "the series server's retention does not fit [retention] raw_days; set it to needed_days",
                kept=kept,
                raw_days=days,
                needed_days=(days or 0) + MARGIN_DAYS + 1,
                server_days=server_days,
            )
        self._told = kept

    def _show(self) -> None:
        for kind, since_ms in zip(("points", "minutes", "hours"), self._book.horizons, strict=False):
            self._metrics.reach.labels(kind).set(since_ms / 1_000)

    async def forget(self) -> None:
        """Deletes what lies before those times, a part at a time. Raises StoreUnavailableError."""
        horizons = self._book.horizons
        for _ in range(STEPS_MAX if horizons.raw else 0):
            count = await self._store.forget(horizons.raw)
            if count is None and self._retention.raw_days and not await self._store.kept_from_ms():
                self._tell("for ever", None)
            if not count:
                break
            self._metrics.forgotten.labels("points").inc(count)
        rows = 0
        befores: dict[Table, int] = {"minutes": horizons.minutes, "hours": horizons.hours}
        for table, before_ms in befores.items():
            if before_ms:
                count = await self._book.delete_before(table, before_ms)
                self._metrics.forgotten.labels(table).inc(count)
                rows += count
        if rows:
            await self._book.give_back_room()
