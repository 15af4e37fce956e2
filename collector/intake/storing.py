"""The second half of the batch line: into the series store, then the marks, then `stored`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from collector.conditions import Conditions
from collector.hub import Hub
from collector.intake.commit import Commits
from collector.intake.contract import Answer
from collector.intake.marks import Marks
from collector.intake.metrics import LineMetrics
from collector.intake.opening import Opened, identity_of, refuse_for_good
from collector.intake.refusals import Refusals
from collector.intake.replies import Replies
from collector.intake.suspects import Suspects
from collector.overview import Overview
from collector.records import RowsRefusedError
from collector.series.contract import (
    BatchKey,
    SeriesBatch,
    SeriesStore,
    StoreFullError,
    StoreUnavailableError,
)

ALONE_FAILURES_MAX: Final = 3
"""So many batches, each by itself, are tried before the store is taken for broken."""

log = structlog.get_logger()


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

    async def store(self, batches: Sequence[Opened], answer: Answer) -> None:
        """Until it is acknowledged. Raises StoreUnavailableError or RecordsUnavailableError; then
        nothing (more) has been acknowledged.
        """
        fresh = {
            (batch.key, batch.header.sequence): batch
            for batch in batches
            if not self._marks.has("stored", batch)
        }
        repeated = [batch for batch in batches if (batch.key, batch.header.sequence) not in fresh]
        if repeated:
            self._metrics.batches.labels("repeated").inc(len(repeated))
            await self._replies.stored(repeated, answer)
        durable = await self._append(list(fresh.values()), answer)
        if not durable:
            return
        durable = await self._mark(durable, answer)
        await self._replies.stored(durable, answer)
        self._count(durable)

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

    async def _append(self, batches: list[Opened], answer: Answer) -> list[Opened]:
        """The batches whose readings are durable. One that the store never takes is refused."""
        with_readings = [batch for batch in batches if batch.header.readings]
        try:
            await self._append_all(with_readings)
        except StoreUnavailableError as error:
            taken = await self._append_each(with_readings, error, answer)
            return [batch for batch in batches if not batch.header.readings or batch in taken]
        return batches

    async def _append_all(self, batches: Sequence[Opened]) -> None:
        if not batches:
            return
        try:
            durable = await self._store.append(list(map(_series_batch, batches)))
            await durable
        except StoreUnavailableError:
            raise
        except Exception as error:
            # A store is a plug-in: whatever it raises, the other batches go on.
            raise StoreUnavailableError(f"{type(error).__name__} in the series store") from error
        self._suspects.stored(batches)
        self._conditions.well("series")

    async def _append_each(
        self, batches: Sequence[Opened], error: StoreUnavailableError, answer: Answer
    ) -> list[Opened]:
        """After a group has failed: one batch may be to blame, unless there was no room. Raises when none
        is stored.
        """
        taken: list[Opened] = []
        alone = len(batches) == 1 and not isinstance(error, StoreFullError)
        failed: list[Opened] = list(batches) if alone else []
        tries = 0
        for batch in self._suspects.in_order(batches) if len(batches) > 1 else ():
            try:
                await self._append_all([batch])
                taken.append(batch)
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
            refused = [
                refuse_for_good(batch.address, identity_of(batch), reason, detail, batch.data)
                for batch in batches
            ]
            await self._refusals.settle(refused, answer, self._now_ms())


def _series_batch(batch: Opened) -> SeriesBatch:
    header = batch.header
    return SeriesBatch(BatchKey(*batch.key, header.sequence), header.clock, batch.body)
