"""A batch line over real files, and gateways that sign what they send to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from collector.hub import Hub
from collector.intake.contract import Incoming
from collector.intake.line import BatchLine
from collector.intake.metrics import LineMetrics
from collector.overview import Overview
from collector.records import Gateway, Records
from collector.scenarios import EventRule, event_rules
from collector.series.contract import SeriesBatch, StoreUnavailableError
from collector.series.duckdb_store import DuckDbStore
from foundation.keyfiles import public_text
from telemetry.ack import Ack, decode_ack
from telemetry.batch import FORMAT, Header, Stream, encode_body, encode_payload
from telemetry.envelope import Kind, Signer, key_id, open_envelope
from telemetry.limits import default_limits
from telemetry.quality import ClockQuality
from telemetry.readings import SeriesKey
from telemetry.records import MorningCheck, Record
from telemetry.status import FORMAT as STATUS_FORMAT
from telemetry.status import Status, encode_status
from telemetry.topics import Address
from tests.collector.record_databases import RecordsDatabase, make_database
from tests.conftest import Mosquitto
from tests.line.running_site import Site
from tests.series.new_stores import open_store

SCHOOL = "example-primary"
NOW_MS = 1_788_220_862_500
"""2026-09-01 08:01:02.500 at school."""
PSEUDONYM = "7K3M9PXA2QH5RT8WZ4CB6DFG1E"
CO2 = SeriesKey("co2", "air-301", "main/301", "json/environment")
SMOKE = SeriesKey("smoke", "smoke-301", "main/301", "json/smoke")
Column = tuple[SeriesKey, list[int], list[float], list[int]]


def column(key: SeriesKey = CO2, values: Sequence[float] = (600.0,), time_ms: int = NOW_MS) -> Column:
    return key, [time_ms] * len(values), list(values), [0] * len(values)


def check(temperature_c: Any = 38.2, **changes: Any) -> MorningCheck:
    fields: dict[str, Any] = {
        "time_ms": NOW_MS, "device": "station-gate", "place": "gate/east", "site": "forehead",
        "temperature_c": temperature_c, "pseudonym": PSEUDONYM, "class_id": "3-2",
    }  # fmt: skip
    return MorningCheck(**(fields | changes))


class Sender:
    """A gateway's key, and envelopes under it."""

    def __init__(self, gateway: str = "gw-1", school: str = SCHOOL) -> None:
        key = Ed25519PrivateKey.generate()
        self.signer = Signer(key)
        self.school, self.gateway = school, gateway
        self.row = Gateway(
            school, gateway, public_text(key.public_key()), key_id(key.public_key()).hex(), "active", 1
        )

    def batch(
        self,
        sequence: int = 1,
        *columns: Column,
        stream: Stream = "bulk",
        records: Sequence[Record] = (),
        leaf: str = "",
        **header: Any,
    ) -> Incoming:
        found: dict[str, Any] = {
            "format": FORMAT, "school": self.school, "gateway": self.gateway, "stream": stream,
            "generation": "g1", "sequence": sequence, "time_base_ms": NOW_MS, "clock": ClockQuality.SYNCED,
            "boot": "boot-1", "policy": "policy-1", "readings": sum(len(one[1]) for one in columns),
            "records": len(records),
        } | header  # fmt: skip
        body = encode_body(columns, records, found["time_base_ms"])
        return self.wrap(encode_payload(Header(**found), body), leaf or self.leaf(stream))

    @staticmethod
    def leaf(stream: str) -> str:
        return "urgent" if stream == "urgent" else "batch"

    def wrap(self, payload: bytes, leaf: str = "batch", kind: Kind = Kind.BATCH) -> Incoming:
        return Incoming(Address(self.school, self.gateway, leaf), self.signer.wrap(kind, payload))

    def status(self, **changes: Any) -> Incoming:
        fields: dict[str, Any] = {
            "format": STATUS_FORMAT, "school": self.school, "gateway": self.gateway, "time_ms": NOW_MS,
            "clock": ClockQuality.SYNCED, "software": "0.1", "started_ms": NOW_MS - 60_000,
            "buffer_batches": 1, "buffer_bytes": 100, "buffer_oldest_ms": None, "readings_in": 5,
            "readings_stored": 4, "dropped": {},
        } | changes  # fmt: skip
        return self.wrap(encode_status(Status(**fields)), "status", Kind.STATUS)


class FaultyStore(DuckDbStore):
    """A real store that fails when it is told to."""

    away = False
    hold: asyncio.Event | None = None
    poison: frozenset[int] = frozenset()
    """Sequence numbers that no append takes."""
    appended = 0

    async def append(self, batches: Sequence[SeriesBatch]) -> Any:
        if self.hold:
            await self.hold.wait()
        if self.away or any(batch.key.sequence in self.poison for batch in batches):
            raise StoreUnavailableError("made to fail")
        self.appended += 1
        return await super().append(batches)


class Lab:
    """A line over real files, its answers collected."""

    def __init__(self, records: Records, store: FaultyStore, rules: Sequence[EventRule], **line: Any) -> None:
        self.records, self.store = records, store
        self.hub, self.overview = Hub(), Overview()
        self.registry = CollectorRegistry()
        self.key = Ed25519PrivateKey.generate()
        self.now_ms = NOW_MS
        self.acks: list[Ack] = []
        self.line = BatchLine(
            records=records,
            store=store,
            rules=rules,
            signer=Signer(self.key),
            hub=self.hub,
            overview=self.overview,
            metrics=LineMetrics(self.registry),
            now_ms=lambda: self.now_ms,
            **line,
        )

    async def answer(self, address: Address, data: bytes) -> None:
        assert address.leaf == "ack"
        self.acks.append(decode_ack(open_envelope(data).payload))

    async def send(self, *messages: Incoming) -> None:
        await self.line.submit(messages, self.answer)

    def received(self) -> set[int]:
        return {n for ack in self.acks for first, last in ack.received for n in range(first, last + 1)}

    def stored(self) -> set[int]:
        return {n for ack in self.acks for first, last in ack.stored for n in range(first, last + 1)}

    def rejected(self) -> dict[int, str]:
        return {one.sequence: one.reason for ack in self.acks for one in ack.rejected}

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def refused(self, reason: str) -> float:
        return self.count("campus_intake_refused_total", reason=reason)


async def eventually(look: Callable[[], object], what: str = "", wait_s: float = 20.0) -> None:
    async with asyncio.timeout(wait_s):
        while not look():  # noqa: ASYNC110  # what is waited for is state, not an event
            await asyncio.sleep(0.005)


MakeLab = Callable[..., Any]


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> RecordsDatabase:
    return make_database(request, tmp_path)


@pytest.fixture
async def make_lab(tmp_path: Path, database: RecordsDatabase) -> AsyncIterator[MakeLab]:
    """Makes a running line that knows the gateways it is given."""
    running: list[tuple[asyncio.Task[None], Lab]] = []

    async def make(*senders: Sender, rules: Sequence[EventRule] | None = None, **line: Any) -> Lab:
        records = database.open()
        for sender in senders:
            records.add_gateway(sender.row)
        store = await open_store(tmp_path / "series.duckdb", FaultyStore)
        lab = Lab(records, store, event_rules(default_limits()) if rules is None else rules, **line)
        await lab.line.load()
        running.append((asyncio.create_task(lab.line.run(), name="line-under-test"), lab))
        return lab

    yield make
    for task, lab in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await lab.store.close()
        await lab.records.close()


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    """A collector as a process of its own; started by the test."""
    made = Site(tmp_path, mosquitto)
    yield made
    made.close()
