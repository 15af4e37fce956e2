"""What MiBeacon locks say: who opened how, with which finger, and what is wrong.

Source: the vendor's object definition, objects 0x0006, 0x0008, 0x000B and 0x100E.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from telemetry.named import Named, Value

Values = Mapping[str, Named]

_ACTIONS: Final[dict[int, tuple[str, bool, str]]] = {
    0x0: ("unlocked", True, "unlock_outside_the_door"),
    0x1: ("unlocked", False, "locked"),
    0x2: ("antilock_released", False, "turn_on_antilock"),
    0x3: ("antilock_released", True, "release_the_antilock"),
    0x4: ("unlocked", True, "unlock_inside_the_door"),
    0x5: ("unlocked", False, "lock_inside_the_door"),
    0x6: ("childlock_released", False, "turn_on_child_lock"),
    0x7: ("childlock_released", True, "turn_off_child_lock"),
    0x8: ("unlocked", False, "lock_outside_the_door"),
    0xF: ("unlocked", True, "abnormal"),
}
"""Action → which of the lock's bolts, whether it is open then, and the word."""
_METHODS: Final = {
    0x0: "bluetooth",
    0x1: "password",
    0x2: "biometrics",
    0x3: "key_method",
    0x4: "turntable_method",
    0x5: "nfc_method",
    0x6: "one_time_password",
    0x7: "two_step_verification",
    0x8: "coercion_method",
    0x9: "homekit",
    0xA: "manual",
    0xB: "automatic",
    0xF: "abnormal",
}
_SEVERAL_BOLTS: Final = "ZNMS17LM"
_HANDLE_LOCKS: Final = "DSL-C08"

_ERRORS: Final = {
    0xC0DE0000: "frequent_unlocking_with_incorrect_password",
    0xC0DE0001: "frequent_unlocking_with_wrong_fingerprints",
    0xC0DE0002: "operation_timeout_password_input_timeout",
    0xC0DE0003: "lock_picking",
    0xC0DE0004: "reset_button_is_pressed",
    0xC0DE0005: "the_wrong_key_is_frequently_unlocked",
    0xC0DE0006: "foreign_body_in_the_keyhole",
    0xC0DE0007: "the_key_has_not_been_taken_out",
    0xC0DE0008: "error_nfc_frequently_unlocks",
    0xC0DE0009: "timeout_is_not_locked_as_required",
    0xC0DE000A: "failure_to_unlock_frequently_in_multiple_ways",
    0xC0DE000B: "unlocking_the_face_frequently_fails",
    0xC0DE000C: "failure_to_unlock_the_vein_frequently",
    0xC0DE000D: "hijacking_alarm",
    0xC0DE000E: "unlock_inside_the_door_after_arming",
    0xC0DE000F: "palmprints_frequently_fail_to_unlock",
    0xC0DE0010: "the_safe_was_moved",
    0xC0DE1000: "the_battery_level_is_less_than_10_percent",
    0xC0DE1001: "the_battery_level_is_less_than_5_percent",
    0xC0DE1002: "the_fingerprint_sensor_is_abnormal",
    0xC0DE1003: "the_accessory_battery_is_low",
    0xC0DE1004: "mechanical_failure",
    0xC0DE1005: "the_lock_sensor_is_faulty",
}
_NOBODY: Final = {0: "administrator", 0xFFFFFFFF: "unknown operator", 0xDEADBEEF: "invalid operator"}
_NO_FINGER: Final = _NOBODY | {0xEFBEADDE: "invalid operator"}
"""Fingerprint readers send the word's bytes in either order."""
_KEY_KINDS: Final = (
    "Bluetooth key", "Fingerprint key id", "Password key id", "Keys key id", "NFC key id",
    "Two-step verification key id", "Human face key id", "Finger veins key id", "Palm print key id",
)  # fmt: skip
_MATCHES: Final = (
    "match_successful", "match_failed", "timeout", "low_quality_too_light_fuzzy", "insufficient_area",
    "skin_is_too_dry", "skin_is_too_wet",
)  # fmt: skip


def _plain(**values: Value) -> Values:
    return {name: Named(value) for name, value in values.items()}


def _key_text(key: int) -> str:
    """How the app names a key: the kind stands in the upper half, from 0x8001 on."""
    if key in _NOBODY:
        return _NOBODY[key]
    if key <= 0x7FFFFFFF:
        return f"{_KEY_KINDS[0]} {key}"
    kind = (key >> 16) - 0x8000
    name = _KEY_KINDS[kind] if 0 < kind < len(_KEY_KINDS) else "key id"
    return f"{name} {key & 0xFFFF}"


def read_lock(data: bytes, model: str) -> Values:
    """Object 0x000B: action and method, the key's number, the time. Raises struct.error."""
    both, key, _seconds = struct.unpack("<BII", data)
    action, method = _ACTIONS.get(both & 0x0F), _METHODS.get(both >> 4)
    if action is None or method is None:
        return {}
    bolt, is_open, word = action
    found: dict[str, Value] = {
        bolt if model == _SEVERAL_BOLTS else "unlocked": is_open,
        "lock_event": word,
        "lock_method": method,
    }
    if error := _ERRORS.get(key):
        found["error_event"] = error
    else:
        found["key_id"] = _key_text(key)
    return _plain(**found)


def read_fingerprint(data: bytes, _model: str) -> Values:
    """Object 0x0006: the key's number and how the finger was read. Raises struct.error."""
    key, match = struct.unpack("<IB", data)
    found: dict[str, Value] = {"fingerprint": match == 0, "key_id": _NO_FINGER.get(key, str(key))}
    if match < len(_MATCHES):
        found["fingerprint_event"] = _MATCHES[match]
    return _plain(**found)


def read_armed(data: bytes, model: str) -> Values:
    """Object 0x0008: 0 when the house is left and guarded. Lifting one model's handle from outside both
    locks and arms it.
    """
    armed = data[0] == 0
    if model != _HANDLE_LOCKS:
        return _plain(armed=armed)
    return _plain(armed=armed, unlocked=not armed, lock_event="lock_outside_the_door", lock_method="manual")


def read_bolts(data: bytes, model: str) -> Values:
    """Object 0x100E: bit 0 the bolt is out, bit 3 the child lock is on. Only one model's is known."""
    if model != _HANDLE_LOCKS:
        return {}
    return _plain(unlocked=not data[0] & 1, childlock_released=not data[0] >> 3 & 1)
