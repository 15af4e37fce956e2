"""A batch line at work, and gateways that fill it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from collector.hub import Hub
from collector.intake.contract import Incoming
from collector.intake.lane_queue import GROUP_MESSAGES_MAX
from collector.intake.line import BatchLine, wall_ms
from collector.intake.metrics import LineMetrics
from collector.intake.opening import OPENED_READINGS_MAX
from collector.overview import Overview
from collector.records import Gateway, Records
from collector.scenarios import event_rules
from collector.series.contract import BatchKey, SeriesBatch, SeriesStore
from foundation.keyfiles import public_text
from telemetry.ack import decode_ack
from telemetry.batch import FORMAT, Header, Stream, decode_body, decode_payload, encode_body, encode_payload
from telemetry.envelope import ENVELOPE_BYTES_MIN, Kind, Signer, open_envelope
from telemetry.limits import default_limits
from telemetry.quality import ClockQuality
from telemetry.ranges import RangeSet
from telemetry.readings import SeriesKey
from telemetry.records import MorningCheck
from telemetry.topics import Address

SERIES: Final = 40
GATEWAYS: Final = 8
PERIOD_MS: Final = 10_000
SCHOOL: Final = "bench"
PSEUDONYM: Final = "7K3M9PXA2QH5RT8WZ4CB6DFG1E"
KEYS: Final = [SeriesKey("temperature", f"sensor-{n}", f"main/{n // 4}", "bench") for n in range(SERIES)]


class Gateways:
    """Keys of some gateways, and batches under them."""

    def __init__(self) -> None:
        self._signers = [Signer(Ed25519PrivateKey.generate()) for _ in range(GATEWAYS)]
        self._start_ms = wall_ms() - 30 * 86_400_000
        self._generator = np.random.default_rng(1)

    def register(self, records: Records) -> None:
        for number, signer in enumerate(self._signers):
            key = public_text(signer.public_key)
            row = Gateway(SCHOOL, f"gw-{number}", key, signer.key_id.hex(), "active", 1)
            records.add_gateway(row)

    def bulk(self, readings: int, batches: int) -> list[Incoming]:
        """A slow random walk in tenths of a degree for each series, gateways in turns."""
        count = -(-readings // SERIES)
        counts = [count] * (readings // count) + ([left] if (left := readings % count) else [])
        made = []
        for number in range(batches):
            gateway, sequence = number % GATEWAYS, number // GATEWAYS + 1
            start_ms = self._start_ms + sequence * count * PERIOD_MS
            columns = []
            for key, length in zip(KEYS, counts, strict=False):
                walk = 200 + np.cumsum(self._generator.integers(-1, 2, length))
                times = list(range(start_ms, start_ms + length * PERIOD_MS, PERIOD_MS))
                columns.append((key, times, (walk / 10).tolist(), [0] * length))
            body = encode_body(columns, [], start_ms)
            made.append(self._wrap(gateway, "bulk", sequence, start_ms, readings, 0, body))
        return made

    def fever(self, sequence: int) -> Incoming:
        now_ms = wall_ms()
        check = MorningCheck(now_ms, "station", "gate/east", "forehead", 38.2, 22.0, (), PSEUDONYM, "3-2")
        body = encode_body([], [check], now_ms)
        return self._wrap(0, "urgent", sequence, now_ms, 0, 1, body)

    def _wrap(
        self,
        gateway: int,
        stream: Stream,
        sequence: int,
        base_ms: int,
        readings: int,
        records: int,
        body: bytes,
    ) -> Incoming:
        header = Header(
            FORMAT, SCHOOL, f"gw-{gateway}", stream, "g", sequence, base_ms, ClockQuality.SYNCED, "boot",
            "policy", readings, records,
        )  # fmt: skip
        leaf = "urgent" if stream == "urgent" else "batch"
        data = self._signers[gateway].wrap(Kind.BATCH, encode_payload(header, body))
        return Incoming(Address(SCHOOL, f"gw-{gateway}", leaf), data)


class Running:
    """A line at work, and how many bulk batches it has answered as stored."""

    def __init__(self, records: Records, store: SeriesStore) -> None:
        self.records, self.hub = records, Hub()
        self.stored = 0
        self.progress = asyncio.Event()
        self.line = BatchLine(
            records=records,
            store=store,
            rules=event_rules(default_limits()),
            signer=Signer(Ed25519PrivateKey.generate()),
            hub=self.hub,
            overview=Overview(),
            metrics=LineMetrics(CollectorRegistry()),
            now_ms=wall_ms,
        )

    async def answer(self, _: Address, data: bytes) -> None:
        ack = decode_ack(open_envelope(data).payload)
        if ack.rejected:
            raise RuntimeError(f"rejected: {ack.rejected[0].reason}")
        if ack.stream == "bulk":
            self.stored += len(RangeSet(ack.stored))
            self.progress.set()

    async def until_stored(self, batches: int) -> None:
        while self.stored < batches:
            self.progress.clear()
            await self.progress.wait()

    async def take(self, messages: Sequence[Incoming]) -> None:
        """Until everything is stored and answered."""
        await self.line.submit(messages, self.answer)
        await self.until_stored(len(messages))


@contextlib.asynccontextmanager
async def running(folder: Path, gateways: Gateways, store: SeriesStore) -> AsyncIterator[Running]:
    """A line over a store, which is closed at the end."""
    records = Records.open(folder / "records.db", Ed25519PrivateKey.generate())
    gateways.register(records)
    made = Running(records, store)
    await made.line.load()
    task = asyncio.create_task(made.line.run(), name="line")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()
        await records.close()


def groups(messages: Sequence[Incoming], readings_max: int = OPENED_READINGS_MAX) -> list[list[SeriesBatch]]:
    """The same batches decoded into lists, as many together as the line hands over while it is behind."""
    found: list[list[SeriesBatch]] = [[]]
    readings = 0
    for message in messages:
        header, packed = decode_payload(message.data[ENVELOPE_BYTES_MIN:])
        key = BatchKey(header.school, header.gateway, header.stream, header.generation, header.sequence)
        if len(found[-1]) == GROUP_MESSAGES_MAX or readings >= readings_max:
            found.append([])
            readings = 0
        found[-1].append(SeriesBatch(key, header.clock, decode_body(header, packed)))
        readings += header.readings
    return found
