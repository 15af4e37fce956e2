"""Captured frames of serial boards, kept beside the checkout, against the bundled profiles: everything
that is expected comes out of `campus profile decode`, under our names, and nothing is left out.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from device_profiles.decoding import Decoded, decode_input
from device_profiles.examples import ZONE
from device_profiles.registry import Catalogue
from device_profiles.units import conversion
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors"
IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}
CATALOGUE = Catalogue()
NAMES = (
    "serial_air", "serial_negative", "serial_dlt645", "serial_scales", "serial_thermometer", "access_cards",
    "access_osdp",
)  # fmt: skip

PROFILES = {
    "Plantower PMS5003/7003": ("plantower/pms5003", "plantower/pms7003", "plantower/pmsa003"),
    "Plantower PMS5003T": ("plantower/pms5003t",),
    "PMSx003": ("plantower/pms5003", "plantower/pms7003", "plantower/pms5003t"),
    "Nova SDS011/SDS018/SDS021": ("nova/sds011", "nova/sds018", "nova/sds021"),
    "SDS01x": ("nova/sds011", "nova/sds018"),
    "Sensirion SPS30": ("sensirion/sps30",),
    "SPS30": ("sensirion/sps30",),
    "Winsen MH-Z19B": ("winsen/mh-z19b",),
    "MHZ19B": ("winsen/mh-z19b", "winsen/mh-z19c"),
    "Winsen ZE08-CH2O": ("winsen/ze08-ch2o", "dart/wz-s"),
    "Winsen ZE07/ZE08-CH2O": ("winsen/ze07-ch2o", "winsen/ze08-ch2o"),
    "HPMA115S0": ("honeywell/hpma115s0",),
    "GY-MCU90614 / GY-MCU90615": ("gy/mcu90614", "gy/mcu90615"),
    "Yaohua XK3190-A9": ("yaohua/xk3190-a9",),
    "Yaohua XK3190-A12": ("yaohua/xk3190-a12",),
    "Keli D2008": ("keli/d2008",),
    "CAS/A&D": ("cas/scale-text", "aandd/scale-text"),
    "Chinese canteen scale": ("generic/canteen-scale",),
    "DL/T 645-2007": ("dlt645/single-phase",),
    "RDM6300": ("rdm6300/reader",),
    "Wiegand-26": ("wiegand/26-bit",),
    "Wiegand-34": ("wiegand/34-bit",),
    "OSDP": ("osdp/reader",),
}
OUR_NAMES = {
    ("formaldehyde", "ppb"): "formaldehyde_ppb",
    ("typical_size", "um"): "particle_size",
    ("object_temperature", "Cel"): "surface_temperature",
    ("ambient_temperature", "Cel"): "temperature",
    ("stable", "bool"): "mass_stable",
    ("energy_total", "kWh"): "energy",
}
UNITS = {"Cel (undocumented)": "Cel"}
REASONS = {
    "short": "truncated",
    "wrong header": "bad_length",
    "wrong tail": "wrong_tail",
    "wrong checksum": "bad_checksum",
    "warming up": "not_ready",
    "not in measurement mode": "not_ready",
    "bad CRC": "bad_checksum",
    "absurd length": "bad_length",
}
CARDS = {
    "access_cards-001": "0086F444",
    "access_cards-002": "0063E9AE",
    "access_cards-004": "650FFF",
    "access_cards-005": "D41B81",
    "access_cards-007": "499602D2",
}


class Case(NamedTuple):
    vector: dict[str, Any]
    profile: str


def _cases() -> list[Case]:
    found = []
    for name in NAMES:
        path = FOLDER / f"{name}.json"
        if path.is_file():
            for vector in json.loads(path.read_text("utf-8"))["vectors"]:
                device = max((one for one in PROFILES if vector["device"].startswith(one)), key=len)
                found += [Case(vector, profile) for profile in PROFILES[device]]
    return found


CASES = _cases()


def test_the_vectors_are_there_or_their_absence_is_said() -> None:
    if CASES:
        assert {case.vector["id"].rpartition("-")[0] for case in CASES} == set(NAMES)
        return
    message = f"no vectors of serial boards in {FOLDER}; the captured frames were NOT checked"
    assert not IN_CI, message
    print(message)


def _decode(case: Case) -> Decoded:
    profile = CATALOGUE.get(case.profile)
    found = decode_input(profile, json.dumps(case.vector["input"]), received_ms=5, zone=ZONE)
    plain = case.vector["input"].get("data", case.vector["input"].get("bits"))
    assert decode_input(profile, plain, received_ms=5, zone=ZONE) == found
    return found


def _is(found: object, want: object) -> bool:
    number = isinstance(want, int | float) and isinstance(found, int | float)
    return found == pytest.approx(want, rel=1e-9) if number else found == want


def _id(case: Case) -> str:
    return f"{case.vector['id']}-{case.profile}"


# Without vectors these tests do not exist: an empty parametrisation would count as a skip.
if CASES:

    @pytest.mark.parametrize("case", [one for one in CASES if one.vector["expected"]], ids=_id)
    def test_a_captured_frame_gives_all_that_is_expected(case: Case) -> None:
        decoded = _decode(case)
        readings = {reading.series.quantity: reading for reading in decoded.readings}
        told = {**decoded.named, **(decoded.events[0] if decoded.events else {})}
        wanted = set()
        for their_name, want in case.vector["expected"].items():
            name = OUR_NAMES.get((their_name, want["unit"]), their_name)
            wanted.add(name)
            if name not in readings:
                named = told[name]
                assert _is(named.value, want["value"])
                assert named.unit == UNITS.get(want["unit"], want["unit"])
                continue
            reading = readings[name]
            quantity = QUANTITIES[name]
            if quantity.is_bool:
                assert reading.value == float(want["value"])
                continue
            linear = conversion(want["unit"], quantity)
            assert linear is not None
            assert _is(reading.value, want["value"] * linear.scale + linear.offset)
            beyond = not quantity.low <= reading.value <= quantity.high
            assert reading.quality is (Quality.OUT_OF_RANGE if beyond else Quality.GOOD)
        assert not set(readings) - wanted, "nothing more is measured"
        assert decoded.gives_something
        assert not decoded.refused
        assert bool(decoded.notes) is ("data_identifier" in wanted), (
            "a question is no reading, and said to be one"
        )
        if case.vector["id"] in CARDS:
            (tap,) = decoded.taps
            assert tap.credential == CARDS[case.vector["id"]]
        else:
            assert not decoded.taps

    @pytest.mark.parametrize("case", [one for one in CASES if not one.vector["expected"]], ids=_id)
    def test_what_gives_nothing_says_why(case: Case) -> None:
        decoded = _decode(case)
        assert not decoded.gives_something
        assert not decoded.named
        text = f"{case.vector['device']} {case.vector['must']}"
        (reason,) = {word for words, word in REASONS.items() if words in text}
        assert [refusal.reason for refusal in decoded.refused] == [reason]
