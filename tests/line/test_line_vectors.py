"""Captured payloads of real devices, published with mosquitto_pub, come out of the collector's API."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.line.running_site import Site, eventually

FILE = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "mqtt.json"

PROFILES = {
    "mqtt-001": "zigbee2mqtt/aqara-door",
    "mqtt-003": "zigbee2mqtt/aqara-leak",
    "mqtt-005": "zigbee2mqtt/heiman-smoke",
    "mqtt-007": "zigbee2mqtt/tuya-ts0601-air",
    "mqtt-009": "zigbee2mqtt/tuya-ts0601-air",
    "mqtt-011": "zigbee2mqtt/tuya-ts0601-air",
    "mqtt-013": "zigbee2mqtt/aqara-tvoc",
    "mqtt-015": "zigbee2mqtt/tuya-sos",
    "mqtt-017": "xiaomi-gateway3/aqara-gas",
    "mqtt-019": "tasmota/pms5003t",
    "mqtt-021": "tasmota/energy",
    "mqtt-023": "shelly/plus-ht",
    "mqtt-025": "chirpstack/dragino-lse01",
}
IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}


def _vectors() -> list[dict[str, Any]]:
    if not FILE.is_file():
        assert not IN_CI, f"{FILE} is missing: the captured vectors lie beside the checkout"
        print(f"nothing checked: {FILE} is not here")
        return []
    found: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))["vectors"]
    return found


def _topic(vector: dict[str, Any]) -> str:
    topic: str = vector["input"]["topic"]
    if topic == "(gateway MQTT)":
        return "miio/report"
    return topic.replace("<device>", vector["id"])


def _device(vector: dict[str, Any]) -> dict[str, Any]:
    """Each vector is a device of its own, on the very topic it was captured on."""
    device = {
        "id": vector["id"],
        "profile": PROFILES[vector["id"]],
        "place": "main/301",
        "topics": [_topic(vector)],
    }
    if did := vector["input"]["payload"].get("did"):
        device["address"] = did
    return device


def test_every_vector_comes_out_of_the_api(site: Site) -> None:
    vectors = _vectors()
    if not vectors:
        return
    gateway = site.add_gateway("gw-vectors", [_device(vector) for vector in vectors])
    site.start_collector()
    site.start_gateway(gateway)
    for vector in vectors:
        site.publish(_topic(vector), json.dumps(vector["input"]["payload"]))
    problems = []
    for vector in vectors:
        for quantity, expected in vector["expected"].items():
            problems += _differences(site, vector, quantity, expected)
    assert not problems, "\n".join(problems)


def _differences(site: Site, vector: dict[str, Any], quantity: str, expected: dict[str, Any]) -> list[str]:
    device, value = vector["id"], expected["value"]
    if quantity == "timestamp":
        points = eventually(lambda: site.points(device, "temperature"), f"{device} has points")
        told_ms = round(value * 1_000)
        return (
            [] if [time for time, _ in points] == [told_ms] else [f"{device}: times {points}, not {told_ms}"]
        )
    points = eventually(lambda: site.points(device, quantity), f"{device} {quantity} has points")
    series = site.get("/api/v1/series", device=device, quantity=quantity)["items"]
    found = [(one["latest"]["value"], one["unit"]) for one in series]
    if isinstance(value, str):
        # "Normal Monitoring (2.p.1=0)": the code is the value, its words stand beside it.
        words, code = value.removesuffix(")").split(" (2.p.1=")
        text = series[0]["latest"]["text"]
        good = found == [(float(code), expected["unit"])] and text["en"] == words
        return [] if good else [f"{device} {quantity}: {found} {text}, not {value}"]
    # Two vectors were captured on one topic, so both of these devices have both values.
    values = [one for _, one in points]
    kinds = {type(one) is bool for one in values} == {isinstance(value, bool)}
    if value in values and kinds and found[0][1] == expected["unit"]:
        return []
    return [f"{device} {quantity}: {values} {found}, not {expected}"]
