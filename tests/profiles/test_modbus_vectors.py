"""Captured Modbus replies of real devices, kept beside the checkout, against the bundled profiles.

All expectations are numbers; that of an exception is its code, which the refusal's text tells.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from device_profiles.decoding import Decoded, decode_input
from device_profiles.examples import ZONE
from device_profiles.modbus import bind_modbus
from device_profiles.modbus_input import parse_answers
from device_profiles.modbus_schema import RegisterRow
from device_profiles.registry import Catalogue, modbus_spec
from device_profiles.rtu import ModbusExceptionError
from device_profiles.units import conversion
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import SeriesTable

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors"
IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}
CATALOGUE = Catalogue()

PROFILES = {
    "modbus-001": "renke/9-in-1",
    "modbus-003": "renke/9-in-1",
    "modbus-005": "renke/rs-ws-n01",
    "modbus-007": "xy/md02",
    "modbus-009": "peacefair/pzem-004t-v3",
    "modbus-011": "peacefair/pzem-016",
    "modbus-013": "eastron/sdm630",
    "modbus-015": "eastron/sdm630",
    "modbus-017": "eastron/sdm72d-m",
    "modbus-019": "eastron/sdm72d-m",
    "modbus-021": "dfrobot/sen0492",
    "modbus-023": "eletechsup/r421a08",
    "modbus_negative-001": "senseair/s8",
    "modbus_negative-002": "jxct/co2",
    "modbus_negative-004": "xy/md02",
    "modbus_negative-005": "renke/rs-ws-n01",
}
OUR_NAMES = {"noise": "sound_level"}
SINGLE_PHASE = "eastron/sdm120"


def _vectors(name: str) -> list[dict[str, Any]]:
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        return []
    vectors: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["vectors"]
    return vectors


POSITIVE, NEGATIVE = _vectors("modbus"), _vectors("modbus_negative")


def test_the_vectors_are_there_or_their_absence_is_said() -> None:
    if POSITIVE and NEGATIVE:
        assert {vector["id"] for vector in [*POSITIVE, *NEGATIVE]} == set(PROFILES)
        return
    message = f"no Modbus vectors in {FOLDER}; the captured replies were NOT checked"
    assert not IN_CI, message
    print(message)


def _decode(vector_id: str, given: dict[str, Any]) -> Decoded:
    profile = CATALOGUE.get(PROFILES[vector_id])
    return decode_input(profile, json.dumps(given), received_ms=5, zone=ZONE)


def _texts(given: dict[str, Any]) -> list[str]:
    """The same input as a person may type it."""
    if given["format"] == "registers":
        registers = " ".join(map(str, given["registers"]))
        return [f"{given['fc']}@{given['address']}: {registers}"]
    if "request" in given:
        return [
            f"{given['request']} {given['response']}",
            f"{given['request']} > {given['request']} > {given['response']}",
        ]
    return [given["response"]] if "response" in given else []


def _matches(decoded: Decoded, expected: dict[str, Any]) -> None:
    found = {reading.series.quantity: reading for reading in decoded.readings}
    assert set(found) == {OUR_NAMES.get(name, name) for name in expected}
    assert not decoded.refused
    for name, want in expected.items():
        reading = found[OUR_NAMES.get(name, name)]
        linear = conversion(want["unit"], QUANTITIES[reading.series.quantity])
        assert linear is not None
        assert reading.value == pytest.approx(want["value"] * linear.scale + linear.offset, rel=1e-12)
        assert reading.quality is Quality.GOOD


# Without vectors these tests do not exist: an empty parametrisation would count as a skip.
if POSITIVE and NEGATIVE:

    @pytest.mark.parametrize("vector", POSITIVE, ids=lambda vector: vector["id"])
    def test_a_captured_reply_gives_exactly_what_is_expected(vector: dict[str, Any]) -> None:
        decoded = _decode(vector["id"], vector["input"])
        _matches(decoded, vector["expected"])
        profile = CATALOGUE.get(PROFILES[vector["id"]])
        for text in _texts(vector["input"]):
            assert decode_input(profile, text, received_ms=5, zone=ZONE).readings == decoded.readings

    @pytest.mark.parametrize("vector", POSITIVE, ids=lambda vector: vector["id"])
    def test_the_profile_agrees_with_the_published_register_table(vector: dict[str, Any]) -> None:
        rows = {row.quantity: row for row in modbus_spec(CATALOGUE.get(PROFILES[vector["id"]])).fields}
        order = modbus_spec(CATALOGUE.get(PROFILES[vector["id"]])).word_order
        for told in vector["registers"]:
            row = rows[OUR_NAMES.get(told["quantity"], told["quantity"])]
            kind, _, words = told["type"].partition(" ")
            assert (row.fc, row.address, row.type) == (told["fc"], told["address"], kind)
            assert row.scale == told.get("scale", 1)
            assert row.unit == told.get("unit", "1")
            assert words in {"", row.word_order or order}

    @pytest.mark.parametrize("vector", NEGATIVE, ids=lambda vector: vector["id"])
    def test_what_must_be_refused_is_and_says_why(vector: dict[str, Any]) -> None:
        decoded = _decode(vector["id"], vector["input"])
        assert not decoded.readings
        (refusal,) = decoded.refused
        if "CRC" in vector["must"]:
            assert refusal.reason == "bad_crc"
            corrected = dict(vector["corrected"])
            repaired = {**vector["input"], "response": corrected.pop("response")}
            _matches(_decode(vector["id"], repaired), corrected)
            return
        code = vector["expected"]["exception"]["value"]
        assert refusal.reason == "exception"
        assert f"exception {code:02d}, illegal " in refusal.text
        for profile in CATALOGUE.all():
            if profile.spec.transport == "modbus":
                decoder = bind_modbus(profile, device="d", place="p/r", table=SeriesTable())
                with pytest.raises(ModbusExceptionError) as caught:
                    parse_answers(vector["input"]["response"], decoder)
                assert caught.value.code == code

    def test_a_single_phase_meter_reads_the_same_registers() -> None:
        def by_place(name: str) -> dict[int, RegisterRow]:
            return {row.address: row for row in modbus_spec(CATALOGUE.get(name)).fields}

        one, three = by_place(SINGLE_PHASE), by_place("eastron/sdm630")
        shared = {0: "voltage", 6: "current", 12: "power"}
        for address, quantity in shared.items():
            assert one[address].quantity == quantity
            assert three[address].quantity == f"{quantity}_l1"
            assert (one[address].fc, one[address].type) == (three[address].fc, three[address].type)
        for address in (70, 72, 74, 342):
            assert one[address] == three[address]
