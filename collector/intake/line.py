"""The batch line: verify → decode → authorise → dedupe → commit → acknowledge.

Two lanes run side by side, urgent and everything else, so that a fever never waits behind a
backlog. Within a lane a group of batches shares each step: one transaction, one insert, one
acknowledgement a stream. A crash between any two steps is healed by the gateway sending again:
records are unique by batch and position, alerts by cause, readings by the store's own marks.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from collector.hub import Hub
from collector.intake.commit import Marks, commit_received, commit_stored
from collector.intake.contract import Answer, Incoming
from collector.intake.opening import Opened, Refused, open_all
from collector.intake.registry import Registry
from collector.overview import Overview
from collector.records import Records, StreamKey
from collector.records.database import RecordsUnavailableError
from collector.scenarios import EventRule
from collector.series.contract import BatchKey, SeriesBatch, SeriesStore, StoreUnavailableError
from foundation.logs import FirstOnly
from telemetry.ack import FORMAT, Ack, Rejection, encode_ack, greeting
from telemetry.envelope import Kind, Signer
from telemetry.ranges import RangeSet
from telemetry.topics import Address

QUEUE_MESSAGES_MAX: Final = 2_000
GROUP_MESSAGES_MAX: Final = 64
UNAVAILABLE_PAUSE_S: Final = 1.0

log = structlog.get_logger()


class LineMetrics:
    """What the line counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batches = Counter("campus_intake_batches", "Batches by outcome", ["outcome"], registry=registry)
        self.readings = Counter("campus_intake_readings", "Readings stored", registry=registry)
        self.records = Counter("campus_intake_records", "Records committed", registry=registry)
        self.alerts = Counter("campus_alerts", "Alerts raised", registry=registry)
        self.refused = Counter(
            "campus_intake_refused", "Messages refused by reason", ["reason"], registry=registry
        )
        self.group_s = Histogram(
            "campus_intake_group_seconds",
            "Time from taking a group to its acknowledgement",
            registry=registry,
        )


class BatchLine:
    """Takes envelopes from every intake; `run` does the work."""

    def __init__(
        self,
        *,
        records: Records,
        store: SeriesStore,
        rules: Sequence[EventRule],
        signer: Signer,
        hub: Hub,
        overview: Overview,
        metrics: LineMetrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._records = records
        self._store = store
        self._rules = rules
        self._signer = signer
        self._hub = hub
        self._overview = overview
        self._metrics = metrics
        self._now_ms = now_ms
        self._registry = Registry(records)
        self._marks = Marks()
        self._queues = {
            lane: asyncio.Queue[tuple[Incoming, Answer]](QUEUE_MESSAGES_MAX) for lane in ("urgent", "bulk")
        }
        self._reported = FirstOnly()
        self._trouble = FirstOnly()

    async def greet(self, answer: Answer) -> None:
        for gateway in await self._records.gateways():
            if gateway.state == "active":
                address = Address(gateway.school, gateway.id, "ack")
                await self._send(address, greeting(gateway.school, gateway.id), answer)

    async def submit(self, messages: Sequence[Incoming], answer: Answer) -> None:
        for message in messages:
            lane = "urgent" if message.address.leaf == "urgent" else "bulk"
            await self._queues[lane].put((message, answer))

    async def run(self) -> None:
        """Works until cancelled; raises only for a fault of the program."""
        self._marks.load(await self._records.load_streams())
        async with asyncio.TaskGroup() as group:
            for lane, queue in self._queues.items():
                group.create_task(self._run_lane(queue), name=f"line-{lane}")

    async def _run_lane(self, queue: asyncio.Queue[tuple[Incoming, Answer]]) -> None:
        while True:
            taken = [await queue.get()]
            while len(taken) < GROUP_MESSAGES_MAX and not queue.empty():
                taken.append(queue.get_nowait())
            by_answer: dict[Answer, list[Incoming]] = defaultdict(list)
            for message, answer in taken:
                by_answer[answer].append(message)
            for answer, messages in by_answer.items():
                try:
                    with self._metrics.group_s.time():
                        await self._work(messages, answer)
                except (RecordsUnavailableError, StoreUnavailableError) as error:
                    # Nothing was acknowledged: the gateways keep these batches and send them again.
                    if self._trouble.first(type(error)):
                        log.error("store unavailable, batches stay at the gateways", error=str(error))
                    await asyncio.sleep(UNAVAILABLE_PAUSE_S)
                else:
                    if self._trouble:
                        self._recovered()

    def _recovered(self) -> None:
        for kind in (RecordsUnavailableError, StoreUnavailableError):
            if self._trouble.forget(kind):
                log.info("store available again")

    async def _work(self, messages: list[Incoming], answer: Answer) -> None:
        await self._registry.refresh()
        now_ms = self._now_ms()
        opening = await asyncio.to_thread(open_all, messages, self._registry, now_ms)
        for address, status in opening.statuses:
            seen = self._overview.of(address.school, address.gateway)
            seen.status, seen.status_ms = status, now_ms
        if opening.statuses:
            self._hub.publish("gateways")
        if opening.refused:
            await self._refuse(opening.refused, answer)
        fresh, repeated = self._dedupe(opening.batches)
        if repeated:
            self._metrics.batches.labels("repeated").inc(len(repeated))
            await self._acknowledge(repeated, answer, "stored")
        if fresh:
            await self._commit(fresh, answer)

    def _dedupe(self, batches: list[Opened]) -> tuple[list[Opened], list[Opened]]:
        """Batches to commit, each once, and those that are stored already."""
        fresh: dict[tuple[StreamKey, int], Opened] = {}
        repeated: list[Opened] = []
        for batch in batches:
            key, sequence = stream_key(batch), batch.header.sequence
            if sequence in self._marks.of(key).stored:
                repeated.append(batch)
            else:
                fresh[key, sequence] = batch
        return list(fresh.values()), repeated

    async def _commit(self, batches: list[Opened], answer: Answer) -> None:
        now_ms = self._now_ms()
        personal = [
            batch
            for batch in batches
            if batch.header.stream == "urgent"
            and batch.header.sequence not in self._marks.of(stream_key(batch)).received
        ]
        if personal:
            committed = await commit_received(self._records, self._marks, personal, self._rules, now_ms)
            self._metrics.records.inc(committed.records)
            self._metrics.alerts.inc(committed.alerts)
            if committed.alerts:
                self._overview.alerts_raised += committed.alerts
                self._hub.publish("alerts")
        urgent = [batch for batch in batches if batch.header.stream == "urgent"]
        if urgent:
            await self._acknowledge(urgent, answer, "received")
        with_readings = [series_batch(batch) for batch in batches if batch.header.readings]
        if with_readings:
            durable = await self._store.append(with_readings)
            await durable
        await commit_stored(self._records, self._marks, batches, now_ms)
        await self._acknowledge(batches, answer, "stored")
        for batch in batches:
            seen = self._overview.of(batch.address.school, batch.address.gateway)
            seen.last_data_ms = now_ms
            seen.readings_stored += batch.header.readings
            self._metrics.readings.inc(batch.header.readings)
        self._metrics.batches.labels("stored").inc(len(batches))
        self._hub.publish("series")

    async def _acknowledge(
        self, batches: list[Opened], answer: Answer, what: Literal["received", "stored"]
    ) -> None:
        ranges: dict[StreamKey, RangeSet] = defaultdict(RangeSet)
        addresses: dict[StreamKey, Address] = {}
        for batch in batches:
            key = stream_key(batch)
            ranges[key].add(batch.header.sequence)
            addresses[key] = batch.address
        for key, found in ranges.items():
            ack = Ack(FORMAT, *key)
            if what == "received":
                ack = msgspec.structs.replace(ack, received=tuple(found))
            else:
                ack = msgspec.structs.replace(ack, stored=tuple(found))
            await self._send(addresses[key], ack, answer)

    async def _send(self, address: Address, ack: Ack, answer: Answer) -> None:
        await answer(address, self._signer.wrap(Kind.ACK, encode_ack(ack)))

    async def _refuse(self, refused: list[Refused], answer: Answer) -> None:
        letters = []
        for one in refused:
            self._metrics.refused.labels(one.reason).inc()
            address = one.address
            self._overview.refused(one.reason)
            if self._reported.first((address.school, address.gateway, one.reason)):
                log.warning(
                    "message refused",
                    reason=one.reason,
                    detail=one.detail,
                    school=address.school,
                    gateway=address.gateway,
                    size_bytes=len(one.data),
                )
            if one.data:
                letters.append(
                    {
                        "at_ms": self._now_ms(),
                        "school": address.school,
                        "gateway": address.gateway,
                        "reason": one.reason,
                        "detail": one.detail[:256],
                        "size_bytes": len(one.data),
                        "envelope": one.data,
                    }
                )
        if letters:
            await self._records.add_dead_letters(letters)
        for one in refused:
            if one.sequence:
                address = one.address
                rejected = (Rejection(one.sequence, one.reason),)
                ack = Ack(
                    FORMAT,
                    address.school,
                    address.gateway,
                    one.stream,  # type: ignore[arg-type]  # checked by peek_identity
                    one.generation,
                    rejected=rejected,
                )
                await self._send(address, ack, answer)


def stream_key(batch: Opened) -> StreamKey:
    header = batch.header
    return StreamKey(header.school, header.gateway, header.stream, header.generation)


def series_batch(batch: Opened) -> SeriesBatch:
    header = batch.header
    key = BatchKey(header.school, header.gateway, header.stream, header.generation, header.sequence)
    return SeriesBatch(key, header.clock, batch.body)


def wall_ms() -> int:
    return time.time_ns() // 1_000_000
