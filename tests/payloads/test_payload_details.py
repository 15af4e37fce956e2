"""Where devices or well known libraries mislead: what ours makes of it, and why that is right."""

from __future__ import annotations

import json

import pytest

from device_profiles.decoding import Decoded, decode_input
from device_profiles.examples import ZONE
from device_profiles.payloads.ieee11073 import read_float
from device_profiles.registry import Catalogue
from telemetry.named import Value

CATALOGUE = Catalogue()


def _read(profile: str, given: dict[str, str] | str) -> Decoded:
    text = given if isinstance(given, str) else json.dumps(given)
    return decode_input(CATALOGUE.get(profile), text, received_ms=0, zone=ZONE)


def _values(profile: str, given: dict[str, str] | str) -> dict[str, Value]:
    decoded = _read(profile, given)
    return {name: named.value for name, named in decoded.named.items()} | {
        reading.series.quantity: reading.value for reading in decoded.readings
    }


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("6c0100ff", 36.4),
        ("710e00fe", 36.97),
        ("930effff", -6180.5),
        ("94ffffff", -10.8),
        ("0a000001", 100.0),
        ("25000000", 37.0),
        ("ffff7f00", None),
        ("00008000", None),
        ("feff7f00", None),
        ("02008000", None),
        ("01008000", None),
        ("0100007f", None),
    ],
)
def test_the_exponent_of_a_medical_float_is_a_signed_byte(data: str, value: float | None) -> None:
    """bluetooth-sig 0.6.0 subtracts 128 from it; IEEE 11073-20601 has two's complement."""
    found = read_float(bytes.fromhex(data))
    if value is None:
        assert found is None
    else:
        assert found == pytest.approx(value)


def test_a_fahrenheit_thermometer_is_read_in_celsius() -> None:
    assert _values("sig/health-thermometer", {"characteristic": "2A1C", "data": "01d90300ff"})[
        "body_temperature"
    ] == pytest.approx((98.5 - 32) / 1.8)


def test_ruuvi_accelerations_are_signed_and_in_thousandths_of_g() -> None:
    """So the vendor's page has it, formats 3 and 5. TheengsDecoder gives other values for the same bytes."""
    given = {"company_id": "0x0499", "data": "0512fc5394c37cfc1803e8fc18ac364200cdcbb8334c884f"}
    found = _values("ruuvi/ruuvitag", given)
    assert [found[f"acceleration_{axis}"] for axis in "xyz"] == [-1.0, 1.0, -1.0]
    given = {"company_id": "0x0499", "data": "03290b1fce1efc1803e8fc180c95"}
    found = _values("ruuvi/ruuvitag-3", given)
    assert [found[f"acceleration_{axis}"] for axis in "xyz"] == [-1.0, 1.0, -1.0]


def test_what_an_old_ruuvi_tag_means_below_zero() -> None:
    """A sign, a whole part and hundredths: 0x81 0x45 is -1.69 °C, no two's complement."""
    assert _values("ruuvi/ruuvitag-3", {"company_id": "0x0499", "data": "03298145ce1e03e803e803e80c95"})[
        "temperature"
    ] == pytest.approx(-1.69)


def test_ruuvi_air_counts_its_indices_in_nine_bits() -> None:
    start, end = "0611944650c896003702ee", "4c884f"
    both = _values("ruuvi/ruuvi-air", {"company_id": "0x0499", "data": f"{start}0a01a0ff10c0{end}"})
    assert (both["voc_index"], both["nox_index"]) == (21, 3)
    none = _read("ruuvi/ruuvi-air", {"company_id": "0x0499", "data": f"{start}ffffffff10c0{end}"})
    assert [refusal.reason for refusal in none.refused] == ["missing_value"] * 3


def test_a_motion_of_qingping_may_come_without_illuminance() -> None:
    quiet = {"service_uuid": "fdcd", "service_data": "081200000034 2d58 08 04 01 2c0100".replace(" ", "")}
    assert _values("qingping/cgpr1", quiet)["illuminance"] == 300
    event = {"service_uuid": "fdcd", "service_data": "481200000034 2d58 08 04 01 ffffff".replace(" ", "")}
    assert "illuminance" not in _values("qingping/cgpr1", event)


def test_qingping_illuminance_has_24_bits() -> None:
    """A sum of the parts instead of their places is what one library makes of it."""
    given = {"service_uuid": "fdcd", "service_data": "0812000000342d58 080400 000101".replace(" ", "")}
    assert _values("qingping/cgpr1", given)["illuminance"] == 0x010100


def test_a_strap_that_cannot_tell_contact_does_not_deny_it() -> None:
    unable = _values("sig/heart-rate", {"characteristic": "2A37", "data": "0048"})
    assert "skin_contact" not in unable
    loose = _values("sig/heart-rate", {"characteristic": "2A37", "data": "0448"})
    assert loose["skin_contact"] == 0.0


def test_beats_are_all_given_and_half_a_beat_is_not() -> None:
    found = _values("sig/heart-rate", {"characteristic": "2A37", "data": "104802040004ff"})
    assert found["rr_intervals"] == (1001.953, 1000.0)


@pytest.mark.parametrize("rate", ["00", "0a", "1d", "f1", "ff"])
def test_a_rate_that_no_heart_has_is_not_one(rate: str) -> None:
    band = {"company_id": "0x0157", "data": f"020201{rate}{'ff' * 14}03c500000001"}
    for profile, given in (
        ("xiaomi/mi-band", band),
        ("polar/h10", {"company_id": "0x006B", "data": f"260000{rate}"}),
        ("xoss/x2", {"company_id": "0xFF04", "data": f"005500{rate}"}),
    ):
        decoded = _read(profile, given)
        assert "heart_rate" not in {reading.series.quantity for reading in decoded.readings}
        assert "missing_value" in [refusal.reason for refusal in decoded.refused]


def test_aranet_below_zero_is_not_an_invalid_value() -> None:
    """The flag of an invalid temperature, bit 14, is set in every negative number as well."""
    head, tail = "012104040100000000 00".replace(" ", ""), "0000c201005a003c001e0007"
    cold = _values("aranet/aranet2", {"company_id": "0x0702", "data": f"{head}9cff{tail}"})
    assert cold["temperature"] == -5.0
    invalid = _values("aranet/aranet2", {"company_id": "0x0702", "data": f"{head}0040{tail}"})
    assert "temperature" not in invalid


def test_inkbird_puts_the_temperature_where_the_company_belongs() -> None:
    assert (
        _values("inkbird/ibs-th", {"company_id": "0xFE3E", "data": "94110100005508"})["temperature"] == -4.5
    )
    assert _values("inkbird/ibs-th", "3efe94110100005508")["temperature"] == -4.5


def test_an_advertisement_may_be_given_whole() -> None:
    """Flags, name and service data, as a scanner shows them."""
    whole = "020106" + "0b16d2fc40 01 61 02ca09 0f01".replace(" ", "")
    found = _values("bthome/v2", whole)
    assert (found["battery"], found["temperature"], found["generic"]) == (97, 25.06, True)
