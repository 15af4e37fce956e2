"""Payload codecs of LoRaWAN sensors: what the vendors' own examples must give, and what nothing may break."""

from __future__ import annotations

from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.payloads import NO_CONTEXT, PAYLOADS, Found, PayloadError
from device_profiles.payloads.sensecap import crc16

FAMILIES = ("milesight-", "elsys", "sensecap")
NAMES = sorted(name for name in PAYLOADS if name.startswith(FAMILIES))
CLIMATE = {"battery": 92, "temperature": 30.8, "relative_humidity": 50.5}
ABOUT = {
    "protocol_version": 1,
    "serial_number": "6746d38802580000",
    "hardware_version": "1.0",
    "firmware_version": "1.1",
    "lorawan_class": 0,
}

EXAMPLES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "milesight-am102",
        "017564 03671801 04686D",
        {"battery": 100, "temperature": 28, "relative_humidity": 54.5},
    ),
    ("milesight-am103", "077DC501", {"co2": 453}),
    (
        "milesight-am104",
        "056A4900 06651C0079001400 077DE704 087D0700 09733F27",
        {
            "motion_count": 73,
            "illuminance": 28,
            "infrared_and_visible": 121,
            "infrared": 20,
            "co2": 1255,
            "voc": 7,
            "pressure": 1004.7,
        },
    ),
    (
        "milesight-am319",
        "0367EE00 04687C 050001 06CB02 077DA803 087D2500 09736627 0A7D0400 0B7D2000 0C7D3000",
        {
            "temperature": 23.8,
            "relative_humidity": 62,
            "motion": True,
            "pir": "trigger",
            "light_level": 2,
            "co2": 936,
            "voc_level": 0.37,
            "tvoc": 37,
            "pressure": 1008.6,
            "formaldehyde": 0.04,
            "pm2_5": 32,
            "pm10": 48,
        },
    ),
    ("milesight-am307", "FF0BFF FF0101 FF166746D38802580000 FF090100 FF0A0101 FF0F00", ABOUT),
    ("milesight-em300-mcs", "01755C 03673401 046865 060001", {**CLIMATE, "open": True}),
    ("milesight-em300-leak", "01755C 03673401 046865 050000", {**CLIMATE, "water_leak": False}),
    ("milesight-em500-co2", "057D6704 06736827", {"co2": 1127, "pressure": 1008.8}),
    ("milesight-ws101", "017510 FF2E01", {"battery": 16, "pressed": True, "press": "short", "button": 1}),
    ("milesight-ws202", "030001 040000", {"motion": True, "pir": "trigger", "light": False}),
    ("milesight-ws301", "017564 030001 040001", {"battery": 100, "open": True, "tamper": True}),
    (
        "milesight-ws302",
        "017564 055B053F02DA016A02",
        {
            "battery": 100,
            "LAF": 57.5,
            "LAeq": 47.4,
            "LAFmax": 61.8,
            "sound_level": 57.5,
            "sound_level_eq": 47.4,
            "sound_level_peak": 61.8,
        },
    ),
    ("milesight-ws303", "017564 030001", {"battery": 100, "water_leak": True}),
    ("milesight-gs301", "02671C01 036864", {"temperature": 28.4, "relative_humidity": 50}),
    ("milesight-gs301", "047DFEFF 057DFFFF", {"ammonia": None, "hydrogen_sulfide": None}),
    ("milesight-ct101", "039710270000", {"total_current": 100}),
    ("milesight-ct101", "0498B80B00000000", {"current": 30}),
    (
        "milesight-ct101",
        "8498B80BD007C40905",
        {"current_max": 30, "current_min": 20, "current": 25, "current_alarm": "threshold, over range"},
    ),
    ("milesight-vs121", "05CC02000100", {"people_in": 2, "people_out": 1}),
    (
        "milesight-vs133",
        "03D248000000 04D2C8000000 0ECC05000700",
        {
            "line_1_total_in": 72,
            "line_1_total_out": 200,
            "line_4_period_in": 5,
            "line_4_period_out": 7,
            "people_in": 72,
            "people_out": 200,
        },
    ),
    ("milesight-vs133", "10E40109101121", {"region_1_avg_dwell": 4105, "region_1_max_dwell": 8465}),
    (
        "milesight-vs132",
        "03D2BE000000 04D231010000 05CC00000000",
        {"people_in": 190, "people_out": 305, "period_in": 0, "period_out": 0},
    ),
    ("milesight-vs340", "017564 030001", {"battery": 100, "occupancy": True}),
    (
        "milesight-vs350",
        "84CC0111081101 85CCE803E90301 83673E0104",
        {
            "people_in": 4353,
            "people_out": 4360,
            "period_in": 1000,
            "period_out": 1001,
            "temperature": 31.8,
            "temperature_alarm": 4,
        },
    ),
    (
        "milesight-ws203",
        "017564 03673401 046865 050000",
        {"battery": 100, "temperature": 30.8, "relative_humidity": 50.5, "occupancy": False},
    ),
    (
        "elsys",
        "0100E202290400270506060308",
        {"temperature": 22.6, "relative_humidity": 41, "illuminance": 39, "motion_count": 6, "co2": 776},
    ),
    ("elsys", "03C13F00", {"acceleration_x": -1, "acceleration_y": 1, "acceleration_z": 0}),
    ("sensecap", "01011098530000 010210A87A0000 AF51", {"temperature": 21.4, "relative_humidity": 31.4}),
    (
        "sensecap",
        "00000001010001 00070064003C00 01200100000000 2890",
        {"battery": 100, "interval": 3_600},
    ),
]


def read(codec: str, payload: bytes) -> tuple[dict[str, Any], list[str]]:
    found = PAYLOADS[codec](payload, NO_CONTEXT)
    assert isinstance(found, Found)
    return {name: named.value for name, named in found.items()}, found.refused


@pytest.mark.parametrize(("codec", "payload", "expected"), EXAMPLES)
def test_a_vendors_example(codec: str, payload: str, expected: dict[str, Any]) -> None:
    assert read(codec, bytes.fromhex(payload))[0] == expected


def test_every_codec_has_an_example() -> None:
    shown = {codec for codec, _, _ in EXAMPLES}
    assert set(NAMES) - shown == {"milesight-am308", "milesight-em300-th"}


def test_history_is_counted_and_what_stands_beside_it_is_read() -> None:
    record = "20CE 9E744663 1001 5D 01"
    values, refused = read("milesight-em300-mcs", bytes.fromhex(f"{record}{record} 060000"))
    assert values == {"open": False}
    assert refused == ["history_record", "history_record"]


def test_after_an_unknown_channel_nothing_is_guessed() -> None:
    values, refused = read("milesight-am102", bytes.fromhex("017564 99AA0367EE00"))
    assert values == {"battery": 100}
    assert refused == ["unknown_channel"]
    with pytest.raises(PayloadError, match="unknown_channel"):
        read("milesight-am102", bytes.fromhex("99AA 017564"))


@pytest.mark.parametrize("codec", [name for name in NAMES if name != "sensecap"])
def test_a_value_that_is_cut_off_gives_nothing(codec: str) -> None:
    battery = bytes.fromhex("070e" if codec == "elsys" else "0175")
    with pytest.raises(PayloadError, match="truncated"):
        read(codec, battery)


def test_sensecap_refuses_what_is_damaged() -> None:
    whole = bytes.fromhex("01011098530000010210A87A0000AF51")
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        with pytest.raises(PayloadError, match="bad_crc"):
            read("sensecap", bytes(damaged))
    for size in range(len(whole)):
        with pytest.raises(PayloadError):
            read("sensecap", whole[:size])


def test_crc_16_kermit() -> None:
    assert crc16(b"123456789") == 0x2189


_valid = st.sampled_from([(codec, bytes.fromhex(payload)) for codec, payload, _ in EXAMPLES])


@st.composite
def _nearly_valid(draw: st.DrawFn) -> tuple[str, bytes]:
    codec, payload = draw(_valid)
    changed = bytearray(payload)
    for _ in range(draw(st.integers(0, 3))):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return codec, bytes(changed[: draw(st.integers(0, len(changed)))]) + draw(st.binary(max_size=8))


@settings(max_examples=500, deadline=None)
@given(st.tuples(st.sampled_from(NAMES), st.binary(max_size=255)) | _nearly_valid())
def test_whatever_comes_is_read_or_refused(case: tuple[str, bytes]) -> None:
    codec, payload = case
    try:
        values, refused = read(codec, payload)
    except PayloadError as error:
        values, refused = {}, [error.reason]
    assert all(reason.isidentifier() for reason in refused)
    for value in values.values():
        numbers = value if isinstance(value, tuple) else (value,)
        assert all(not isinstance(one, float) or isfinite(one) for one in numbers)
