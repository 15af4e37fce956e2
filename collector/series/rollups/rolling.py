"""Rolls marked hours up, the oldest first, and finds the hours of points that were there before.

A little at a time: a round reads some hours and rests, so that the batch line is not kept waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import numpy as np
import structlog

from collector.series.contract import (
    QueryTooLargeError,
    Selector,
    SeriesInfo,
    SeriesPoints,
    SeriesStore,
)
from collector.series.memory_index import Origin, SeriesName
from collector.series.rollups.book import RollupBook
from collector.series.rollups.marks import LONG_AGO_S, Marks, Pair
from collector.series.rollups.metrics import RollupMetrics
from collector.series.rollups.rows import DAY_MS, HOUR_MS, MINUTE_MS, Rows, empty, of_points
from telemetry.readings import SeriesKey

RUNS_MAX: Final = 20
"""Of one round."""
HOURS_MAX: Final = 24
"""Of one gateway, rolled up together."""
SERIES_HOURS_MAX: Final = 2_400
"""Hours times series of such a run."""
WAITING_MAX: Final = 5_000
"""With more hours waiting no older ones are looked for."""
LOOK_MS: Final = 30 * DAY_MS
"""Such a stretch is looked through in one round, an hour a row."""
_LOOK_SERIES: Final = 100
_PAGE: Final = 1_000
_END_MS: Final = 2**53
log = structlog.get_logger()


class Roller:
    """`quiet_s`: an hour is rolled up when it is over and nothing of it has come for so long."""

    def __init__(
        self,
        store: SeriesStore,
        book: RollupBook,
        marks: Marks,
        metrics: RollupMetrics,
        *,
        now_ms: Callable[[], int],
        may_delete: Callable[[], bool],
        quiet_s: float,
    ) -> None:
        self._store = store
        self._book = book
        self._marks = marks
        self._metrics = metrics
        self._now_ms = now_ms
        self._may_delete = may_delete
        self._quiet_s = quiet_s
        self._stretches: list[int] | None = None
        """Starts of stretches that have points nobody has looked at; the newest is the last."""

    async def round(self) -> int:
        """How many hours were rolled up. Raises StoreUnavailableError."""
        if self._book.horizons.examined and len(self._marks) < WAITING_MAX:
            await self._look_back()
        rolled = 0
        kept_ms = await self._store.kept_from_ms()
        for run in self._runs():
            gone = [pair for pair in run if pair.hour_ms < kept_ms]
            # By a clock that is wrong this would be said of hours that the store has.
            if gone and self._may_delete():
                await self._give_up(gone)
            if left := run[len(gone) :]:
                rolled += await self._roll(left)
        self._metrics.waiting.set(len(self._marks))
        return rolled

    def _runs(self) -> list[list[Pair]]:
        """Consecutive hours of one gateway each."""
        now_ms, now_s = self._now_ms(), time.monotonic()
        ready = {
            pair
            for pair in self._marks.pairs()
            if self._marks.is_ready(pair, now_ms=now_ms, now_s=now_s, quiet_s=self._quiet_s)
        }
        runs: list[list[Pair]] = []
        for pair in sorted(ready, key=lambda one: (one.hour_ms, one.origin)):
            if pair not in ready:
                continue
            if len(runs) == RUNS_MAX:
                break
            run = [pair]
            while len(run) < HOURS_MAX and run[-1]._replace(hour_ms=run[-1].hour_ms + HOUR_MS) in ready:
                run.append(run[-1]._replace(hour_ms=run[-1].hour_ms + HOUR_MS))
            ready.difference_update(run)
            runs.append(run)
        return runs

    async def _roll(self, run: list[Pair]) -> int:
        infos = await self._series(Selector(gateway=run[0].origin.gateway, school=run[0].origin.school))
        run = run[: max(1, SERIES_HOURS_MAX // max(1, len(infos)))]
        before = [self._marks.state(pair) for pair in run]
        try:
            names, minutes = await self._minutes(infos, run[0].hour_ms, run[-1].hour_ms + HOUR_MS)
        except QueryTooLargeError as error:
            self._marks.postpone(run, time.monotonic())
            log.warning("an hour is too full to be rolled up; it is read point by point", error=str(error))
            return 0
        # From here to `take_down` nobody else runs: what comes later writes a mark of its own.
        if [self._marks.state(pair) for pair in run] != before:
            return 0
        await self._take_down(run, self._book.replace(run, names, minutes))
        self._metrics.rolled.inc(len(run))
        return len(run)

    async def _give_up(self, run: list[Pair]) -> None:
        """The store has forgotten points of these hours by itself: what was rolled up before is more."""
        log.warning("hours that the store has forgotten already stay as they were rolled up", hours=len(run))
        await self._take_down(run, self._book.unmark(run))

    async def _take_down(self, run: list[Pair], writing: Coroutine[None, None, None]) -> None:
        self._marks.take_down(run)
        try:
            await writing
        except BaseException:
            self._marks.put_back(run, time.monotonic())
            raise
        self._marks.taken_down(run)

    async def _series(self, selector: Selector) -> list[SeriesInfo]:
        found: list[SeriesInfo] = []
        selector = selector._replace(limit=_PAGE)
        while page := await self._store.series(selector):
            found += page
            selector = selector._replace(after_id=page[-1].id)
        return found

    async def _minutes(
        self, infos: Sequence[SeriesInfo], start_ms: int, end_ms: int
    ) -> tuple[list[SeriesName], Rows]:
        """Minutes by place in the list of names."""
        names: list[SeriesName] = []
        parts: list[Rows] = []
        for one in await self._ask([info.id for info in infos], start_ms, end_ms):
            if one.time_ms:
                places = np.full(len(one.time_ms), len(names), np.int32)
                columns = (
                    np.array(one.time_ms, np.int64),
                    np.array(one.value),
                    np.array(one.quality, np.uint8),
                )
                parts.append(of_points(places, *columns))
                names.append(name_of(one.series))
        if not parts:
            return [], empty()
        return names, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    async def _ask(
        self, ids: Sequence[int], start_ms: int, end_ms: int, step_ms: int | None = None
    ) -> list[SeriesPoints]:
        """Points, or counts by windows, in as many questions as it needs."""
        try:
            return await self._store.query(ids, start_ms, end_ms, step_ms=step_ms, aggregate="count")
        except QueryTooLargeError:
            half, middle_ms = len(ids) // 2, (start_ms + end_ms) // 2
            # Whole windows, or whole minutes while there are any.
            grain_ms = step_ms or (MINUTE_MS if end_ms - start_ms > MINUTE_MS else 1)
            middle_ms -= middle_ms % grain_ms
            if half:
                parts = [(ids[:half], start_ms, end_ms), (ids[half:], start_ms, end_ms)]
            elif start_ms < middle_ms:
                parts = [(ids, start_ms, middle_ms), (ids, middle_ms, end_ms)]
            else:
                raise
        return [found for part in parts for found in await self._ask(*part, step_ms)]

    def look_anew(self) -> None:
        """There is another file of roll-ups, for which nobody has looked yet."""
        self._stretches = None

    async def _look_back(self) -> None:
        """Marks what has points in the newest stretch that nobody has looked at. Before the first day of
        points hours are merged into, and not rolled up.
        """
        horizons = self._book.horizons
        everything = await self._series(Selector())
        end_ms = min(horizons.examined, _END_MS)
        if self._stretches is None:
            counted = await self._counts(everything, horizons.raw, end_ms, LOOK_MS)
            self._stretches = sorted({start_ms for one in counted for start_ms in one.time_ms})
        start_ms = self._stretches[-1] if self._stretches else 0
        first_ms = max(start_ms, horizons.raw)
        pairs = await self._hours(everything, first_ms, min(start_ms + LOOK_MS, end_ms))
        examined = start_ms if len(self._stretches) > 1 else 0
        # In memory first: a question must not find the hours looked at and not marked.
        entered = [(pair, self._marks.enter(pair, LONG_AGO_S)) for pair in pairs]
        try:
            await self._book.move(horizons._replace(examined=examined), pairs)
            for _, mark in entered:
                mark.written = True
        finally:
            for pair, mark in entered:
                self._marks.leave(pair, mark, LONG_AGO_S)
        del self._stretches[-1:]
        log.info("points that were there before will be rolled up", hours=len(pairs), left=bool(examined))

    async def _hours(self, infos: Sequence[SeriesInfo], start_ms: int, end_ms: int) -> list[Pair]:
        found = await self._counts(infos, start_ms, end_ms, HOUR_MS)
        pairs = {Pair(name_of(one.series).origin, hour_ms) for one in found for hour_ms in one.time_ms}
        return sorted(pairs)

    async def _counts(
        self, infos: Sequence[SeriesInfo], start_ms: int, end_ms: int, step_ms: int
    ) -> list[SeriesPoints]:
        found: list[SeriesPoints] = []
        for at in range(0, len(infos), _LOOK_SERIES):
            ids = [info.id for info in infos[at : at + _LOOK_SERIES]]
            if ids:
                found += await self._ask(ids, start_ms, end_ms, step_ms)
        return found


def name_of(info: SeriesInfo) -> SeriesName:
    """What tells a series from another, without its id."""
    key = SeriesKey(info.quantity, info.device, info.place, info.model)
    return SeriesName(Origin(info.school, info.gateway), key)
