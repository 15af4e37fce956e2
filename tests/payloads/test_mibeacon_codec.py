"""MiBeacon by its definition: heads, keys of all versions, locks, buttons, what is refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from device_profiles.payloads import NO_CONTEXT, Context, PayloadError
from device_profiles.payloads.mibeacon import decode
from device_profiles.payloads.mibeacon_models import MODELS

ADDRESS = "A4:C1:38:00:00:01"
MAC = bytes.fromhex("A4C138000001")
KEY = bytes(range(16))
SHORT_KEY = bytes(range(12))
NUMBER = {model: number for number, model in MODELS.items()}


def _plain(model: str, objects: str, control: int = 0x5040) -> bytes:
    head = control.to_bytes(2, "little") + NUMBER[model].to_bytes(2, "little") + b"\x07"
    return head + bytes.fromhex(objects)


def _values(model: str, objects: str) -> dict[str, object]:
    found = decode(_plain(model, objects), NO_CONTEXT)
    return {name: named.value for name, named in found.items() if name not in {"packet", "model"}}


def _sealed(objects: str = "041002cd00", *, control: int = 0x5858, ext: int = 1, key: bytes = KEY) -> bytes:
    head = control.to_bytes(2, "little") + NUMBER["LYWSD03MMC"].to_bytes(2, "little") + b"\x07"
    high = ext.to_bytes(3, "little")
    nonce = MAC[::-1] + head[2:] + high
    sealed = AESCCM(key, tag_length=4).encrypt(nonce, bytes.fromhex(objects), b"\x11")
    own = MAC[::-1] if control & 0x10 else b""
    return head + own + sealed[:-4] + high + sealed[-4:]


def _sealed_legacy(objects: str, key: bytes = SHORT_KEY) -> bytes:
    head = bytes.fromhex("5830") + NUMBER["YLKG07YL"].to_bytes(2, "little") + b"\x07"
    high = b"\x01\0\0"
    whole = key[:6] + bytes.fromhex("8d3d3c97") + key[6:]
    nonce = head + high + MAC[:0:-1]
    text = Cipher(AES(whole), CTR(b"\x01" + nonce + b"\0\x01")).encryptor().update(bytes.fromhex(objects))
    return head + MAC[::-1] + text + high + b"\x55"


@pytest.mark.parametrize(
    ("model", "objects", "expected"),
    [
        ("LYWSDCGQ", "0d1004ceff3f02", {"temperature": -5.0, "relative_humidity": 57.5}),
        ("LYWSDCGQ", "061002f701", {"relative_humidity": 50.3}),
        ("LYWSD03MMC", "061002f701", {"relative_humidity": 50}),
        ("HHCCJCY01", "091002f401", {"soil_conductivity": 500}),
        ("HHCCJCY01", "071003a08601", {"illuminance": 100_000}),
        ("MCCGQ02HL", "071003640000", {"light": True}),
        ("RTCGQ02LM", "0f0003000000", {"motion": True, "light": False}),
        ("MUE4094RT", "03000100", {"motion": True, "motion_event": "motion_detected"}),
        ("RTCGQ02LM", "1b100400000000", {"motion": False}),
        ("RTCGQ02LM", "1710041e000000", {"motion": True, "idle_time": 30}),
        ("XMOSB01XS", "4e480102", {"occupancy": False}),
        ("ES3", "4e480102", {"occupancy": True}),
        ("SJWS02LM", "684a0100", {"water_leak": True, "bottom_submersion": True}),
        ("SJWS02LM", "684a0103", {"top_splash": False}),
        ("SJWS02LM", "684a0109", {}),
        ("YM-K1501", "0510020164", {"switched_on": True, "temperature": 100}),
        ("XMZNMS08LM", "07000104", {"open": True, "tamper": True}),
        ("MJTZC02YM", "164e0901681a000001000000", {"body_mass": 67.6, "stabilized": True, "profile_id": 1}),
        ("MJTZC02YM", "164e09010000000001000000", {}),
        ("MJTZC03YM", "166e0901ff07000001000000", {"profile_id": 1, "stabilized": False}),
        ("M2457B1", "61640100", {"wearing": True}),
        ("T700", "0300", {}),
        ("LYWSDCGQ", "041003cd0000", {}),
        ("LYWSDCGQ", "ffff01000a100150", {"battery": 80}),
    ],
)
def test_an_object(model: str, objects: str, expected: dict[str, object]) -> None:
    assert _values(model, objects) == expected


@pytest.mark.parametrize(
    ("model", "objects", "expected"),
    [
        ("YLAI003", "011003000002", {"button": 4, "button_event": "long_press"}),
        ("K9B-1BTN", "011003000001", {"button": 4, "button_event": "long_press"}),
        ("K9B-2BTN", "011003020002", {"button_left": "double_press", "button_right": "double_press"}),
        ("K9B-3BTN", "011003050000", {"button_left": "press", "button_right": "press"}),
        ("YLYK01YL", "011003010000", {"button_off": "press", "switched_on": False}),
        ("YLYK01YL-FANCL", "011003020000", {"button_wind_speed": "press"}),
        ("YLYB01YL-BHFRC", "011003080002", {"button_heat": "long_press"}),
        ("XMMF01JQD", "011003000000", {"cube": "rotate_right"}),
        ("YLKG07YL", "0110030000ff", {}),
        ("YLKG07YL", "011003000203", {"dimmer": "press", "dimmer_number_of_presses": 2}),
        ("YLKG07YL", "011003010503", {"dimmer": "long_press", "dimmer_duration": 5}),
        ("YLKG07YL", "01100300fe04", {"dimmer": "rotate_left", "dimmer_steps": 2}),
        ("YLKG07YL", "011003030004", {"dimmer": "rotate_right_pressed", "dimmer_steps": 3}),
        ("XMWS01XS", "0d4a0101", {"button_right": "double_press"}),
        ("XMWXKG01YL", "0e4e0103", {"button_left": "long_press", "button_right": "long_press"}),
        ("XMWXKG01LM", "0c4e00", {"button": 1, "button_event": "press"}),
        ("K9BB-1BTN", "0c4e010f", {"button": 2, "button_event": "double_press"}),
        ("KS1", "0e560104", {"button_right": "long_press"}),
        ("KS2BB", "0d5600", {"button": 2, "button_event": "double_press"}),
        ("MS1BB(MI)", "134a0102", {}),
    ],
)
def test_a_press(model: str, objects: str, expected: dict[str, object]) -> None:
    assert _values(model, objects) == expected


def test_locks() -> None:
    assert _values("ZNMS16LM", "0b000920020001807c442f61") == {
        "unlocked": True,
        "lock_event": "unlock_outside_the_door",
        "lock_method": "biometrics",
        "key_id": "Fingerprint key id 2",
    }
    assert _values("ZNMS17LM", "0b0009a6000000007c442f61")["childlock_released"] is False
    assert _values("ZNMS16LM", "0b00090f0300dec07c442f61")["error_event"] == "lock_picking"
    assert _values("ZNMS16LM", "0b00090d0300dec07c442f61") == {}, "an action that nobody has defined"
    assert _values("ZNMS16LM", "060005efbeadde05")["fingerprint_event"] == "skin_is_too_dry"
    assert _values("DSL-C08", "0e100109") == {"unlocked": False, "childlock_released": False}
    assert _values("DSL-C08", "08000100")["unlocked"] is False, "lifting the handle locks"


def test_a_scale_says_by_silence_that_nobody_stands_on_it() -> None:
    idle = _plain("MJTZC01YM", "", control=0x5000)
    assert decode(idle, NO_CONTEXT)["stabilized"].value is False
    assert "stabilized" not in decode(_plain("LYWSDCGQ", "", control=0x5000), NO_CONTEXT)


def test_capabilities_are_passed_over() -> None:
    plain = _plain("LYWSDCGQ", "", control=0x5060)
    assert decode(plain + bytes.fromhex("080a100150"), NO_CONTEXT)["battery"].value == 80
    assert decode(plain + bytes.fromhex("28010a100150"), NO_CONTEXT)["battery"].value == 80


@pytest.mark.parametrize("control", [0x5858, 0x5848])
def test_the_counter_of_an_encrypted_frame_has_four_bytes(control: int) -> None:
    found = decode(_sealed(control=control, ext=0x26), Context(ADDRESS, KEY))
    assert found["temperature"].value == 20.5
    assert found["encryption_counter"].value == 0x2607


def test_a_key_of_12_bytes_is_that_of_the_old_versions() -> None:
    data = _sealed_legacy("01100300ff04")
    for key in (SHORT_KEY, SHORT_KEY[:6] + bytes.fromhex("8d3d3c97") + SHORT_KEY[6:]):
        assert decode(data, Context(ADDRESS, key))["dimmer"].value == "rotate_left"
    with pytest.raises(PayloadError, match="bad_mic"):
        decode(data, Context(ADDRESS, b"\x99" * 12))


@pytest.mark.parametrize(
    ("data", "context", "reason"),
    [
        (b"\x40\x50\x5b\x05", NO_CONTEXT, "truncated"),
        (_plain("LYWSDCGQ", "0a10", control=0x5050), NO_CONTEXT, "truncated"),
        (_plain("LYWSDCGQ", "0a100150", control=0x50C0), NO_CONTEXT, "mesh_device"),
        (_plain("LYWSDCGQ", "0a100150", control=0x1040), NO_CONTEXT, "unknown_version"),
        (_sealed(), Context(ADDRESS), "key_missing"),
        (_sealed(), Context(ADDRESS, KEY[:12]), "wrong_key_length"),
        (_sealed(), Context(ADDRESS, KEY[::-1]), "bad_mic"),
        (_sealed(control=0x5848), Context("", KEY), "address_missing"),
        (_sealed(control=0x5848), Context("A4:C1:38:00:00:02", KEY), "bad_mic"),
        (_sealed()[:-7], Context(ADDRESS, KEY), "truncated"),
        (_sealed_legacy("01100300ff04"), Context(ADDRESS), "key_missing"),
        (_sealed_legacy(""), Context(ADDRESS, SHORT_KEY), "truncated"),
    ],
)
def test_what_is_refused(data: bytes, context: Context, reason: str) -> None:
    with pytest.raises(PayloadError) as caught:
        decode(data, context)
    assert caught.value.reason == reason
