"""From a PUT to what a real gateway reads: applied, refused with its reason, sent to who was away, over MQTT
and over HTTPS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from collector.cli import app
from tests.conftest import Mosquitto
from tests.line.running_site import SCHOOL, Site, eventually

AIR = {"id": "air-1", "profile": "json/environment", "place": "main/301"}
QUICK = "[uplink]\nstatus_interval_s = 1\n"
PLACE = f"/api/v1/gateways/{SCHOOL}/gw-1/configuration"


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    made = Site(tmp_path, mosquitto)
    yield made
    made.close()


def more(site: Site, device: str, profile: str = "json/environment") -> str:
    """Another source of the same broker, as TOML."""
    return (
        f'[[mqtt]]\nname = "more"\nbroker = {{ host = "127.0.0.1", port = {site.broker.port} }}\n'
        f'[[mqtt.devices]]\nid = "{device}"\nprofile = "{profile}"\nplace = "main/302"\n'
    )


def put(site: Site, text: str, **parameters: str) -> dict[str, Any]:
    answer = httpx.put(
        f"{site.url}{PLACE}", content=text, params=parameters, headers={"Content-Type": "application/toml"}
    )
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def until(site: Site, state: str, running: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = site.get(PLACE)
        return found if (found["state"], found["running"]) == (state, running) else None

    return eventually(look, f"{state}, running {running}")


def command(name: str, site: Site, *arguments: Path) -> Result:
    """Beside the collector that runs; in this process, for a start takes a second."""
    words = ["gateway", name, str(site.collector_file), SCHOOL, "gw-1", *map(str, arguments)]
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


def page(site: Site, path: str) -> str:
    answer = httpx.get(f"{site.url}{path}", headers={"Accept-Language": "zh"})
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def is_read(site: Site, device: str, co2: int) -> None:
    """What this device says from now on comes out at the other end."""

    def look() -> bool:
        site.publish(f"sensors/{device}", json.dumps({"co2": co2}))
        return co2 in [value for _, value in site.points(device, "co2")]

    eventually(look, f"{device} is read")


def test_a_version_is_run_and_a_bad_one_refused_with_its_reason(site: Site) -> None:
    url = site.take_posts()
    gateway = site.add_gateway("gw-1", [AIR], tables=QUICK)
    site.start_collector()
    agent = site.start_gateway(gateway)
    until(site, "own", 0)
    put(site, more(site, "air-2"), note="新装一只")
    until(site, "same", 1)
    is_read(site, "air-2", 702)
    is_read(site, "air-1", 701)
    assert "一致 · 第 1 版" in page(site, "/fleet")

    put(site, more(site, "air-2", profile="nobody/knows"))
    found = until(site, "refused", 1)
    assert "nobody/knows" in found["refused"]["reason"]
    text = page(site, f"/fleet/{SCHOOL}/gw-1")
    assert "配置被拒绝" in text
    assert "nobody/knows" in text
    is_read(site, "air-2", 703)

    # Away: it is offered what it lacks when it is back, which the command made beside the collector. It
    # comes back by another way, and brings what it ran.
    assert agent.stop() == 0
    text = gateway.read_text("utf-8")
    over_broker = f'mqtt = {{ host = "127.0.0.1", port = {site.broker.port} }}\n[personal]'
    assert over_broker in text
    gateway.write_text(text.replace(over_broker, f'https = {{ url = "{url}" }}\n[personal]'), "utf-8")
    file = site.folder / "more.toml"
    file.write_text(more(site, "air-3"), "utf-8")
    made = command("configure", site, file)
    assert "version 3 of" in made.stdout, made.stderr
    agent = site.start_gateway(gateway)
    until(site, "same", 3)
    is_read(site, "air-3", 704)
    put(site, "", note="nothing from here any more")
    until(site, "same", 4)
    is_read(site, "air-1", 705)
    assert agent.stop() == 0
    assert "4: the newest" in command("configuration", site).stdout

    # When it was heard last outlives the collector's restart, and so does what it runs.
    assert site.collector is not None
    assert site.collector.stop() == 0
    site.start_collector()
    text = page(site, "/fleet")
    assert "从未" not in text
    assert "一致 · 第 4 版" in text
