"""A series store with minutes and hours beside its points.

It is a SeriesStore over any other. What comes is marked by hour and gateway in a file of its own before the
store gets it, and rolled up later; what is older than points are kept is merged into roll-ups at once. A
question by whole minutes is answered from roll-ups as far as they are as the points are, and from points
elsewhere: the answer is that of the points alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
from prometheus_client import CollectorRegistry

from collector.series.contract import (
    Aggregate,
    BatchKey,
    Reach,
    Selector,
    SeriesBatch,
    SeriesInfo,
    SeriesPoints,
    SeriesStore,
    StoreUnavailableError,
    check_query,
)
from collector.series.memory_index import Origin, SeriesName
from collector.series.rollups.asking import Questions
from collector.series.rollups.book import RollupBook
from collector.series.rollups.late import since
from collector.series.rollups.listing import RolledSeries
from collector.series.rollups.marks import Mark, Marks, Pair
from collector.series.rollups.metrics import RollupMetrics
from collector.series.rollups.renewing import Renewal
from collector.series.rollups.retaining import Retainer
from collector.series.rollups.rolling import Roller
from collector.series.rollups.rows import HOUR_MS
from collector.series.rollups.settings import RetentionSection
from collector.series.rollups.tending import Tending

QUIET_S: Final = 120.0
"""An hour is rolled up when it is over and nothing of it has come for so long."""


class _Entered(NamedTuple):
    pair: Pair
    mark: Mark


class RolledStore:
    """See SeriesStore. `run` must go on beside it: it rolls up and forgets. Of points that are merged every
    one counts, also where the store below would keep one a time.
    """

    def __init__(
        self,
        store: SeriesStore,
        book: RollupBook,
        retention: RetentionSection,
        registry: CollectorRegistry,
        *,
        now_ms: Callable[[], int],
        quiet_s: float = QUIET_S,
    ) -> None:
        self.below = store
        self._book = book
        self._marks = Marks(book.marks_found)
        self._metrics = RollupMetrics(registry)
        self._listed = RolledSeries(store, book)
        self._questions = Questions(store, book, self._marks, self._listed)
        self._closed = False
        self.may_delete: Callable[[], bool] = lambda: True
        """Whether the clock can be believed; set by who can tell."""

        def may_delete() -> bool:
            return self.may_delete()

        self.roller = Roller(
            store, book, self._marks, self._metrics, now_ms=now_ms, may_delete=may_delete, quiet_s=quiet_s
        )
        self.retainer = Retainer(
            store, book, self._marks, self._metrics, retention, now_ms=now_ms, may_delete=may_delete
        )
        self._renewal = Renewal(
            book,
            self._marks,
            self._listed,
            self.roller,
            self.retainer,
            self._metrics,
            forgets=retention.raw_days is not None,
        )
        self._tending = Tending(self.roller, self.retainer, self._renewal)

    @classmethod
    async def open(
        cls,
        store: SeriesStore,
        path: Path,
        retention: RetentionSection,
        registry: CollectorRegistry,
        *,
        now_ms: Callable[[], int],
        quiet_s: float = QUIET_S,
    ) -> Self:
        """Over a store that is open, with roll-ups in the file `path`. Raises StoreFileError."""
        book = await RollupBook.open(path)
        return cls(store, book, retention, registry, now_ms=now_ms, quiet_s=quiet_s)

    @property
    def waiting(self) -> int:
        """Hours of gateways that are not rolled up as they are."""
        return len(self._marks)

    @property
    def health(self) -> str:
        """What troubles roll-ups and retention, in a few words; "ok": nothing."""
        return self._tending.health

    async def run(self) -> None:
        """Rolls up and forgets until cancelled."""
        await self._tending.run()

    async def append(self, batches: Sequence[SeriesBatch]) -> Awaitable[None]:
        """See SeriesStore.append. Points older than points are kept have been merged into roll-ups when
        this returns.
        """
        self._check_open()
        split_ms, taken = await self._split(batches)
        late, rest = ([], batches) if taken is None else _divided(batches, split_ms, taken)
        # No await from the horizon to here: it cannot have moved past what is marked now.
        entered = self._enter(rest)
        try:
            if pairs := [pair for pair, mark in entered if not mark.written]:
                await self._book.mark(pairs)
                for _, mark in entered:
                    mark.written = True
            if late:
                await self._merge(late, split_ms)
            durable = asyncio.ensure_future(await self.below.append(rest))
        except BaseException:
            self._leave(entered)
            raise
        if self._listed:
            self._listed.seen(_names(rest))
        if durable.done():
            self._leave(entered)
        else:
            durable.add_done_callback(lambda _: self._leave(entered))
        return durable

    async def _split(self, batches: Sequence[SeriesBatch]) -> tuple[int, frozenset[BatchKey] | None]:
        """Before which time points are merged rather than stored; and which of the batches that have such
        points the store has had already, so that nothing of them is missing. None: no batch has such points.
        """
        await self.retainer.begin()
        while True:
            await self.retainer.settled.wait()
            split_ms = self._book.horizons.raw
            late = [batch.key for batch in batches if _begins_before(batch, split_ms)]
            if not late:
                return split_ms, None
            taken = await self.below.taken(late) or frozenset()
            if self.retainer.settled.is_set() and split_ms == self._book.horizons.raw:
                return split_ms, taken

    def _enter(self, batches: Sequence[SeriesBatch]) -> list[_Entered]:
        now_s = time.monotonic()
        pairs = {
            Pair(Origin(batch.key.school, batch.key.gateway), hour_ms)
            for batch in batches
            if batch.body.time_ms
            for hour_ms in _hours(batch.body.time_ms)
        }
        return [_Entered(pair, self._marks.enter(pair, now_s)) for pair in pairs]

    def _leave(self, entered: Sequence[_Entered]) -> None:
        now_s = time.monotonic()
        for pair, mark in entered:
            self._marks.leave(pair, mark, now_s)

    async def _merge(self, late: Sequence[SeriesBatch], split_ms: int) -> None:
        merged = await self._book.merge(late, split_ms)
        for into in ("minutes", "hours", "dropped"):
            self._metrics.late.labels(into).inc(getattr(merged, into))
        await self._listed.merged(merged.names)

    async def series(self, selector: Selector = Selector()) -> list[SeriesInfo]:  # noqa: B008  # immutable
        """See SeriesStore.series; with those that only roll-ups know."""
        self._check_open()
        await self._listed.load()
        found = await self.below.series(selector)
        more = self._listed.select(selector)
        return sorted(found + more, key=lambda info: info.id)[: selector.limit] if more else found

    async def query(
        self,
        series_ids: Sequence[int],
        start_ms: int,
        end_ms: int,
        *,
        step_ms: int | None = None,
        aggregate: Aggregate = "mean",
    ) -> list[SeriesPoints]:
        """See SeriesStore.query. Without a step, or with one that is not of whole minutes, only points can
        answer.
        """
        check_query(step_ms, aggregate)
        self._check_open()
        return await self._questions.ask(series_ids, start_ms, end_ms, step_ms, aggregate)

    async def point_count(self) -> int:
        """See SeriesStore.point_count; roll-ups are not counted."""
        self._check_open()
        return await self.below.point_count()

    async def taken(self, keys: Sequence[BatchKey]) -> frozenset[BatchKey] | None:
        """See SeriesStore.taken."""
        return await self.below.taken(keys)

    async def forget(self, before_ms: int) -> int | None:
        """See SeriesStore.forget. What is forgotten by [retention] goes by itself."""
        return await self.below.forget(before_ms)

    async def kept_from_ms(self) -> int:
        """See SeriesStore.kept_from_ms."""
        return await self.below.kept_from_ms()

    def reach(self) -> Reach:
        """See SeriesStore.reach."""
        return Reach(*self._book.horizons[:3])

    async def close(self) -> None:
        """Closes the store below too; a second call does nothing."""
        if not self._closed:
            self._closed = True
            await self.below.close()
            await self._book.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the store is closed")


def _begins_before(batch: SeriesBatch, time_ms: int) -> bool:
    times = batch.body.time_ms
    return time_ms > 0 and bool(times) and bool(np.asarray(times).min() < time_ms)


def _divided(
    batches: Sequence[SeriesBatch], split_ms: int, taken: frozenset[BatchKey]
) -> tuple[list[SeriesBatch], Sequence[SeriesBatch]]:
    """What has points to be merged, and what the store gets."""
    late: list[SeriesBatch] = []
    rest: list[SeriesBatch] = []
    for batch in batches:
        if not _begins_before(batch, split_ms):
            rest.append(batch)
            continue
        if batch.key not in taken:
            late.append(batch)
        left = since(batch, split_ms)
        if left.body.time_ms:
            rest.append(left)
    return late, rest


def _hours(time_ms: Sequence[int]) -> set[int]:
    """Hours in which these points lie, also after a server has moved some of one time on by milliseconds."""
    times = np.asarray(time_ms, np.int64)
    first, last = int(times.min()), int(times.max()) + len(times)
    if last // HOUR_MS - first // HOUR_MS <= 1:
        return {first - first % HOUR_MS, last - last % HOUR_MS}
    every = np.concatenate((times, times + len(times)))
    return set(np.unique(every - every % HOUR_MS).tolist())


def _names(batches: Sequence[SeriesBatch]) -> set[SeriesName]:
    return set(
        chain.from_iterable(
            (SeriesName(Origin(batch.key.school, batch.key.gateway), key) for key in batch.body.series)
            for batch in batches
        )
    )
