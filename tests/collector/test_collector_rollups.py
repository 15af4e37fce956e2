"""A collector whose store was filled by an older program rolls it up, answers, and forgets by [retention]."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.accounts.settings import AccountsSection
from collector.config import CollectorConfig, CollectorSection, WebSection
from collector.intake.http_settings import IntakeHttpSection
from collector.intake.line import wall_ms
from collector.series.contract import BatchKey, SeriesBatch
from collector.series.duckdb_store import DuckDbStore
from collector.series.rollups import tending
from collector.series.rollups.settings import RetentionSection
from collector.service import Service
from foundation.keyfiles import create_signing_key
from telemetry.batch import Body
from telemetry.readings import SeriesKey
from tests.collector.conftest import eventually

DAY_MS = 86_400_000


async def fill(file: Path, days: int) -> int:
    """A point every ten minutes until yesterday's end; how many."""
    store = await DuckDbStore.open(file)
    end_ms = wall_ms() // DAY_MS * DAY_MS
    times = list(range(end_ms - days * DAY_MS, end_ms, 600_000))
    body = Body(
        [SeriesKey("co2", "air-1", "main/101")],
        [len(times)],
        times,
        [800.0] * len(times),
        [0] * len(times),
        [],
    )
    await store.append([SeriesBatch(BatchKey("example", "gw-1", "bulk", "a", 1), 0, body)])
    await store.close()
    return len(times)


async def ask(client: httpx.AsyncClient, **parameters: Any) -> dict[str, Any]:
    answer = await client.get("api/v1/series/query", params={"id": 1, "start": 0, **parameters})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_points_of_before_are_rolled_up_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "SWEEP_S", 0.0)
    monkeypatch.setattr(tending, "ROUND_S", 0.02)
    create_signing_key(tmp_path / "collector.key")
    config = CollectorConfig(
        collector=CollectorSection(key_file=tmp_path / "collector.key", data_dir=tmp_path / "data"),
        intake_http=IntakeHttpSection(host="127.0.0.1", port=0),
        web=WebSection(port=0),
        accounts=AccountsSection(required=False),
        retention=RetentionSection(raw_days=5, minute_days=20),
    )
    points = await fill(tmp_path / "data" / "series.duckdb", 12)
    service = Service(config)
    running = asyncio.create_task(service.run(), name="service-under-test")
    await eventually(lambda: service.running.is_set() or running.done())
    store: Any = service.store
    await eventually(lambda: store.reach().raw_ms > 0 and not store.waiting)
    async with httpx.AsyncClient(base_url=service.url) as client:
        assert (await client.get("healthz")).json()["components"]["rollups"] == "ok"
        days = await ask(client, step="1d", aggregate="count")
        assert days["series"][0]["value"] == [144.0] * 12
        assert days["raw_from_ms"] == (wall_ms() // DAY_MS - 5) * DAY_MS
        fine = await ask(client, step="auto", aggregate="mean")
        assert (fine["resolution"], fine["step_ms"]) == ("1m", 600_000)
        assert sum(fine["series"][0]["count"]) == points
        metrics = (await client.get("metrics")).text
        assert "campus_rollup_hours_rolled_total 288.0" in metrics
    service.stop()
    await asyncio.wait_for(running, 30)
    below = await DuckDbStore.open(tmp_path / "data" / "series.duckdb")
    assert await below.point_count() == 5 * 144
    await below.close()
