"""From the collector's API to what a gateway reads, over a broker and over posts, with real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Mosquitto
from tests.line.running_site import SCHOOL, Site, campus, eventually

AIR = {"id": "air-1", "profile": "json/environment", "place": "main/301"}
NEW = """
[batch]
interval_s = 0.5

[[mqtt]]
name = "more"
broker = {{ host = "127.0.0.1", port = {port} }}
devices = [{{ id = "{device}", profile = "json/environment", place = "main/302" }}]
"""


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    made = Site(tmp_path, mosquitto)
    yield made
    made.close()


def configure(site: Site, gateway: str, text: str) -> int:
    """The number of the version that is made."""
    answer = httpx.put(
        f"{site.url}/api/v1/gateways/{SCHOOL}/{gateway}/configuration",
        content=text.encode(),
        headers={"Content-Type": "application/toml"},
        timeout=30,
    )
    assert answer.status_code in {200, 201}, answer.text
    return int(answer.json()["version"])


def now(site: Site, gateway: str) -> dict[str, Any]:
    found: dict[str, Any] = site.get(f"/api/v1/gateways/{SCHOOL}/{gateway}/configuration")
    return found


def refused(site: Site, gateway: str) -> int | None:
    found = now(site, gateway)["refused"]
    return None if found is None else int(found["version"])


def test_a_version_reaches_gateways_over_a_broker_and_over_posts(site: Site) -> None:
    url = site.take_posts()
    tables = "[uplink]\nstatus_interval_s = 1\n"
    ways = {"gw-broker": "", "gw-posts": f'https = {{ url = "{url}" }}'}
    files = {name: site.add_gateway(name, [AIR], tables=tables, way=way) for name, way in ways.items()}
    site.start_collector()
    processes = [site.start_gateway(file) for file in files.values()]
    for name in ways:
        eventually(lambda name=name: now(site, name)["running"] == 0, f"{name} has said what it runs")  # type: ignore[misc]
        version = configure(site, name, NEW.format(port=site.broker.port, device=f"{name}-2"))
        eventually(lambda name=name: now(site, name)["running"] == version, f"{name} runs it")  # type: ignore[misc]  # noqa: B023
        site.publish(f"sensors/{name}-2", '{"co2": 640}')
        eventually(lambda name=name: site.points(f"{name}-2", "co2"), f"readings of what {name} reads now")  # type: ignore[misc]

        bad = configure(site, name, NEW.format(port=site.broker.port, device="air-1"))
        eventually(lambda name=name: refused(site, name) == bad, f"{name} refuses what cannot be")  # type: ignore[misc]  # noqa: B023
        told = now(site, name)
        assert told["running"] == version
        assert "mqtt/more: devices[1].id: two devices have the id 'air-1'" in told["refused"]["reason"]
    for process in processes:
        assert process.stop() == 0
    shown = campus("edge", "configuration", files["gw-posts"])
    assert "of the collector is in force, 2 sections" in shown.stdout, shown.stdout + shown.stderr
