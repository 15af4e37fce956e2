"""Prometheus metrics of the gateway, and the port they are asked for at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from typing import Final

import h11
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge_agent.buffer.contract import BufferStats
from edge_agent.counters import Counters, DeviceCounters, DriverCounters
from foundation.faults import kind_of, where_of
from foundation.httpconnection import Connection, Handler, Reply
from foundation.logs import FirstOnly

_POLLED = (
    ("polls", "Times a device was asked"),
    ("timeouts", "Polls without an answer"),
    ("garbled", "Polls with an answer that cannot be believed"),
    ("exceptions", "Answers that refuse"),
    ("missed", "Polls left out because the bus had no time"),
    ("quarantines", "Times a device was given up for a while"),
    ("turns", "Connections a device was given"),
)


CONNECTIONS_MAX: Final = 16
"""Who watches a gateway is one program, or a few."""
REQUEST_S_MAX: Final = 10.0
IDLE_S_MAX: Final = 75.0
"""Longer than a Prometheus rests between two looks."""
_BODY_BYTES_MAX: Final = 1_024

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def served(
    host: str, port: int, counters: Counters, buffer: Callable[[], BufferStats]
) -> AsyncIterator[None]:
    """Answers at the port until left, at any path. Raises OSError when it cannot be listened on."""
    registry = CollectorRegistry()
    registry.register(GatewayMetrics(counters, buffer))
    refused = Counter(
        "campus_edge_metrics_refused", "Connections to this port closed unheard, too many", registry=registry
    )
    handler = Handler(partial(_answer, registry), lambda _: None, lambda _: (b"text/plain", b""))
    talks: set[asyncio.Task[None]] = set()
    reported = FirstOnly()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(talks) >= CONNECTIONS_MAX:
            refused.inc()
            writer.transport.abort()
            return
        task = asyncio.create_task(_talk(reader, writer, handler, reported), name="metrics-connection")
        talks.add(task)
        task.add_done_callback(talks.discard)

    server = await asyncio.start_server(connected, host, port)
    try:
        yield
    finally:
        server.close()
        for one in talks:
            one.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, reported: FirstOnly
) -> None:
    try:
        await Connection(
            reader,
            writer,
            handler,
            body_bytes_max=_BODY_BYTES_MAX,
            request_s_max=REQUEST_S_MAX,
            idle_s_max=IDLE_S_MAX,
        ).run()
    except OSError:
        pass  # who asked has gone
    except Exception as error:  # noqa: BLE001  # the supervising boundary of a connection
        if reported.first(type(error)):
            log.error("metrics could not be told", error=kind_of(error), where=where_of(error))
    finally:
        writer.transport.abort()


def _answer(registry: CollectorRegistry, request: h11.Request) -> Reply:
    if request.method not in {b"GET", b"HEAD"}:
        return Reply(405, headers=((b"Allow", b"GET, HEAD"),))
    return Reply(200, generate_latest(registry), ((b"Content-Type", CONTENT_TYPE_LATEST.encode()),))


class GatewayMetrics(Collector):
    """Turns counters and buffer figures into Prometheus metrics when somebody asks."""

    def __init__(self, counters: Counters, buffer: Callable[[], BufferStats]) -> None:
        self._counters = counters
        self._buffer = buffer

    def collect(self) -> Iterable[Metric]:
        counters = self._counters
        for name, help_, value in (
            ("messages", "Device messages received", counters.messages_in),
            ("readings", "Readings taken from devices", counters.readings_in),
            ("checks", "Morning checks received", counters.checks_in),
            ("readings_thinned", "Readings left out by a rule of reporting", counters.thinned),
            ("readings_buffered", "Readings committed to the buffer", counters.readings_buffered),
            ("records_buffered", "Records committed to the buffer", counters.records_buffered),
            ("readings_stored", "Readings the collector has stored", counters.readings_stored),
            ("records_stored", "Records the collector has stored", counters.records_stored),
            ("batches_sent", "Batches sent, repeats included", counters.batches_sent),
            (
                "batches_unanswered",
                "Batches for which no answer came in time or before the connection ended",
                counters.batches_unanswered,
            ),
            ("acks_refused", "Answers that were not the collector's", counters.acks_refused),
            ("posts", "Posts that the collector answered, where the way there is HTTPS", counters.posts),
            ("local_alarms", "Urgent batches that raised the local alarm", counters.local_alarms),
            ("disk_full", "Changes that the full disk did not take, tried again", counters.disk_full),
            (
                "radio_resets",
                "Bluetooth adapters switched off and on because nobody was heard",
                counters.radio_resets,
            ),
            ("records_erased", "Records erased from the buffer by order", counters.records_erased),
            ("map_refreshes", "Answers of the vault taken into use", counters.map_refreshes),
            ("bands_unknown", "Advertisements of bands that nobody known wears", counters.bands_unknown),
        ):
            yield CounterMetricFamily(f"campus_edge_{name}", help_, value=value)
        yield from _map_metrics(counters)
        yield from _configuration_metrics(counters)
        yield from _certificate_metrics(counters)
        failures = CounterMetricFamily(
            "campus_edge_post_failures", "Posts to the collector in vain, repeated later", labels=["reason"]
        )
        for reason, count in list(counters.post_failures.items()):
            failures.add_metric([reason], count)
        yield failures
        dropped = CounterMetricFamily(
            "campus_edge_dropped", "Readings and observations dropped", labels=["reason"]
        )
        for reason, count in list(counters.dropped.items()):
            dropped.add_metric([reason], count)
        yield dropped
        refused = CounterMetricFamily(
            "campus_edge_refused", "Device input that gave nothing", labels=["device", "reason"]
        )
        for (device, reason), count in list(counters.refused.items()):
            refused.add_metric([device, reason], count)
        yield refused
        yield from _device_metrics(counters.devices)
        yield from _driver_metrics(counters.drivers)
        stats = self._buffer()
        yield GaugeMetricFamily("campus_edge_buffer_batches", "Batches in the buffer", stats.batches)
        yield GaugeMetricFamily("campus_edge_buffer_bytes", "Size of the buffer", stats.size_bytes)
        yield CounterMetricFamily(
            "campus_edge_quarantined", "Damaged buffer files put aside", value=stats.quarantined
        )
        given_up = CounterMetricFamily(
            "campus_edge_given_up", "Buffered readings given up", labels=["reason"]
        )
        for reason, count in stats.given_up.items():
            given_up.add_metric([reason], count)
        yield given_up


def _map_metrics(counters: Counters) -> Iterable[Metric]:
    if counters.map_version:
        yield GaugeMetricFamily(
            "campus_edge_map_version", "Version of the credential map in use", counters.map_version
        )
        yield GaugeMetricFamily(
            "campus_edge_map_issued_seconds",
            "Unix time at which the vault made the credential map in use",
            counters.map_issued_ms / 1_000,
        )
    failures = CounterMetricFamily(
        "campus_edge_map_failures", "Times the vault was asked in vain", labels=["reason"]
    )
    for reason, count in list(counters.map_failures.items()):
        failures.add_metric([reason], count)
    yield failures


def _certificate_metrics(counters: Counters) -> Iterable[Metric]:
    if not counters.certificate_ends_s:
        return
    yield GaugeMetricFamily(
        "campus_edge_certificate_ends_seconds",
        "Unix time until which the gateway's certificate is good",
        counters.certificate_ends_s,
    )
    yield CounterMetricFamily(
        "campus_edge_certificate_renewals", "Certificates renewed", value=counters.certificate_renewals
    )
    failures = CounterMetricFamily(
        "campus_edge_certificate_failures", "Times a new certificate was asked for in vain", labels=["reason"]
    )
    for reason, count in list(counters.certificate_failures.items()):
        failures.add_metric([reason], count)
    yield failures


def _configuration_metrics(counters: Counters) -> Iterable[Metric]:
    yield GaugeMetricFamily(
        "campus_edge_configuration_version",
        "Version of the collector's configuration in use; 0 is gateway.toml alone",
        value=counters.configuration_version,
    )
    offers = CounterMetricFamily(
        "campus_edge_configuration_offers",
        "Configurations from the collector, by what became of them",
        labels=["outcome"],
    )
    for outcome, count in list(counters.configuration_offers.items()):
        offers.add_metric([outcome], count)
    yield offers


def _device_metrics(devices: Mapping[str, DeviceCounters]) -> Iterable[Metric]:
    # Of what people wear nothing is told: when it was heard says where somebody was.
    rows = [(device, counted) for device, counted in devices.items() if not counted.worn]
    for name, help_ in _POLLED:
        metric = CounterMetricFamily(f"campus_edge_device_{name}", help_, labels=["device"])
        for device, counted in rows:
            metric.add_metric([device], getattr(counted, name))
        yield metric
    silent = GaugeMetricFamily("campus_edge_device_silent", "1 while a device is silent", labels=["device"])
    seen = GaugeMetricFamily(
        "campus_edge_device_last_seen_seconds", "Unix time of a device's last sign of life", labels=["device"]
    )
    gap = GaugeMetricFamily(
        "campus_edge_device_gap_seconds",
        "How long a device waited for its last connection, where there are not enough for all",
        labels=["device"],
    )
    for device, counted in rows:
        silent.add_metric([device], float(counted.silent))
        if counted.turns:
            gap.add_metric([device], counted.gap_s)
        if counted.last_seen_ms is not None:
            seen.add_metric([device], counted.last_seen_ms / 1_000)
    yield silent
    yield gap
    yield seen


def _driver_metrics(drivers: Mapping[str, DriverCounters]) -> Iterable[Metric]:
    failures = CounterMetricFamily(
        "campus_edge_driver_failures",
        "Times a driver ended by a fault and was started again",
        labels=["driver"],
    )
    failing = GaugeMetricFamily(
        "campus_edge_driver_failing",
        "1 while a driver that has failed has not yet worked for 5 minutes again",
        labels=["driver"],
    )
    for driver, counted in list(drivers.items()):
        failures.add_metric([driver], counted.failures)
        failing.add_metric([driver], float(counted.failing))
    yield failures
    yield failing
