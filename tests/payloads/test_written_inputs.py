"""One advertisement, written as many tools write it: all of them say the same."""

import json
from typing import Any

import pytest

from device_profiles.decoding import Decoded, decode_input
from device_profiles.examples import ZONE
from device_profiles.registry import Catalogue

CATALOGUE = Catalogue()
GLUED = "4c000215494e54454c4c495f524f434b535f48575075f2ffc2"
"""An iBeacon, as Govee's sensors advertise it behind their own data."""


def _decode(profile: str, given: str | dict[str, Any]) -> Decoded:
    text = given if isinstance(given, str) else json.dumps(given)
    return decode_input(CATALOGUE.get(profile), text, received_ms=0, zone=ZONE)


def _values(profile: str, given: str | dict[str, Any]) -> dict[str, float]:
    return {reading.series.quantity: reading.value for reading in _decode(profile, given).readings}


@pytest.mark.parametrize(
    "given",
    [
        {"company_id": "0xEC88", "data": "000370aa5500"},
        {"company_id": "EC88", "data": "00 03 70 AA 55 00"},
        {"company_id": 0xEC88, "manufacturer_data": "000370aa5500"},
        {"company_id": "60552", "data": "0x000370aa5500"},
        {"company_id": "0xec88", "data": "88ec000370aa5500"},
        {"manufacturer_data": {"0xEC88": "000370aa5500"}},
        {"format": "ble-manufacturer-data", "data": "88ec000370aa5500", "name": "GVH5075_0001"},
        {"manufacturer_data": "88ec000370aa5500"},
        {"company_id": "0xEC88", "data": f"000370aa5500{GLUED}"},
        "000370aa5500",
        "88 EC 00 03 70 AA 55 00",
        f"88ec000370aa5500{GLUED}",
    ],
)
def test_a_companys_data(given: str | dict[str, Any]) -> None:
    assert _values("govee/h5075", given) == {"temperature": 22.5, "relative_humidity": 45, "battery": 85}


@pytest.mark.parametrize("company", ["0x0157", "0X0157", "0157", "343", 343])
@pytest.mark.parametrize("service", ["0xFEE0", "fee0", 0xFEE0, "0000FEE0-0000-1000-8000-00805F9B34FB"])
def test_data_of_a_company_and_of_a_service(company: str | int, service: str | int) -> None:
    given = {"company_id": company, "data": "02020158" + "ff" * 20, "service_uuid": service}
    given["service_data"] = "10270000"
    assert _values("xiaomi/mi-band", given) == {"heart_rate": 88, "steps": 10_000}


@pytest.mark.parametrize("given", [{"company_id": "no number", "data": "00"}, {"company_id": "0xEC88"}])
def test_what_cannot_be_read_is_refused_with_a_reason(given: dict[str, Any]) -> None:
    decoded = _decode("govee/h5075", given)
    assert not decoded.gives_something
    assert {refusal.reason for refusal in decoded.refused} <= {"not_an_advertisement", "not_hex"}


@pytest.mark.parametrize(
    "given",
    [
        {"format": "lorawan-frmpayload", "data": "0100E2022904002705060603 08", "f_port": 5},
        {"format": "lorawan-frmpayload", "data": "AQDiAikEACcFBgYDCA==", "fPort": 5},
        {"format": "lorawan-frmpayload", "base64": "AQDiAikEACcFBgYDCA==", "port": 5},
        {"frm_payload": "AQDiAikEACcFBgYDCA==", "f_port": 5},
        {"data": "AQDiAikEACcFBgYDCA==", "fPort": 5},
        "0100e202290400270506060308",
        "AQDiAikEACcFBgYDCA==",
    ],
)
def test_a_lorawan_payload(given: str | dict[str, Any]) -> None:
    assert _values("elsys/ers-co2", given)["co2"] == 776


def test_text_that_is_neither_hexadecimal_nor_base64() -> None:
    decoded = _decode("elsys/ers-co2", {"data": "no payload!"})
    assert [refusal.reason for refusal in decoded.refused] == ["not_hex"]


def test_a_scale_that_somebody_has_left_shows_the_mass_but_weighs_nobody() -> None:
    decoded = _decode("xiaomi/miscale-v1", {"service_uuid": "181d", "service_data": "a2b833ea070901080000"})
    assert not decoded.readings
    assert decoded.named["mass"].value == 66.2


@pytest.mark.parametrize("request_hex", ["0103001100081409", "010300110008"])
def test_a_log_of_modbus_frames_without_their_checks(request_hex: str) -> None:
    given = {"request": request_hex, "response_no_crc": "01031009451af7006f00890089ffffffff000b"}
    values = _values("tc/tc-s200", given)
    assert values["temperature"] == 23.73
    assert "co2" not in values


@pytest.mark.parametrize(
    "given",
    [
        {"smoke": True},
        {"format": "mqtt", "topic": "zigbee2mqtt/smoke-301", "payload": {"smoke": True}},
        {"format": "mqtt", "topic": "zigbee2mqtt/smoke-301", "payload": '{"smoke": true}'},
        {"format": "json", "payload": {"smoke": True}},
    ],
)
def test_a_message_with_its_topic_beside_it(given: dict[str, Any]) -> None:
    assert _values("zigbee2mqtt/heiman-smoke", given) == {"smoke": 1}


def test_a_message_in_a_log_that_is_no_json() -> None:
    decoded = _decode("zigbee2mqtt/heiman-smoke", {"format": "mqtt", "payload": "{smoke"})
    assert [refusal.reason for refusal in decoded.refused] == ["not_json"]


def test_a_post_with_its_kind_beside_it() -> None:
    event = {"majorEventType": 5, "subEventType": 21, "doorNo": 1, "serialNo": 257}
    post = {"eventType": "AccessControllerEvent", "AccessControllerEvent": event}
    plain = _decode("hikvision/isapi", post)
    assert plain.events[0]["door"].value == 1
    assert _decode("hikvision/isapi", {"format": "json", "payload": post}).events == plain.events


def test_registers_of_which_nobody_says_where_they_stand() -> None:
    """The address is guessed: the lowest that such an answer can begin at, and that is said."""
    decoded = _decode("eastron/sdm120", "01 04 04 43 66 33 34 1b 38")
    assert [reading.series.quantity for reading in decoded.readings] == ["voltage"]
    assert decoded.notes


@pytest.mark.parametrize("bits", ["00110010100001111111111111", "0 01100101 0000111111111111 1"])
def test_bits_of_a_card(bits: str) -> None:
    named = _decode("wiegand/26-bit", {"format": "bits", "bits": bits}).named
    assert (named["card_facility"].value, named["card_number"].value) == (101, 4095)
