"""A small invented school behind the real web application: real databases, real server, real browser."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, expect, sync_playwright
from prometheus_client import CollectorRegistry, Counter

from collector.hub import Hub, Topic
from collector.overview import Overview
from collector.records import Gateway, Records
from collector.records import alerts as alert_rows
from collector.series.contract import BatchKey, SeriesBatch
from collector.series.duckdb_store import DuckDbStore
from collector.web.app import WebParts, WebServer, create_app
from collector.web.labels import Labels
from telemetry.batch import Body
from telemetry.quality import ClockQuality, Quality
from telemetry.readings import Reading, SeriesKey
from tests.collector.record_databases import open_records
from tests.series.new_stores import open_store

Result = TypeVar("Result")

SCHOOL, GATEWAY = "example-primary", "gw-north"
NOW_MS = 1_788_220_862_500
"""2026-09-01 08:01:02.500 at school."""
PSEUDONYM = "7K3M9PXA2QH5RT8WZ4CB6DFG1E"
SAFETY: dict[str, object] = {
    "device": "smoke-301", "place": "teaching-1/301", "pseudonym": None, "class_id": None, "site": None,
    "value": 1.0, "unit": "bool", "limit": None, "record_type": None,
}  # fmt: skip
"""What the alert of a detector has instead of a pupil."""
ENGLISH = {"Accept-Language": "en"}
PAGE_MS_MAX = 20_000
"""What a page shows it shows by then, on a machine that has much else to do too."""
CHROMIUM_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


class School:
    """The parts of a web application over real files, and ways to fill them."""

    def __init__(self, records: Records, store: DuckDbStore, now_ms: Callable[[], int]) -> None:
        self.health = {"records": "ok", "series": "ok"}
        self.registry = CollectorRegistry()
        Counter("example_batches", "Batches of the example.", registry=self.registry).inc(3)
        self.records, self.store = records, store
        self.hub, self.overview = Hub(), Overview()
        self.parts = WebParts(
            title="示例小学",
            store=store,
            records=records,
            hub=self.hub,
            overview=self.overview,
            registry=self.registry,
            health=lambda: self.health,
            now_ms=now_ms,
        )
        self._app: FastAPI | None = None
        self._sequence = 0

    @property
    def app(self) -> FastAPI:
        """Made when it is asked for: most tests change the parts first, and it is not for nothing."""
        if self._app is None:
            self._app = create_app(self.parts)
        return self._app

    def name(self, labels: Labels) -> None:
        """Gives places and classes names; before it is served."""
        self.change(labels=labels)

    def change(self, **parts: Any) -> None:
        """Another application of the same school; before it is served."""
        self.parts = replace(self.parts, **parts)
        self._app = None

    @classmethod
    async def open(cls, folder: Path, now_ms: Callable[[], int]) -> Self:
        records = open_records(folder / "records.sqlite")
        return cls(records, await open_store(folder / "series.duckdb", DuckDbStore), now_ms)

    async def close(self) -> None:
        await self.store.close()
        await self.records.close()

    async def add(self, readings: Sequence[Reading], clock: ClockQuality = ClockQuality.SYNCED) -> None:
        """Stores readings as one batch, durable on return."""
        by_series: dict[SeriesKey, list[Reading]] = {}
        for reading in readings:
            by_series.setdefault(reading.series, []).append(reading)
        rows = [reading for found in by_series.values() for reading in found]
        self._sequence += 1
        body = Body(
            list(by_series),
            [len(found) for found in by_series.values()],
            [reading.time_ms for reading in rows],
            [reading.value for reading in rows],
            [int(reading.quality) for reading in rows],
            [],
        )
        key = BatchKey(SCHOOL, GATEWAY, "bulk", "g1", self._sequence)
        await (await self.store.append([SeriesBatch(key, clock, body)]))

    async def add_alert(self, **changes: object) -> int:
        """Raises a fever alert; returns its number."""
        self._sequence += 1
        row = {
            "cause": f"cause-{self._sequence}", "kind": "fever", "state": "open", "school": SCHOOL,
            "gateway": GATEWAY, "device": "station-gate", "place": "gate/east", "at_ms": NOW_MS - 5_000,
            "opened_ms": NOW_MS - 4_000, "pseudonym": PSEUDONYM, "class_id": "3-2", "site": "forehead",
            "value": 38.2, "unit": "Cel", "limit": 37.3, "doubtful": False,
            "record_type": "morning_check",
        } | changes  # fmt: skip
        await self.records.run(lambda connection: alert_rows.add(connection, [row]))
        return self.parts.alert_numbers.outside((await self.records.find_alerts(limit=1))[0].id)

    def add_gateway(self, id_: str = GATEWAY) -> None:
        gateway = Gateway(SCHOOL, id_, "cHVibGlj", id_, "active", NOW_MS - 86_400_000)
        self.records.add_gateway(gateway)


def reading(
    quantity: str,
    value: float,
    *,
    device: str = "air-301",
    place: str = "teaching-1/301",
    time_ms: int = NOW_MS - 3_000,
    quality: Quality = Quality.GOOD,
    model: str = "",
) -> Reading:
    return Reading(SeriesKey(quantity, device, place, model), time_ms, value, quality)


@pytest.fixture
async def school(tmp_path: Path) -> AsyncIterator[School]:
    """An empty school whose clock stands still."""
    school = await School.open(tmp_path, lambda: NOW_MS)
    yield school
    await school.close()


@pytest.fixture
async def client(school: School) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the application without a socket; a fault of the program fails the test."""
    transport = httpx.ASGITransport(app=school.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


class Running:
    """A school behind a real uvicorn in a thread of its own, on a free port, by the real clock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="web-under-test", daemon=True)
        self._serving: Future[None] | None = None

    def start(self) -> None:
        self._thread.start()
        self.school = self.call(School.open(self._folder, now_ms))
        self.serve()

    def serve(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.school.parts.closing.clear()
        config = uvicorn.Config(self.school.app, log_config=None, access_log=False, lifespan="off")
        self.server = WebServer(config, self.school.parts)
        self._serving = asyncio.run_coroutine_threadsafe(self.server.serve([self._socket]), self._loop)
        wait_until(lambda: self.server.started)

    def end_serving(self) -> None:
        """As on SIGTERM; fails when the server does not end."""
        assert self._serving is not None
        self.server.should_exit = True
        self._serving.result(timeout=30)

    def restart(self, labels: Labels) -> None:
        """As after a change of the configuration."""
        self.restart_with(labels=labels)

    def restart_with(self, **parts: Any) -> None:
        self.end_serving()
        self.school.change(**parts)
        self.serve(self.port)

    def stop(self) -> None:
        self.end_serving()
        self.call(self.school.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def publish(self, topic: Topic) -> None:
        self._loop.call_soon_threadsafe(self.school.hub.publish, topic)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module of tests without `async`: Playwright occupies the thread's event loop meanwhile."""
    expect.set_options(timeout=PAGE_MS_MAX)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(CHROMIUM_ARGUMENTS)
        )
        yield browser
        browser.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def wait_until(condition: Callable[[], bool], seconds_max: float = 20.0) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.01)
