"""1. No name, student number, ID number, phone, card UID or band address in any message that leaves a
gateway, in any log or metric: a school of 800 pupils lives through a week, and everything is searched.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import httpx
import pytest

from simulators.ble.world import BleWorld
from simulators.drive import Drive
from simulators.roster import Entry, roster
from simulators.running import hosted
from simulators.timetable import Timeline
from telemetry.batch import Body, decode_body, decode_payload
from telemetry.envelope import Kind, open_envelope
from telemetry.records import Record, name_of
from tests.conftest import Mosquitto
from tests.privacy.leak_search import LeakSearch
from tests.privacy.unpacking import duckdb_rows, sqlite_rows
from tests.privacy.week_feed import Feed, bands_of, radio_of
from tests.privacy.week_site import SCHOOL_DAYS, WeekSite

DRAIN_S_MAX: Final = 60.0
ANSWER_S_MAX: Final = 2.0
BUS_VARIABLE: Final = "DBUS_SYSTEM_BUS_ADDRESS"
Sources = list[tuple[str, bytes]]


class Week(NamedTuple):
    """What a week left behind. bodies: of the batches, decoded, by gateway."""

    entries: tuple[Entry, ...]
    left_gateways: Sources
    at_collector: Sources
    logs: Sources
    metrics: Sources
    pages: Sources
    on_disks: Sources
    bodies: list[tuple[str, Body]]
    stored: Counter[str]
    dropped: Counter[str]

    @property
    def records(self) -> list[Record]:
        return [record for _, body in self.bodies for record in body.records]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    folder = tmp_path_factory.mktemp("week")
    brokers = [Mosquitto(folder / name) for name in ("devices", "uplink")]
    for broker in brokers:
        broker.start()
    try:
        yield asyncio.run(_live(WeekSite(folder, *brokers)))
    finally:
        for broker in brokers:
            broker.kill()


async def _live(site: WeekSite) -> Week:
    entries = roster(site.school)
    ports = site.folder / "ports"
    ports.mkdir()
    drive = Drive(site.school, Timeline(), site.time.now_ms, pupil_every_s=3.0)
    async with (
        BleWorld(bands_of(site.school), adapters=("hci1",)) as air,
        hosted(drive, ("modbus", "serial", "osdp", "http"), ports) as running,
        site.running([radio_of(site.school), *running.served], {BUS_VARIABLE: air.address}),
    ):
        async with Feed(site, running, entries) as feed:
            await _until(site, lambda told: all(one["map_version"] for one in told.values()))
            for day in range(SCHOOL_DAYS):
                await feed.school_day(day)
            await feed.free_day()
            told = await _until(
                site,
                lambda told: all(one["records_buffered"] == one["records_stored"] for one in told.values()),
            )
        metrics, pages = await _asked(site)
        assert await site.gateways.stop() == 0
        assert await site.stop_collector() == 0
    return _collected(site, entries, told, metrics, pages)


async def _until(site: WeekSite, holds: Any) -> dict[str, Any]:
    async with asyncio.timeout(DRAIN_S_MAX):
        while not holds(told := await site.gateways.counters()):  # noqa: ASYNC110  # another process's
            await asyncio.sleep(0.1)
    return told


async def _asked(site: WeekSite) -> tuple[Sources, Sources]:
    """Metrics of gateways and collector; pages and answers of its API, as browsers and programs get them."""
    metrics: Sources = []
    pages: Sources = []
    async with httpx.AsyncClient(timeout=30) as client:
        for gateway, port in site.metrics_ports.items():
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            metrics.append((f"metrics of {gateway}", answer.content))
        metrics.append(("metrics of the collector", (await client.get(f"{site.url}/metrics")).content))
        described = (await client.get(f"{site.url}/api/v1/openapi.json")).json()
        paths = [path for path, how in described["paths"].items() if "get" in how and "{" not in path]
        for path in ("/", "/parts/alerts", "/parts/rooms", "/parts/gateways", *paths):
            # The stream of events never ends.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S_MAX), client.stream("GET", f"{site.url}{path}") as answer:
                    async for chunk in answer.aiter_bytes():
                        pages.append((f"answer of {path}", chunk))
    return metrics, pages


def _collected(
    site: WeekSite, entries: tuple[Entry, ...], told: dict[str, Any], metrics: Sources, pages: Sources
) -> Week:
    messages = [*site.heard_uplink.messages, *site.heard_devices.messages]
    left = [(f"topic {topic}", topic.encode() + b"\n" + payload) for topic, payload in messages]
    left += [("message", payload) for _, payload in messages]
    left += [("wire to the vault", bytes(stream)) for stream in site.wire.streams]
    data = site.folder / "collector" / "data"
    at_collector = [(str(file), file.read_bytes()) for file in data.rglob("*") if file.is_file()]
    at_collector += [*sqlite_rows(data / "records.db"), *duckdb_rows(data / "series.duckdb")]
    logs = [(file.name, file.read_bytes()) for file in (site.gateway_log, site.collector_log, site.vault_log)]
    logs.append(("log of the uplink's broker", site.uplink.log().encode()))
    disks = [
        (str(file), file.read_bytes())
        for folder in (*(one.id for one in site.school.plan.gateways), "vault")
        for file in (site.folder / folder / "data").rglob("*")
        if file.is_file()
    ]
    rows = dict(sqlite_rows(data / "records.db"))
    stored = Counter({name: text.count(b"\n") + bool(text) for name, text in rows.items()})
    dropped: Counter[str] = Counter()
    for one in told.values():
        dropped.update(one["dropped"])
    return Week(
        entries, left, at_collector, logs, metrics, pages, disks, list(_bodies(site)), stored, dropped
    )


def _bodies(site: WeekSite) -> Iterator[tuple[str, Body]]:
    for topic, payload in site.heard_uplink.messages:
        if topic.endswith(("/batch", "/urgent")):
            envelope = open_envelope(payload)
            assert envelope.kind is Kind.BATCH
            header, body = decode_payload(envelope.payload)
            yield header.gateway, decode_body(header, body)


@pytest.fixture(scope="module")
def search(week: Week, tmp_path_factory: pytest.TempPathFactory) -> LeakSearch:
    return LeakSearch(week.entries, tmp_path_factory.mktemp("patterns"))


def test_01_the_week_was_worth_searching(week: Week) -> None:
    """Thousands of records did arrive, under pseudonyms, from every transport."""
    counts = Counter(map(name_of, week.records))
    named = Counter(name_of(record) for record in week.records if record.pseudonym)
    print(counts, named, week.stored, week.dropped)
    assert (
        min(named[one] for one in ("morning_check", "access_event", "heart_rate_window", "meal_record"))
        > 1_000
    )


def test_01_nobody_is_in_what_left_the_gateways(week: Week, search: LeakSearch) -> None:
    assert search.find(week.left_gateways) == []


def test_01_nobody_is_at_the_collector(week: Week, search: LeakSearch) -> None:
    assert search.find(week.at_collector) == []


def test_01_nobody_is_in_a_log_or_a_metric(week: Week, search: LeakSearch) -> None:
    assert search.find([*week.logs, *week.metrics]) == []


def test_01_nobody_is_on_a_page_or_in_an_answer(week: Week, search: LeakSearch) -> None:
    assert search.find(week.pages) == []


def test_01_nobody_is_in_clear_on_a_disk(week: Week, search: LeakSearch) -> None:
    """A gateway's, or the vault's own."""
    assert search.find(week.on_disks) == []
