"""The second half of the batch line: into the series store, then the marks, then `stored`.

A store may need a while until what it took is durable. Such groups wait in a queue, from which `settle`
marks and answers them, while `store` goes on with the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import structlog

from collector.conditions import Conditions
from collector.hub import Hub
from collector.intake.commit import Commits
from collector.intake.contract import Answer
from collector.intake.marks import Marks
from collector.intake.metrics import LineMetrics
from collector.intake.opening import Opened, refusal
from collector.intake.refusals import Refusals
from collector.intake.replies import Replies
from collector.intake.suspects import Suspects
from collector.overview import Overview
from collector.records import RowsRefusedError, StreamKey
from collector.series.contract import (
    BatchesRefusedError,
    BatchKey,
    SeriesBatch,
    SeriesStore,
    StoreAwayError,
    StoreFullError,
    StoreUnavailableError,
)
from telemetry.batch import Body

WAITING_MAX: Final = 4_000
"""Groups that wait until they are durable; the store's own bound, in bytes, is usually met first."""
ALONE_FAILURES_MAX: Final = 3
"""So many batches, each by itself, are tried before the store is taken for broken."""

_NO_BODY: Final = Body([], [], [], [], [], [])

log = structlog.get_logger()


class Taken(NamedTuple):
    """Batches that the store has taken, and what completes when they are durable."""

    batches: list[Opened]
    durable: Awaitable[None]
    answer: Answer


class Storing:
    """Stores groups of opened batches; one for each lane."""

    def __init__(
        self,
        *,
        store: SeriesStore,
        commits: Commits,
        marks: Marks,
        refusals: Refusals,
        replies: Replies,
        conditions: Conditions,
        hub: Hub,
        overview: Overview,
        metrics: LineMetrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._commits = commits
        self._marks = marks
        self._refusals = refusals
        self._replies = replies
        self._conditions = conditions
        self._hub = hub
        self._overview = overview
        self._metrics = metrics
        self._now_ms = now_ms
        self._suspects = Suspects()
        self._waiting: asyncio.Queue[Taken] = asyncio.Queue(WAITING_MAX)
        self._waiting_ids: set[tuple[StreamKey, int]] = set()
        # `store` and `settle` run side by side, and each mark is made from the one before.
        self._marking = asyncio.Lock()

    async def store(self, batches: Sequence[Opened], answer: Answer) -> None:
        """Until it is acknowledged, or waits to be durable. Raises StoreUnavailableError or
        RecordsUnavailableError; then nothing (more) has been acknowledged.
        """
        fresh: dict[tuple[StreamKey, int], Opened] = {}
        repeated = []
        for batch in batches:
            if self._marks.has("stored", batch):
                repeated.append(batch)
            elif _id(batch) not in self._waiting_ids:
                fresh[_id(batch)] = batch
        self._metrics.batches.labels("repeated").inc(len(batches) - len(fresh))
        if repeated:
            await self._replies.stored(repeated, answer)
        await self._find(list(fresh.values()))
        for taken in await self._append(list(fresh.values()), answer):
            if _is_done(taken.durable):
                await self._finish(taken)
            else:
                self._waiting_ids.update(map(_id, taken.batches))
                # The store has the readings; they need not fill the memory meanwhile.
                bare = [batch._replace(body=_NO_BODY) for batch in taken.batches]
                await self._waiting.put(taken._replace(batches=bare))

    async def _find(self, batches: Sequence[Opened]) -> None:
        """Alerts from readings; before they are stored, for afterwards they are no longer here. A batch that
        comes again raises nothing twice.
        """
        try:
            raised = await self._commits.found(batches, self._now_ms())
        except RowsRefusedError as error:
            # Of an alert, not of a batch, which goes on.
            self._metrics.rule_failures.labels("records").inc()
            log.error("alerts that were found in readings cannot be kept", error=str(error))
            return
        if raised:
            self._metrics.alerts.inc(raised)
            self._overview.alerts_raised += raised
            self._hub.publish("alerts")

    async def next_taken(self) -> Taken:
        """The next group to `settle`."""
        return await self._waiting.get()

    async def settle(self, taken: Taken) -> None:
        """Waits until a group is durable and acknowledges it. Raises as `store`."""
        try:
            await self._finish(taken)
        finally:
            self._waiting_ids.difference_update(map(_id, taken.batches))

    async def _finish(self, taken: Taken) -> None:
        try:
            await taken.durable
        except StoreUnavailableError:
            raise
        except Exception as error:
            raise _as_unavailable(error) from error
        async with self._marking:
            marked = await self._mark(taken.batches, taken.answer)
        if marked:
            await self._replies.stored(marked, taken.answer)
            self._count(marked)

    def _count(self, batches: Sequence[Opened]) -> None:
        now_ms = self._now_ms()
        for batch in batches:
            seen = self._overview.of(batch.key.school, batch.key.gateway)
            seen.last_data_ms = now_ms
            seen.readings_stored += batch.header.readings
        self._metrics.readings.inc(sum(batch.header.readings for batch in batches))
        self._metrics.batches.labels("stored").inc(len(batches))
        if any(batch.header.readings for batch in batches):
            self._hub.publish("series")

    async def _append(self, batches: list[Opened], answer: Answer) -> list[Taken]:
        """What the store has taken. A batch that it never takes is refused."""
        empty = [batch for batch in batches if not batch.header.readings]
        with_readings = [batch for batch in batches if batch.header.readings]
        try:
            taken = [await self._append_all(with_readings, answer)]
        except StoreUnavailableError as error:
            if isinstance(error, StoreAwayError):
                raise
            taken = await self._append_each(with_readings, error, answer)
        return [one for one in (Taken(empty, _done(), answer), *taken) if one.batches]

    async def _append_all(self, batches: Sequence[Opened], answer: Answer) -> Taken:
        """Without those that the store refuses; they are settled here."""
        wanted = list(batches)
        while wanted:
            try:
                durable = await self._store.append(list(map(_series_batch, wanted)))
            except BatchesRefusedError as error:
                left = await self._without_refused(wanted, error, answer)
                if len(left) == len(wanted):
                    raise _as_unavailable(error) from error
                wanted = left
                continue
            except StoreUnavailableError:
                raise
            except Exception as error:
                # A store is a plug-in: whatever it raises, the other batches go on.
                raise _as_unavailable(error) from error
            self._suspects.stored(wanted)
            self._conditions.well("series")
            return Taken(wanted, durable, answer)
        return Taken([], _done(), answer)

    async def _without_refused(
        self, batches: Sequence[Opened], error: BatchesRefusedError, answer: Answer
    ) -> list[Opened]:
        left = []
        for batch in batches:
            why = error.refused.get(_series_batch(batch).key)
            if why is None:
                left.append(batch)
            else:
                await self._refuse([batch], "not_storable", why, answer)
        return left

    async def _append_each(
        self, batches: Sequence[Opened], error: StoreUnavailableError, answer: Answer
    ) -> list[Taken]:
        """After a group has failed: one batch may be to blame, unless there was no room. Raises when none
        is stored.
        """
        taken: list[Taken] = []
        alone = len(batches) == 1 and not isinstance(error, StoreFullError)
        failed: list[Opened] = list(batches) if alone else []
        tries = 0
        for batch in self._suspects.in_order(batches) if len(batches) > 1 else ():
            try:
                taken.append(await self._append_all([batch], answer))
            except StoreUnavailableError as again:
                error = again
                tries += 1
                if not isinstance(again, StoreFullError):
                    failed.append(batch)
                if not taken and tries >= ALONE_FAILURES_MAX:
                    break
        hopeless = [batch for batch in failed if self._suspects.failed(batch)]
        await self._refuse(hopeless, "not_storable", "the series store does not take it", answer)
        if not taken and not hopeless:
            raise error
        self._metrics.given_back.labels("series").inc(len(batches) - len(taken) - len(hopeless))
        return taken

    async def _mark(self, batches: list[Opened], answer: Answer) -> list[Opened]:
        try:
            await self._commits.stored(batches, self._now_ms())
        except RowsRefusedError:
            marked = []
            for batch in batches:
                try:
                    await self._commits.stored([batch], self._now_ms())
                    marked.append(batch)
                except RowsRefusedError:
                    await self._refuse([batch], "not_storable", "the records database refuses it", answer)
            return marked
        self._conditions.well("records")
        return batches

    async def _refuse(self, batches: Sequence[Opened], reason: str, detail: str, answer: Answer) -> None:
        if batches:
            refused = [refusal(batch, reason, detail) for batch in batches]
            await self._refusals.settle(refused, answer, self._now_ms())


def _id(batch: Opened) -> tuple[StreamKey, int]:
    return batch.key, batch.header.sequence


def _is_done(durable: Awaitable[None]) -> bool:
    return isinstance(durable, asyncio.Future) and durable.done()


def _done() -> asyncio.Future[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def _as_unavailable(error: Exception) -> StoreUnavailableError:
    return StoreUnavailableError(f"{type(error).__name__} in the series store")


def _series_batch(batch: Opened) -> SeriesBatch:
    header = batch.header
    return SeriesBatch(BatchKey(*batch.key, header.sequence), header.clock, batch.body)
