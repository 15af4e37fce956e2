"""Captured LoRaWAN, Sparkplug B and card reader messages, kept beside the checkout, as `campus profile
decode` reads them.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from device_profiles.cli import app

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "vectors"
FAMILIES = ("lorawan_other", "mqtt_sparkplug", "access_mqtt")
IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}
PROFILES = {
    "lorawan_other-001": "elsys/ers-co2",
    "lorawan_other-002": "elsys/ers-co2",
    "mqtt_sparkplug-001": "sparkplug/environment",
    "access_mqtt-001": "tasmota/pn532",
    "access_mqtt-002": "espeasy/rc522",
}
UNITS = {"count": "1", "datatype 4": "int64"}
"""Words of the vectors for what is called otherwise here."""


def _vectors() -> list[dict[str, Any]]:
    files = [FOLDER / f"{family}.json" for family in FAMILIES]
    return [one for file in files if file.is_file() for one in json.loads(file.read_text("utf-8"))["vectors"]]


VECTORS = _vectors()


def test_the_vectors_are_there_or_their_absence_is_said() -> None:
    if VECTORS:
        assert {vector["id"] for vector in VECTORS} == set(PROFILES)
        return
    message = f"no vectors: {FOLDER} is missing; uplinks, metrics and cards were NOT checked"
    assert not IN_CI, message
    print(message)


# Without vectors this test does not exist: an empty parametrisation would count as a skip.
if VECTORS:

    @pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
    def test_every_value_is_found(vector: dict[str, Any]) -> None:
        given = vector["input"]
        text = json.dumps(given)
        result = CliRunner().invoke(app, ["decode", PROFILES[vector["id"]], text])
        assert result.exit_code == 0
        bare = json.dumps(given["payload"]) if "payload" in given else given["data"]
        assert CliRunner().invoke(app, ["decode", PROFILES[vector["id"]], bare]).stdout == result.stdout
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        found = {line["quantity"]: (line["value"], line["unit"]) for line in lines if "quantity" in line}
        expected = {
            name: (want["value"], UNITS.get(want["unit"], want["unit"]))
            for name, want in vector["expected"].items()
        }
        assert expected.items() <= found.items()
