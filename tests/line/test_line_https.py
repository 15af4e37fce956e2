"""The whole line where nothing but HTTPS gets out: real processes, TLS, and kills."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from pathlib import Path

import duckdb
import httpx
import pytest

from collector.config import load_config as load_collector
from edge_agent.buffer import SqliteBuffer
from edge_agent.buffer.contract import Item
from edge_agent.config import load_config as load_gateway
from edge_agent.counters import Counters
from edge_agent.uplink.choice import make_uplink
from edge_agent.uplink.contract import UplinkError
from foundation.keyfiles import load_signing_key, public_text
from foundation.tomlfile import FileProblems
from telemetry.batch_builder import BatchBuilder
from telemetry.envelope import Signer
from telemetry.quality import ClockQuality
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from tests.conftest import free_port
from tests.foundation.test_broker_tls import Authority
from tests.line.running_site import SCHOOL, Site, campus, eventually
from tests.line.site_vault import Holder

AIR = {"id": "air-1", "profile": "json/environment", "place": "main/301"}
STATION = {"id": "gate-1", "profile": "campus/morning-check-v1", "place": "main/gate"}
CARD = "04A1B2C3D4E5F6"
DAY_BATCHES, BATCH_READINGS, INTERVAL_MS = 1_440, 30, 60_000
"""A day, a batch a minute, a reading every two seconds."""
BEGIN_MS = 1_788_220_800_000


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "school-ca")


def way(url: str, authority: Authority) -> str:
    return f'https = {{ url = "{url}", ca_file = "{authority.file}" }}'


async def fill(file: Path) -> None:
    """The buffer of a gateway that was without a collector for a day."""
    table, items = SeriesTable(), []
    key = SeriesKey("co2", "air-1", "main/301", "json/environment")
    for number in range(DAY_BATCHES):
        base_ms, chunk, builder = BEGIN_MS + number * INTERVAL_MS, Chunk(), BatchBuilder(table)
        for reading in range(BATCH_READINGS):
            chunk.append(table.index(key), base_ms + reading * 2_000, 400.0 + reading)
        builder.add(chunk)
        body = builder.close(base_ms)
        items.append(
            Item("bulk", body, BATCH_READINGS, 0, base_ms, ClockQuality.SYNCED, "boot-a", 0, "test", False)
        )
    async with await SqliteBuffer.open(file, bytes_max=64 * 1024 * 1024) as buffer:
        await buffer.append(items)


def stored_batches(site: Site) -> int:
    gateways = site.get("/api/v1/gateways")["items"]
    return int(sum(one["readings_stored"] for one in gateways)) // BATCH_READINGS


def check_before_and_after_it_is_known(site: Site, file: Path, url: str, authority: Authority) -> None:
    """And the port has nothing for anybody else."""
    config, signer = load_gateway(file), Signer(load_signing_key(file.parent / "gateway.key"))

    def ask() -> None:
        uplink = make_uplink(config.collector, SCHOOL, "gw-1", signer=signer, counters=Counters())
        asyncio.run(uplink.check())

    def is_known() -> bool:
        with contextlib.suppress(UplinkError):
            ask()
            return True
        return False

    with pytest.raises(UplinkError, match="register it: campus collector gateway add"):
        ask()
    site.register("gw-1", public_text(signer.public_key), signer.key_id)
    eventually(is_known, "the collector knows it")
    said = campus("edge", "check", file, "--timeout", "0.1")
    assert f"✓ uplink: collector {url} answers and knows this gateway" in said.stdout
    with httpx.Client(verify=ssl.create_default_context(cafile=str(authority.file))) as client:
        for path in ("/", "/healthz", "/metrics", "/api/v1/gateways", f"/api/v1/intake/{SCHOOL}/gw-1/bulk"):
            assert client.get(f"{url}{path}").status_code in {404, 405}, path
    assert "post refused" in (site.folder / "collector.log").read_text("utf-8")


def test_a_day_is_handed_over_by_posts_over_tls_whoever_is_killed(site: Site, authority: Authority) -> None:
    """A collector without a broker. An urgent event of that time overtakes the day that waits."""
    url = site.take_posts(authority.issue("pulse"))
    text = site.collector_file.read_text("utf-8")
    site.collector_file.write_text(text.split("\n", 1)[1], "utf-8")  # its first line names the broker
    site.cards[CARD] = Holder({"health": "HH7KQ2MZW5XNR4TP3VD6YB8CFA"}, "3-2")
    port = free_port()
    tables = f"[uplink]\nresend_s = 2\nstatus_interval_s = 1\n[metrics]\nport = {port}\n"
    file = site.add_gateway("gw-1", [AIR, STATION], register=False, tables=tables, way=way(url, authority))
    asyncio.run(fill(file.parent / "data" / "buffer.db"))
    site.start_collector()
    check_before_and_after_it_is_known(site, file, url, authority)
    agent = site.start_gateway(file)
    eventually(lambda: stored_batches(site) > 50, "the day begins to arrive")
    assert site.collector
    site.collector.kill()
    check = {"v": 1, "card": CARD, "site": "forehead", "ambient_c": 22.0, "temperature_c": 38.6}
    site.publish("stations/gate-1/check", json.dumps(check))
    site.start_collector()
    eventually(site.alerts, "the fever")
    agent.kill()
    agent = site.start_gateway(file)
    metrics = f"http://127.0.0.1:{port}"

    def is_drained() -> bool:
        time.sleep(0.1)
        posted = site.metric("campus_edge_posts_total", metrics)
        return bool(posted) and site.metric("campus_edge_buffer_batches", metrics) == 0

    eventually(is_drained, "all of it is handed over")
    eventually(lambda: site.get("/api/v1/gateways")["items"][0]["status"], "a status")
    assert len(site.alerts()) == 1
    assert "broker" not in site.get("/healthz")["components"]
    assert agent.stop() == 0
    assert site.collector.stop() == 0
    with duckdb.connect(str(site.folder / "collector-data" / "series.duckdb"), read_only=True) as connection:
        query = "SELECT count(*), count(DISTINCT ts) FROM points JOIN series ON series.id = series WHERE device = ?"
        found = connection.execute(query, ["air-1"]).fetchall()
    assert found == [(DAY_BATCHES * BATCH_READINGS,) * 2], "stored, and once"


def test_a_file_that_would_post_in_clear_is_refused_with_the_remedy(site: Site) -> None:
    file = site.add_gateway("gw-1", [AIR], way='https = { url = "http://pulse.campus.example:8421" }')
    with pytest.raises(FileProblems, match=r"gateway\.toml:\d+: .*must begin with https://"):
        load_gateway(file)
    with site.collector_file.open("a", encoding="utf-8") as collector:
        collector.write("[intake_http]\nport = 8421\n")
    with pytest.raises(FileProblems, match=r"collector\.toml:\d+: .*in clear"):
        load_collector(site.collector_file)
