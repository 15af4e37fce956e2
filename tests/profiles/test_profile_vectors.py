"""Captured payloads of real devices, kept beside the checkout, against the bundled profiles."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from device_profiles.binding import bind
from device_profiles.labels import state_text
from device_profiles.observations import NOTHING_REFUSED
from device_profiles.parsing import parse_json
from device_profiles.registry import Catalogue
from device_profiles.routing import Router
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, Reading, SeriesTable

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY.parent / "shared" / "vectors" / "mqtt.json"
IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}
CATALOGUE = Catalogue()


class Case(NamedTuple):
    """A vector's profile, the level of its topic that is the address, and a base topic of its own."""

    profile: str
    level: int | None = 1
    own_base: bool = False


CASES = {
    "mqtt-001": Case("zigbee2mqtt/aqara-door", own_base=True),
    "mqtt-003": Case("zigbee2mqtt/aqara-leak", own_base=True),
    "mqtt-005": Case("zigbee2mqtt/heiman-smoke"),
    "mqtt-007": Case("zigbee2mqtt/tuya-ts0601-air"),
    "mqtt-009": Case("zigbee2mqtt/tuya-ts0601-air"),
    "mqtt-011": Case("zigbee2mqtt/tuya-ts0601-air"),
    "mqtt-013": Case("zigbee2mqtt/aqara-tvoc"),
    "mqtt-015": Case("zigbee2mqtt/tuya-sos"),
    "mqtt-017": Case("xiaomi-gateway3/aqara-gas", level=None, own_base=True),
    "mqtt-019": Case("tasmota/pms5003t"),
    "mqtt-021": Case("tasmota/energy"),
    "mqtt-023": Case("shelly/plus-ht", level=0),
    "mqtt-025": Case("chirpstack/dragino-lse01", level=3),
}
RECEIVED_MS = 1_790_000_000_000


def _vectors() -> list[dict[str, Any]]:
    if not FILE.is_file():
        return []
    vectors: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))["vectors"]
    return vectors


VECTORS = _vectors()


def test_the_vectors_are_there_or_their_absence_is_said() -> None:
    if VECTORS:
        assert {vector["id"] for vector in VECTORS} == set(CASES)
        return
    message = f"no vectors: {FILE} is missing; the captured device payloads were NOT checked"
    assert not IN_CI, message
    print(message)


def _decode(vector: dict[str, Any]) -> list[Reading]:
    case = CASES[vector["id"]]
    topic, payload = vector["input"]["topic"], vector["input"]["payload"]
    table, chunk = SeriesTable(), Chunk()
    decoder = bind(
        CATALOGUE.get(case.profile),
        device="device",
        place="main/301",
        address=payload["did"] if case.level is None else topic.split("/")[case.level],
        table=table,
        zone=ZoneInfo("Asia/Shanghai"),
        topics=[topic] if case.own_base else (),
    )
    assert Router([decoder]).match(topic) == (decoder,)
    message = parse_json(json.dumps(payload).encode())
    assert decoder.accepts(message)
    outcome = decoder.decode(message, RECEIVED_MS, False, chunk)
    assert outcome == NOTHING_REFUSED
    return chunk.readings(table)


# Without vectors these tests do not exist: an empty parametrisation would count as a skip.
if VECTORS:

    @pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
    def test_a_captured_payload_gives_exactly_what_is_expected(vector: dict[str, Any]) -> None:
        readings = _decode(vector)
        found = {reading.series.quantity: reading for reading in readings}
        assert len(found) == len(readings)
        for name, want in vector["expected"].items():
            if name == "timestamp":
                assert {reading.time_ms for reading in readings} == {round(want["value"] * 1000)}
                continue
            got = found[name]
            assert QUANTITIES[name].unit == want["unit"]
            if isinstance(want["value"], str):
                text, _, code = want["value"].partition(" (")
                assert code == f"2.p.1={got.value:g})"
                labels = state_text(got.series.model, name, got.value)
                assert labels is not None
                assert labels[1] == text
            else:
                assert got.value == want["value"]

    @pytest.mark.parametrize(
        "vector",
        [vector for vector in VECTORS if vector["id"] == "mqtt-025"],
        ids=lambda vector: vector["id"],
    )
    def test_a_probe_that_may_be_missing_is_not_trusted(vector: dict[str, Any]) -> None:
        vector["input"]["payload"].pop("time")
        quality = {reading.series.quantity: reading.quality for reading in _decode(vector)}
        assert quality["probe_temperature"] is Quality.UNCERTAIN
        assert quality["soil_temperature"] is Quality.GOOD
