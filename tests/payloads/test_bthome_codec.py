"""BTHome by its format's page: every object, repeated ones, encryption, what is cut off."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from device_profiles.payloads import NO_CONTEXT, Context, PayloadError
from device_profiles.payloads.bthome import decode_v1, decode_v1_encrypted, decode_v2
from device_profiles.payloads.bthome_objects import OBJECTS, Kind
from telemetry.named import Named

ADDRESS = "A4:C1:38:00:00:01"
KEY = bytes(range(16))
CONTEXT = Context(ADDRESS, KEY)


def _values(objects: str) -> dict[str, object]:
    return {name: named.value for name, named in decode_v2(bytes.fromhex("40" + objects), NO_CONTEXT).items()}


def _seal(objects: str, count: int = 1, flags: int = 0x41, key: bytes = KEY) -> bytes:
    nonce = (
        bytes.fromhex(ADDRESS.replace(":", "")) + b"\xd2\xfc" + bytes([flags]) + count.to_bytes(4, "little")
    )
    sealed = AESCCM(key, tag_length=4).encrypt(nonce, bytes.fromhex(objects), None)
    return bytes([flags]) + sealed[:-4] + count.to_bytes(4, "little") + sealed[-4:]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ("0161", {"battery": 97}),
        ("02ca09", {"temperature": 25.06}),
        ("0261ff", {"temperature": -1.59}),
        ("03bf13", {"relative_humidity": 50.55}),
        ("04138a01", {"pressure": 1008.83}),
        ("05138a14", {"illuminance": 13460.67}),
        ("065e1f", {"mass": 80.3}),
        ("073e1d", {"mass": 33.955924818}),
        ("0dca09", {"pm2_5": 2506}),
        ("12e204", {"co2": 1250}),
        ("133301", {"voc_mass": 0.307}),
        ("1501", {"battery_low": True}),
        ("1701", {"co_alarm": True}),
        ("1f01", {"unlocked": True}),
        ("2a00", {"sound": False}),
        ("2e23", {"relative_humidity": 35}),
        ("3f020c", {"rotation": 307.4}),
        ("3fb0ff", {"rotation": -8.0}),
        ("414e00", {"distance": 7800}),
        ("424e3400", {"duration": 13.39}),
        ("4632", {"uv_index": 5.0}),
        ("48dc87", {"volume": 34.78}),
        ("505d396164", {"timestamp": "2023-05-14T19:41:17+00:00"}),
        ("530548656c6c6f", {"text": "Hello"}),
        ("58ea", {"temperature": -7.7}),
        ("5d02ea", {"current": -5.63}),
        ("5e9f8c", {"direction": 359.99}),
        ("62a0860100", {"speed": 0.1}),
        ("63f0d8ffff", {"acceleration": -0.01}),
        ("f00100", {"device_type_id": 1}),
        ("f100010204", {"firmware_version": "4.2.1.0"}),
        ("f2000106", {"firmware_version": "6.1.0"}),
        ("3a00", {}),
        ("3a80", {"button": 128, "button_event": "hold_press"}),
        ("3a77", {"button": 0x77, "button_event": "unknown"}),
        ("3c0000", {}),
        ("3c0205", {"dimmer": "rotate_right", "dimmer_steps": 5}),
        ("3b0002", {"command": "toggle", "command_args": ""}),
        ("3b010364", {"command": "step_up", "command_args": "64"}),
    ],
)
def test_an_object(objects: str, expected: dict[str, object]) -> None:
    assert _values(objects) == pytest.approx(expected)


def test_every_object_is_as_long_as_its_row_says() -> None:
    for number, row in OBJECTS.items():
        size = row.size or 1
        extra = bytes([size if row.kind is not Kind.COMMAND else 0]) if row.size == 0 else b""
        data = bytes([number]) + extra + b"\x01" * size
        values = decode_v2(b"\x40" + data + b"\x01\x61", NO_CONTEXT)
        assert "battery" in values or row.name == "battery", f"{number:#04x}: what follows it is lost"
        assert decode_v2(b"\x40" + data[:-1], NO_CONTEXT) == {}, (
            f"{number:#04x}: cut off, and read all the same"
        )


def test_a_second_value_of_a_kind_has_a_number() -> None:
    assert _values("02ca0902cf09") == {"temperature": 25.06, "temperature_2": 25.11}
    assert _values("3a003a013a03") == {
        "button_2": 1,
        "button_2_event": "press",
        "button_3": 3,
        "button_3_event": "triple_press",
    }


def test_an_unknown_object_ends_the_payload() -> None:
    """Nothing tells how long it is; what stood before it is good."""
    assert _values("0161ee02ca09") == {"battery": 97}


def test_the_address_in_the_payload_counts_where_the_outer_one_is_another() -> None:
    flags = 0x43
    body = _seal("02ca09", flags=flags)[1:]
    data = bytes([flags]) + bytes.fromhex(ADDRESS.replace(":", ""))[::-1] + body
    assert decode_v2(data, Context("00:00:00:00:00:00", KEY))["temperature"] == Named(25.06, "Cel")


@pytest.mark.parametrize(
    ("data", "context", "reason"),
    [
        (b"", CONTEXT, "truncated"),
        (bytes.fromhex("6002ca09"), CONTEXT, "unknown_version"),
        (bytes.fromhex("42b2188d"), CONTEXT, "truncated"),
        (_seal("02ca09"), Context(ADDRESS), "key_missing"),
        (_seal("02ca09"), Context("", KEY), "address_missing"),
        (_seal("02ca09"), Context(ADDRESS, KEY[:12]), "wrong_key_length"),
        (_seal("02ca09"), Context(ADDRESS, KEY[::-1]), "bad_mic"),
        (_seal("02ca09"), Context("A4:C1:38:00:00:02", KEY), "bad_mic"),
        (_seal("02ca09")[:-1], CONTEXT, "bad_mic"),
        (_seal("02ca09")[:8], CONTEXT, "truncated"),
    ],
)
def test_what_is_refused(data: bytes, context: Context, reason: str) -> None:
    with pytest.raises(PayloadError) as caught:
        decode_v2(data, context)
    assert caught.value.reason == reason


def test_version_1_tells_type_and_length_of_each_object() -> None:
    assert decode_v1(bytes.fromhex("2302ca090303bf13"), NO_CONTEXT) == {
        "temperature": Named(25.06, "Cel"),
        "relative_humidity": Named(50.55, "%"),
    }
    unknown_then_battery = bytes.fromhex("03ee0102020161")
    assert decode_v1(unknown_then_battery, NO_CONTEXT) == {"battery": Named(97, "%")}
    as_float = bytes.fromhex("4502") + bytes.fromhex("0000c841")
    assert decode_v1(as_float, NO_CONTEXT)["temperature"].value == pytest.approx(0.25)


def test_version_1_encrypted_needs_the_key_and_the_address() -> None:
    nonce = bytes.fromhex(ADDRESS.replace(":", "")) + b"\x1e\x18" + b"\x07\0\0\0"
    sealed = AESCCM(KEY, tag_length=4).encrypt(nonce, bytes.fromhex("2302ca09"), b"\x11")
    data = sealed[:-4] + b"\x07\0\0\0" + sealed[-4:]
    assert decode_v1_encrypted(data, CONTEXT) == {
        "encryption_counter": Named(7),
        "temperature": Named(25.06, "Cel"),
    }
    for context, reason in ((Context(ADDRESS), "key_missing"), (Context(ADDRESS, KEY[::-1]), "bad_mic")):
        with pytest.raises(PayloadError, match=reason):
            decode_v1_encrypted(data, context)


def test_a_button_of_shelly_that_is_kept_pressed() -> None:
    assert _values("3afe")["button_event"] == "hold_press"
