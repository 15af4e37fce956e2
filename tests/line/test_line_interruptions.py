"""Brokers fall over, collectors stay away: what was buffered arrives, once."""

from __future__ import annotations

import json

from tests.conftest import free_port
from tests.line.running_site import Site, eventually

AIR = {"id": "air-1", "profile": "json/environment", "place": "main/301"}


def test_readings_outlive_broker_and_collector(site: Site) -> None:
    port = free_port()
    tables = f"[batch]\ninterval_s = 0.2\n[metrics]\nport = {port}\n"
    gateway = site.add_gateway("gw-1", [AIR], tables=tables)
    agent = site.start_gateway(gateway)
    site.publish_lines("sensors/air-1", [json.dumps({"co2": 400 + n}) for n in range(50)])
    site.start_collector().kill()
    site.publish_lines("sensors/air-1", [json.dumps({"co2": 500 + n}) for n in range(50)])
    # What the devices' broker still holds when it is killed is not the gateway's to keep.
    taken = "campus_edge_readings_total"
    eventually(lambda: site.metric(taken, f"http://127.0.0.1:{port}") == 100, "readings taken")
    site.broker.kill()
    since = len(agent.log())
    site.broker.start()
    agent.wait_for("listening to devices", since)
    site.publish_lines("sensors/air-1", [json.dumps({"co2": 600 + n}) for n in range(50)])
    site.start_collector()
    expected = [*range(400, 450), *range(500, 550), *range(600, 650)]
    eventually(lambda: len(site.points("air-1", "co2")) >= len(expected), "all readings")
    assert sorted(value for _, value in site.points("air-1", "co2")) == expected
    assert agent.stop() == 0


def test_rubbish_on_device_topics_never_stops_the_line(site: Site) -> None:
    gateway = site.add_gateway("gw-1", [AIR])
    agent = site.start_gateway(gateway)
    site.start_collector()
    rubbish = [
        " ", "null", "[]", "{", "\x01\xff", '{"co2": "NaN"}', '{"co2": 1e999}', '{"co2": {}}', '{"co2": true}',
        "[" * 5_000, '{"co2": ' + "9" * 400 + "}", '{"unknown": 1}', "x" * 70_000,
    ]  # fmt: skip
    for payload in rubbish:
        site.publish("sensors/air-1", payload)
    site.publish("sensors/air-1", '{"co2": 612}')
    assert eventually(lambda: site.points("air-1", "co2"), "the good reading")[0][1] == 612
    assert len(site.points("air-1", "co2")) == 1
    eventually(lambda: sum(_dropped(site).values()) >= len(rubbish), "every refusal is told")
    assert agent.running


def _dropped(site: Site) -> dict[str, int]:
    status = site.get("/api/v1/gateways")["items"][0]["status"]
    dropped: dict[str, int] = status["dropped"] if status else {}
    return dropped
