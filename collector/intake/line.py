"""The batch line: verify → decode → authorise → dedupe → commit → acknowledge.

Two lanes run side by side, urgent and bulk, each in two halves with a short queue between. The
first half ends with alerts and records committed and `received`; the second with `stored`. So a
fever waits neither for a backlog nor for the series store, even when that is away.

Within a lane a group of batches shares each step: one transaction, one insert, one acknowledgement
a stream. A crash between any two steps is healed by the gateway sending again: records are unique
by batch and position, alerts by cause, readings by the store's own marks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from collector.conditions import Conditions
from collector.fleet.offers import Offers
from collector.hub import Hub
from collector.intake.commit import Commits
from collector.intake.contract import Answer, Door, Incoming
from collector.intake.door import LineDoor
from collector.intake.finding import Finder
from collector.intake.lane import Lane, LaneName
from collector.intake.lane_queue import LaneQueue
from collector.intake.marks import Marks
from collector.intake.metrics import LineMetrics
from collector.intake.opening import Opened, Refused, open_some, refusal
from collector.intake.quotas import Quotas
from collector.intake.refusals import Refusals
from collector.intake.registry import REFRESH_S, Registry
from collector.intake.replies import Replies
from collector.intake.storing import Storing
from collector.overview import Overview
from collector.records import Records, RecordsUnavailableError, RowsRefusedError
from collector.records.notices import Outbox, nobody
from collector.scenarios import EventRule, ReadingRule, Rules
from collector.series.contract import SeriesStore, StoreAwayError, StoreUnavailableError
from foundation.faults import kind_of, where_of
from telemetry.envelope import Signer
from telemetry.status import Status
from telemetry.topics import Address

UNAVAILABLE_PAUSE_S: Final = 1.0
STUCK_S: Final = 60.0
"""A half of a lane that works at one group for so long is said to be stuck."""

log = structlog.get_logger()


class BatchLine:
    """Takes envelopes from every intake; `run` does the work."""

    def __init__(
        self,
        *,
        records: Records,
        store: SeriesStore,
        rules: Sequence[EventRule],
        reading_rules: Sequence[ReadingRule] = (),
        outbox: Outbox = nobody,
        signer: Signer,
        hub: Hub,
        overview: Overview,
        metrics: LineMetrics,
        now_ms: Callable[[], int],
        judges: Callable[[], bool] = lambda: True,
    ) -> None:
        """judges: whether by the clock of `now_ms` a time may be called too early or too late."""
        self._records = records
        self._store = store
        self._hub = hub
        self._overview = overview
        self._metrics = metrics
        self._now_ms = now_ms
        self._judges = judges
        self.registry = Registry(records, now_ms)
        self._marks = Marks()
        self._quotas = Quotas(self._marks)
        self._replies = Replies(signer)
        self._offers = Offers(records, signer, hub, metrics, now_ms)
        self._refusals = Refusals(records, self._replies, overview, metrics)
        finder = Finder(Rules(rules, reading_rules), metrics)
        self._commits = Commits(records, self._marks, finder, outbox, judges)
        self.conditions = Conditions("records", "registry", "series", "line")
        names: tuple[LaneName, ...] = ("urgent", "bulk")
        self._lanes = {name: Lane(name, self._storing()) for name in names}
        queues: dict[LaneName, LaneQueue] = {lane.name: lane.arrived for lane in self._lanes.values()}
        self.door: Door = LineDoor(self.registry, self._marks, self.conditions, queues, signer)

    def _storing(self) -> Storing:
        return Storing(
            store=self._store,
            commits=self._commits,
            marks=self._marks,
            refusals=self._refusals,
            replies=self._replies,
            conditions=self.conditions,
            hub=self._hub,
            overview=self._overview,
            metrics=self._metrics,
            now_ms=self._now_ms,
        )

    async def greet(self, answer: Answer) -> None:
        try:
            gateways = await self._records.gateways()
        except RecordsUnavailableError as error:
            # Nobody is greeted: the gateways send again by themselves, only later.
            self.conditions.trouble("records", str(error))
            return
        active = [(gateway.school, gateway.id) for gateway in gateways if gateway.state == "active"]
        await self._replies.greet(active, answer)

    async def submit(self, messages: Sequence[Incoming], answer: Answer) -> None:
        by_lane: dict[LaneName, list[Incoming]] = {"urgent": [], "bulk": []}
        for message in messages:
            by_lane["urgent" if message.address.leaf == "urgent" else "bulk"].append(message)
        for name, some in by_lane.items():
            if some:
                await self._lanes[name].arrived.put(some, answer)

    async def load(self) -> None:
        """What the stores know, before `run`. Raises RecordsFileError, and what the stores raise when
        they are not available.
        """
        self._marks.load(await self._records.load_streams())
        self._overview.load(await self._records.last_data())
        try:
            await self._quotas.load(self._store)
        except StoreAwayError as error:
            # Alerts do not need it. Until the next start, quotas count from what arrives.
            self.conditions.trouble("series", str(error))

    async def run(self) -> None:
        """Works until cancelled; raises only for a fault of the program."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name="line-watch")
            group.create_task(self._offers.run(), name="line-offers")
            for lane in self._lanes.values():
                group.create_task(self._open_lane(lane), name=f"line-{lane.name}-opening")
                group.create_task(self._store_lane(lane), name=f"line-{lane.name}-storing")
                group.create_task(self._settle_lane(lane), name=f"line-{lane.name}-settling")

    def health(self) -> dict[str, str]:
        """The last outcome of the stores, and whether the lanes move."""
        now_s = time.monotonic()
        stuck = [
            f"{lane.name} {half} for {now_s - since_s:.0f} s"
            for lane in self._lanes.values()
            for half, since_s in lane.busy_since_s.items()
            if now_s - since_s > STUCK_S
        ]
        found = self.conditions.as_dict()
        return found | {"line": ", ".join(stuck)} if stuck else found

    async def _watch(self) -> None:
        """Reads the registry although nothing arrives, which also shows how the records are."""
        while True:
            try:
                await self.registry.refresh()
                self.conditions.well("registry")
            except RecordsUnavailableError as error:
                self.conditions.trouble("registry", str(error))
            await asyncio.sleep(REFRESH_S)

    async def _open_lane(self, lane: Lane) -> None:
        while True:
            for answer, messages in (await lane.arrived.take()).items():
                with lane.busy("opening"):
                    await self._supervised(self._open(lane, messages, answer), len(messages))

    async def _store_lane(self, lane: Lane) -> None:
        while True:
            batches, answer = await lane.opened.get()
            with lane.busy("storing"), self._metrics.stored_s.labels(lane.name).time():
                await self._supervised(lane.storing.store(batches, answer), len(batches))

    async def _settle_lane(self, lane: Lane) -> None:
        """Groups that the store took a while ago, and that become durable one after another."""
        while True:
            taken = await lane.storing.next_taken()
            await self._supervised(lane.storing.settle(taken), len(taken.batches))

    async def _supervised(self, work: Coroutine[Any, Any, None], messages: int) -> None:
        """Whatever goes wrong with one group, the next one has its turn: nothing was acknowledged, so
        the gateways keep these batches and send them again.
        """
        try:
            await work
        except RecordsUnavailableError as error:
            part, what = "records", str(error)
        except StoreUnavailableError as error:
            part, what = "series", str(error)
        except Exception as error:  # noqa: BLE001  # the supervising boundary of the line
            part, what = "line", f"{kind_of(error)} in {where_of(error)}"
        else:
            self.conditions.well("line")
            return
        self.conditions.trouble(part, what)
        self._metrics.given_back.labels(part).inc(messages)
        await asyncio.sleep(UNAVAILABLE_PAUSE_S)

    async def _open(self, lane: Lane, messages: Sequence[Incoming], answer: Answer) -> None:
        await self.registry.refresh()
        while messages:
            with self._metrics.received_s.labels(lane.name).time():
                opening = await asyncio.to_thread(
                    open_some, messages, self.registry, self._now_ms(), judges=self._judges()
                )
                messages = messages[opening.taken :]
                self._see(opening.statuses, answer)
                admitted, refused = self._admit(opening.batches)
                refused += opening.refused
                if lane.name == "urgent":
                    admitted, never = await self._receive(admitted, answer)
                    refused += never
            await self._hand_over(lane, admitted, answer)
            # Last: should this fail, the sound batches are on their way.
            if refused:
                await self._refusals.settle(refused, answer, self._now_ms())

    def _see(self, statuses: Sequence[tuple[Address, Status]], answer: Answer) -> None:
        now_ms = self._now_ms()
        news = [
            status
            for address, status in statuses
            if self._overview.of(address.school, address.gateway).see(status, now_ms)
        ]
        if news:
            self._offers.heard(news, answer)
            self._hub.publish("gateways")

    def _admit(self, batches: Sequence[Opened]) -> tuple[list[Opened], list[Refused]]:
        admitted, refused = [], []
        for batch in batches:
            against = self._quotas.objection(batch)
            if against is None:
                admitted.append(batch)
            else:
                refused.append(refusal(batch, *against))
        return admitted, refused

    async def _receive(self, batches: list[Opened], answer: Answer) -> tuple[list[Opened], list[Refused]]:
        """Commits alerts and records and answers `received`; gives back what may go on and what never
        will.
        """
        new = {
            (batch.key, batch.header.sequence): batch
            for batch in batches
            if not self._marks.has("received", batch)
        }
        fresh = list(new.values())
        refused: list[Refused] = []
        try:
            await self._commit_received(fresh)
        except RowsRefusedError:
            for batch in fresh:
                try:
                    await self._commit_received([batch])
                except RowsRefusedError:
                    refused.append(refusal(batch, "not_storable", "the records database refuses it"))
        received = [batch for batch in batches if self._marks.has("received", batch)]
        await self._replies.received(received, answer)
        return received, refused

    async def _commit_received(self, batches: list[Opened]) -> None:
        if not batches:
            return
        committed = await self._commits.received(batches, self._now_ms())
        self.conditions.well("records")
        self._metrics.records.inc(committed.records)
        for reason, count in committed.dropped.items():
            self._metrics.records_dropped.labels(reason).inc(count)
        if committed.alerts:
            self._metrics.alerts.inc(committed.alerts)
            self._overview.alerts_raised += committed.alerts
            self._hub.publish("alerts")

    async def _hand_over(self, lane: Lane, batches: list[Opened], answer: Answer) -> None:
        if not batches:
            return
        if lane.name == "urgent" and lane.opened.full():
            self._metrics.given_back.labels("behind").inc(len(batches))
        else:
            await lane.opened.put((batches, answer))


def wall_ms() -> int:
    return time.time_ns() // 1_000_000
