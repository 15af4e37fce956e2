"""What the collector's batch line costs, and how soon it raises an alert under full load.

    python benchmarks/bench_collector.py [--readings N] [--alerts N]

Signed batches of 40 series are submitted straight into the line, with each of the real stores and the
real records database: readings per CPU-second, the server's own included, until `stored` is answered,
beside what the store takes by itself: `append` of the same batches, decoded, in groups of the same size.
Verifying and decoding is what the line adds. Then, with DuckDB and while the bulk lane is kept full, the time from an urgent batch's submit to the hub's signal, and to its alert
being found in the records database.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from benchmarks.bench_series_servers import HELD_BYTES
from benchmarks.bench_series_servers import cpu_s as cpu_with
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
from collector.series.duckdb_store import DuckDbStore
from collector.series.influx import Influx, InfluxTarget
from collector.series.server_store import ServerStore
from collector.series.server_wire import Access, ServerWire
from collector.series.victoria import Victoria
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
from tests.series.servers import InfluxServer, SeriesServer, VictoriaServer

SERIES: Final = 40
GATEWAYS: Final = 8
PERIOD_MS: Final = 10_000
SCHOOL: Final = "bench"
PSEUDONYM: Final = "7K3M9PXA2QH5RT8WZ4CB6DFG1E"
KEYS: Final = [SeriesKey("temperature", f"sensor-{n}", f"main/{n // 4}", "bench") for n in range(SERIES)]


class Cost(NamedTuple):
    """Readings per CPU-second."""

    line: float
    store: float


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


class StoreKind(NamedTuple):
    """A store: the server it needs, and how it is opened given a folder and that server's address."""

    name: str
    server: Callable[[], SeriesServer] | None
    open: Callable[[Path, str], Awaitable[SeriesStore]]


async def _duckdb(folder: Path, _: str) -> SeriesStore:
    return await DuckDbStore.open(folder / "series.duckdb")


async def _victoria(_: Path, url: str) -> SeriesStore:
    # How long it is held costs time, not work.
    return ServerStore(Victoria(ServerWire(Access(url))), hold_s=1, held_bytes_max=HELD_BYTES)


async def _influx(_: Path, url: str) -> SeriesStore:
    return ServerStore(Influx(ServerWire(Access(url)), InfluxTarget("campus")), hold_s=0, held_bytes_max=0)


EMBEDDED: Final = StoreKind("DuckDB", None, _duckdb)
SERVERS: Final = (
    StoreKind("VictoriaMetrics", VictoriaServer, _victoria),
    StoreKind("InfluxDB", InfluxServer, _influx),
)


@contextlib.contextmanager
def serving(kind: StoreKind) -> Iterator[SeriesServer | None]:
    """The kind's server, empty."""
    if kind.server is None:
        yield None
        return
    server = kind.server().start()
    try:
        if isinstance(server, InfluxServer):
            server.ask("/query", q="CREATE DATABASE campus")
        yield server
    finally:
        server.remove()


def cpu_s(server: SeriesServer | None) -> float:
    """Of this process and the server, so far."""
    return time.process_time() if server is None else cpu_with(server)


@contextlib.asynccontextmanager
async def running(
    folder: Path, gateways: Gateways, kind: StoreKind = EMBEDDED, url: str = ""
) -> AsyncIterator[Running]:
    records = Records.open(folder / "records.db", Ed25519PrivateKey.generate())
    gateways.register(records)
    store = await kind.open(folder, url)
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


async def measure_line(
    folder: Path, kind: StoreKind, gateways: Gateways, messages: Sequence[Incoming]
) -> float:
    """CPU-seconds until everything is stored and answered."""
    with serving(kind) as server:
        async with running(folder, gateways, kind, server.url if server else "") as made:
            started = cpu_s(server)
            await made.line.submit(messages, made.answer)
            await made.until_stored(len(messages))
            return cpu_s(server) - started


async def measure_store(folder: Path, kind: StoreKind, messages: Sequence[Incoming]) -> float:
    """CPU-seconds of the store alone, which is given the decoded batches in groups."""
    batches = []
    for message in messages:
        header, packed = decode_payload(message.data[ENVELOPE_BYTES_MIN:])
        key = BatchKey(header.school, header.gateway, header.stream, header.generation, header.sequence)
        batches.append(SeriesBatch(key, header.clock, decode_body(header, packed)))
    alone = folder / "alone"
    alone.mkdir()
    with serving(kind) as server:
        store = await kind.open(alone, server.url if server else "")
        started = cpu_s(server)
        readings, group, durable = 0, [], []
        for batch in batches:
            group.append(batch)
            readings += len(batch.body.time_ms)
            if len(group) == GROUP_MESSAGES_MAX or readings >= OPENED_READINGS_MAX or batch is batches[-1]:
                durable.append(await store.append(group))
                readings, group = 0, []
        await asyncio.gather(*durable)
        used = cpu_s(server) - started
        await store.close()
    return used


async def compare(kind: StoreKind, size: int, readings: int, rounds: int = 3) -> Cost:
    """The median of some rounds, line and store in turns."""
    gateways = Gateways()
    messages = gateways.bulk(size, readings // size)
    costs = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            line = await measure_line(Path(name), kind, gateways, messages)
            store = await measure_store(Path(name), kind, messages)
        total = len(messages) * size
        costs.append(Cost(total / line, total / store))
    return Cost(statistics.median(c.line for c in costs), statistics.median(c.store for c in costs))


async def alert_times(alerts: int, size: int) -> tuple[list[float], list[float], float]:
    """Seconds to the hub's signal and to the alert in the database, and bulk readings/s meanwhile."""
    gateways = Gateways()
    messages = gateways.bulk(size, 2_000_000 // size)
    signals: list[float] = []
    visible: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        async with running(Path(name), gateways) as made:

            async def flood() -> None:
                # Rounds of the same prepared batches: repeats cost as much until they are recognised.
                await made.line.submit(messages, made.answer)

            flooding = asyncio.create_task(flood(), name="flood")
            listening = made.hub.listen()
            await made.until_stored(1)
            started, before = time.perf_counter(), made.stored
            for sequence in range(1, alerts + 1):
                if flooding.done() and made.stored == len(messages):
                    break
                submitted = time.perf_counter()
                await made.line.submit([gateways.fever(sequence)], made.answer)
                while "alerts" not in await anext(listening):
                    pass
                signals.append(time.perf_counter() - submitted)
                while not (found := await made.records.find_alerts(limit=1)) or found[0].id < sequence:
                    pass
                visible.append(time.perf_counter() - submitted)
            rate = (made.stored - before) * size / (time.perf_counter() - started)
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
            await listening.aclose()  # type: ignore[attr-defined]  # an async generator
    return signals, visible, rate


def percentile(seconds: Sequence[float], share: float) -> str:
    return f"{float(np.quantile(seconds, share)) * 1000:.1f} ms"


async def main(readings: int, alerts: int) -> None:
    console = Console()
    costs = Table("store", "readings a batch", "line, readings/CPU-s", "store by itself", "ratio")
    for kind in (EMBEDDED, *SERVERS):
        for size in (500, 5_000):
            cost = await compare(kind, size, readings)
            figures = (f"{cost.line:,.0f}", f"{cost.store:,.0f}", f"{cost.line / cost.store:.2f}")
            costs.add_row(kind.name, f"{size}", *figures)
    console.print(costs)
    latency = Table("bulk meanwhile", "alerts", "signal p50", "p99", "in the records p50", "p99")
    for size in (500, 5_000):
        signals, visible, rate = await alert_times(alerts, size)
        shares = [percentile(found, share) for found in (signals, visible) for share in (0.5, 0.99)]
        latency.add_row(f"{size} × {rate:,.0f} readings/s", f"{len(signals)}", *shares)
    console.print(latency)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--alerts", type=int, default=300)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.readings, arguments.alerts))
