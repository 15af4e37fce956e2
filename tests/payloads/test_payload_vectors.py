"""Captured Bluetooth frames, kept beside the checkout, through the profiles: every value is found."""

import json
import math
import os
from typing import Any

import pytest

from device_profiles.decoding import Decoded, decode_input
from device_profiles.examples import ZONE
from device_profiles.registry import Catalogue
from device_profiles.units import CONVERSIONS, Linear
from telemetry.named import Named
from telemetry.quantities import QUANTITIES
from tests.payloads.vector_names import (
    BESIDES,
    FAMILIES,
    FOLDER,
    NOT_IN_THE_BYTES,
    UNITS,
    load,
    our_name,
    profile_of,
)

IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}
CATALOGUE = Catalogue()
VECTORS = load()


def test_the_vectors_are_there_or_their_absence_is_said() -> None:
    if VECTORS:
        assert {vector["id"].rpartition("-")[0] for vector in VECTORS} == {f"ble_{name}" for name in FAMILIES}
        return
    message = f"no vectors: {FOLDER} is missing; the captured Bluetooth frames were NOT checked"
    assert not IN_CI, message
    print(message)


def _decode(profile: str, vector: dict[str, Any]) -> Decoded:
    return decode_input(CATALOGUE.get(profile), json.dumps(vector["input"]), received_ms=0, zone=ZONE)


def _found(decoded: Decoded) -> dict[str, Named]:
    readings = {
        reading.series.quantity: Named(
            bool(reading.value) if QUANTITIES[reading.series.quantity].is_bool else reading.value,
            QUANTITIES[reading.series.quantity].unit,
        )
        for reading in decoded.readings
    }
    assert len(readings) == len(decoded.readings)
    return {**decoded.named, **readings}


def _same(want: Any, unit: str, got: Named) -> bool:
    if isinstance(want, list):
        assert isinstance(got.value, tuple)
        return [round(one, 3) for one in got.value] == want
    if isinstance(want, bool | str):
        return type(got.value) is type(want) and got.value == want
    assert isinstance(got.value, int | float)
    unit = UNITS.get(unit, unit)
    ours = UNITS.get(got.unit, got.unit)
    linear = CONVERSIONS.get((unit, ours), Linear()) if unit != ours else Linear()
    assert unit in {ours, "1"} or linear != Linear() or "bool" in {unit, ours}, f"{unit} is not {ours}"
    return math.isclose(got.value, want * linear.scale + linear.offset, rel_tol=1e-4, abs_tol=1e-9)


# Without vectors these tests do not exist: an empty parametrisation would count as a skip.
if VECTORS:

    @pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
    def test_a_captured_frame_gives_every_expected_value(vector: dict[str, Any]) -> None:
        profile = profile_of(vector)
        decoded = _decode(profile, vector)
        found = _found(decoded)
        known = set()
        for name, expected in vector["expected"].items():
            ours = our_name(profile, name)
            known.add(ours)
            want = NOT_IN_THE_BYTES.get((vector["id"], name), expected["value"])
            if want is None:
                assert ours not in found
                assert "missing_value" in [refusal.reason for refusal in decoded.refused]
                continue
            if (name, vector["device"]) == ("binary:lock", "Xiaomi DSL-C08"):
                # Lifting the handle locks the door: the library's word for it is that of an open lock.
                assert found["locked"].value is True
                known.add("locked")
                continue
            if name == "binary:lock":
                ours, want = "locked", not want
                known.add(ours)
            assert ours in found, f"{ours} is not among {sorted(found)}"
            assert _same(want, expected["unit"], found[ours]), f"{name}: {found[ours]}, expected {want}"
            for extent, value in expected.get("properties", {}).items():
                assert found[f"{ours}_{extent}"].value == value
        readings = {reading.series.quantity for reading in decoded.readings}
        # A press is a reading as well as a word.
        pressed = {"button"} if "button_event" in known else set()
        moved = {"motion"} if "motion_event" in known else set()
        assert readings <= known | pressed | moved | BESIDES.get(vector["id"], set())

    @pytest.mark.parametrize(
        "vector",
        [vector for vector in VECTORS if "bindkey" in vector["input"]],
        ids=lambda vector: vector["id"],
    )
    def test_an_encrypted_frame_needs_its_key(vector: dict[str, Any]) -> None:
        given = dict(vector["input"])
        key = given.pop("bindkey")
        without = _decode(profile_of(vector), {"input": given})
        assert [refusal.reason for refusal in without.refused] == ["key_missing"]
        given["bindkey"] = f"{int(key[0], 16) ^ 1:x}{key[1:]}"
        wrong = _decode(profile_of(vector), {"input": given})
        assert [refusal.reason for refusal in wrong.refused] == ["bad_mic"]
        assert not wrong.readings
        given["bindkey"] = key + "00"
        longer = _decode(profile_of(vector), {"input": given})
        assert [refusal.reason for refusal in longer.refused] == ["wrong_key_length"]
