"""The whole line with VictoriaMetrics, which is away at the start and killed on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import free_port
from tests.line.running_site import Process, Site, eventually
from tests.series.servers import VictoriaServer

AIR = {"id": "air-1", "profile": "json/environment", "place": "main/301"}


@pytest.fixture
def victoria() -> Iterator[VictoriaServer]:
    server = VictoriaServer()
    yield server
    server.remove()


def test_what_left_the_gateway_is_in_the_server(site: Site, victoria: VictoriaServer) -> None:
    port = free_port()
    tables = f"[batch]\ninterval_s = 0.2\n[metrics]\nport = {port}\n[uplink]\nresend_s = 2\n"
    gateway = site.add_gateway("gw-1", [AIR], tables=tables)
    with site.collector_file.open("a", encoding="utf-8") as file:
        file.write(f'[store]\nkind = "victoriametrics"\nurl = "{victoria.url}"\ndatabase = "campus"\n')
    collector = Process(site.folder / "collector.log", "collector", "run", site.collector_file)
    try:
        collector.wait_for("collector running")
        collector.wait_for("cannot be reached")
        assert httpx.get(f"{site.url}/api/v1/series", timeout=10).status_code == 503
        agent = site.start_gateway(gateway)
        send(site, 400)
        victoria.start()
        eventually(lambda: site.metric("campus_series_held_bytes") > 0, "held until durable")
        send(site, 500)
        time.sleep(1)
        victoria.kill()
        victoria.start()
        send(site, 600)
        for _ in range(200):
            # Some 20 s, so long as blocks are held; asked seldom, for each answer costs the gateway something.
            if site.metric("campus_edge_buffer_batches", f"http://127.0.0.1:{port}") == 0:
                break
            time.sleep(0.5)
        assert site.metric("campus_series_blocks_rewritten") > 0
        victoria.kill()
        victoria.start()
        expected = [first + n for first in (400, 500, 600) for n in range(20)]
        assert [value for _, value in site.points("air-1", "co2")] == expected
        line = victoria.ask("/api/v1/export", **{"match[]": "environment_co2_ppm", "start": "1"})
        assert json.loads(line)["metric"] == {
            "__name__": "environment_co2_ppm", "school": "example-primary", "gateway": "gw-1", "db": "campus",
            "building": "main", "room": "301", "device": "air-1", "model": "json/environment",
        }  # fmt: skip
        assert agent.stop() == 0
        assert collector.stop() == 0
    finally:
        collector.kill()


def send(site: Site, first: int) -> None:
    """Twenty readings one after the other, in fewer milliseconds than that."""
    site.publish_lines("sensors/air-1", [json.dumps({"co2": first + n}) for n in range(20)])
