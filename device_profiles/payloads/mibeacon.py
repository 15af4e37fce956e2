"""MiBeacon: the advertisements of Xiaomi's and its partners' Bluetooth devices (service FE95).

Source: https://iot.mi.com/new/doc/accesses/direct-access/embedded-development/ble/ble-mibeacon. A frame is
2 bytes of control bits, the product's number, a counter; then, as the bits say, the address, a byte of
capabilities, and objects: a number of 2 bytes, a length, the value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from device_profiles.payloads.ccm import (
    KEY_BYTES,
    TAG_BYTES,
    decrypt,
    decrypt_unchecked,
    require_address,
    require_key,
)
from device_profiles.payloads.contract import Context, PayloadError
from device_profiles.payloads.mibeacon_buttons import (
    PRESS_OBJECTS,
    one_button,
    read_button_object,
    read_press,
)
from device_profiles.payloads.mibeacon_locks import read_armed, read_bolts, read_fingerprint, read_lock
from device_profiles.payloads.mibeacon_models import MODELS, SCALES
from device_profiles.payloads.mibeacon_objects import read_simple
from device_profiles.payloads.mibeacon_scales import read_s200, read_s400
from telemetry.named import Named

Values = Mapping[str, Named]

_ENCRYPTED, _HAS_ADDRESS, _HAS_CAPABILITY, _HAS_OBJECT, _MESH = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_CAPABILITY_IO: Final = 0x20
_HEAD_BYTES: Final = 5
_ASSOCIATED: Final = b"\x11"
LEGACY_KEY_BYTES: Final = 12
_LEGACY_FILLING: Final = bytes.fromhex("8d3d3c97")
"""What a key of 12 bytes (versions 2 and 3) has in its middle."""

_READERS: Final[dict[int, Callable[[bytes, str], Values]]] = {
    0x0006: read_fingerprint,
    0x0008: read_armed,
    0x000B: read_lock,
    0x1001: read_button_object,
    0x100E: read_bolts,
    0x4E16: read_s200,
    0x6E16: read_s400,
}


class _Head(NamedTuple):
    control: int
    product: int
    counter: int
    address: bytes
    body: bytes

    @property
    def version(self) -> int:
        return self.control >> 12


def decode(payload: bytes, context: Context) -> Values:
    """The service data of a MiBeacon frame. Raises PayloadError."""
    head = _head(payload)
    model = MODELS.get(head.product, "")
    values: dict[str, Named] = {
        "packet": Named(head.counter),
        "model": Named(model or f"{head.product:#06x}"),
    }
    if not head.control & _HAS_OBJECT:
        return values | {"stabilized": Named(False)} if model in SCALES else values
    body = head.body
    legacy = False
    if head.control & _ENCRYPTED:
        legacy = head.version <= 3
        if legacy:
            body = _open_legacy(payload, head, context)
        else:
            body, count = _open(payload, head, context)
            values["encryption_counter"] = Named(count)
    objects = list(_objects(body))
    if legacy and not objects:
        raise PayloadError("bad_mic")
    for number, data in objects:
        values |= _read(number, data, model)
    return values


def _head(payload: bytes) -> _Head:
    if len(payload) < _HEAD_BYTES:
        raise PayloadError("truncated")
    control, product, counter = struct.unpack_from("<HHB", payload)
    if control & _MESH:
        raise PayloadError("mesh_device")
    if control >> 12 < 2:
        raise PayloadError("unknown_version")
    at, address = _HEAD_BYTES, b""
    if control & _HAS_ADDRESS:
        address = payload[at : at + 6][::-1]
        at += 6
    if control & _HAS_CAPABILITY:
        at += 2 if at < len(payload) and payload[at] & _CAPABILITY_IO else 1
    if at > len(payload):
        raise PayloadError("truncated")
    return _Head(control, product, counter, address, payload[at:])


def _open(payload: bytes, head: _Head, context: Context) -> tuple[bytes, int]:
    """Versions 4 and 5: 3 more bytes of the counter and a check of 4 bytes at the end."""
    key = require_key(context, KEY_BYTES)
    address = head.address or require_address(context)
    text, high, tag = (
        head.body[: -3 - TAG_BYTES],
        head.body[-3 - TAG_BYTES : -TAG_BYTES],
        head.body[-TAG_BYTES:],
    )
    if not text:
        raise PayloadError("truncated")
    plain = decrypt(key, address[::-1] + payload[2:5] + high, text + tag, _ASSOCIATED)
    return plain, int.from_bytes(high, "little") << 8 | head.counter


def _open_legacy(payload: bytes, head: _Head, context: Context) -> bytes:
    """Versions 2 and 3: 3 bytes of counter, and one of a check whose rule the vendor does not publish: a
    wrong key is known by objects that make no sense.
    """
    key = require_key(context, LEGACY_KEY_BYTES, KEY_BYTES)
    if len(key) == LEGACY_KEY_BYTES:
        key = key[:6] + _LEGACY_FILLING + key[6:]
    address = head.address or require_address(context)
    if len(head.body) <= 4:
        raise PayloadError("truncated")
    return decrypt_unchecked(key, payload[:5] + head.body[-4:-1] + address[:0:-1], head.body[:-4])


def _objects(body: bytes) -> list[tuple[int, bytes]]:
    """Numbers and values. What is cut off at the end is left out."""
    found = []
    at = 0
    while at + 3 <= len(body):
        number, length = struct.unpack_from("<HB", body, at)
        at += 3
        if at + length > len(body):
            break
        found.append((number, body[at : at + length]))
        at += length
    return found


def _read(number: int, data: bytes, model: str) -> Values:
    """An object's values; none for one that is unknown, or does not have the bytes it should."""
    if number in PRESS_OBJECTS:
        return read_press(number, data, model)
    if not data:
        return {}
    if number == 0x4A13:
        return one_button("press") if data[0] == 1 else {}
    try:
        if reader := _READERS.get(number):
            return reader(data, model)
        return read_simple(number, data, model) or {}
    except (ValueError, IndexError, struct.error, OverflowError):
        return {}
