"""Encrypted advertisements of thermometers with the pvvx firmware (service 181A).

Source: https://github.com/pvvx/ATC_MiThermometer#bluetooth-advertising-formats, "custom encrypted" (11
bytes) and "atc1441 encrypted" (8): a counter, the sealed values, a check of 4 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.ccm import KEY_BYTES, decrypt, require_address, require_key
from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named

_HEAD: Final = b"\x16\x1a\x18"
"""Type and service of the structure; its length stands before, and all of it is part of the nonce."""
_ASSOCIATED: Final = b"\x11"


def decode(payload: bytes, context: Context) -> Mapping[str, Named]:
    """The service data. Raises PayloadError."""
    if len(payload) not in {8, 11}:
        raise PayloadError("bad_length")
    key, address = require_key(context, KEY_BYTES), require_address(context)
    nonce = address[::-1] + bytes([len(payload) + len(_HEAD)]) + _HEAD + payload[:1]
    plain = decrypt(key, nonce, payload[1:], _ASSOCIATED)
    if len(plain) == 6:
        temperature, humidity, battery, flags = struct.unpack("<hHBB", plain)
        return {
            "temperature": Named(temperature / 100, "Cel"),
            "relative_humidity": Named(humidity / 100, "%"),
            "battery": Named(min(battery, 100), "%"),
            "flags": Named(flags),
            "packet": Named(payload[0]),
        }
    return {
        "temperature": Named(plain[0] / 2 - 40, "Cel"),
        "relative_humidity": Named(plain[1] / 2, "%"),
        "battery": Named(min(plain[2] & 0x7F, 100), "%"),
        "flags": Named(plain[2] >> 7),
        "packet": Named(payload[0]),
    }
