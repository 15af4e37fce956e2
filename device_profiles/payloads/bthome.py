"""BTHome: the open format of many makers' Bluetooth sensors. Source: https://bthome.io/format/

Version 2 (service FCD2) begins with a byte of flags; version 1 (services 181C and, encrypted, 181E) has a
control byte before every object. A repeated object gets a number: temperature, temperature_2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from device_profiles.payloads.bthome_objects import (
    BUTTON_WORDS,
    COMMAND_WORDS,
    DIMMER_WORDS,
    OBJECTS,
    BthomeObject,
    Kind,
)
from device_profiles.payloads.ccm import KEY_BYTES, TAG_BYTES, decrypt, require_address, require_key
from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named, Value

_UUID_V2: Final = b"\xd2\xfc"
_UUID_V1_ENCRYPTED: Final = b"\x1e\x18"
_ENCRYPTED, _HAS_ADDRESS, _ON_TRIGGER = 0x01, 0x02, 0x04
_COUNTER_BYTES: Final = 4
_V1_FORMATS: Final = (Kind.UNSIGNED, Kind.SIGNED, None, Kind.TEXT, Kind.BYTES, Kind.MOMENT)
_V1_FLOAT: Final = 2
_FLOATS: Final = {2: "<e", 4: "<f", 8: "<d"}
DECIMALS: Final = 9
"""More than any scale of the format has."""


class _Found(NamedTuple):
    row: BthomeObject
    data: bytes
    kind: Kind | None


def decode_v2(payload: bytes, context: Context) -> Mapping[str, Named]:
    """The service data of BTHome version 2. Raises PayloadError."""
    if not payload:
        raise PayloadError("truncated")
    flags, rest = payload[0], payload[1:]
    if flags >> 5 != 2:
        raise PayloadError("unknown_version")
    inner = b""
    if flags & _HAS_ADDRESS:
        if len(rest) < 6:
            raise PayloadError("truncated")
        inner, rest = rest[:6][::-1], rest[6:]
    values: dict[str, Named] = {}
    if flags & _ENCRYPTED:
        key = require_key(context, KEY_BYTES)
        address = inner or require_address(context)
        rest, count = _open(rest, key, address + _UUID_V2 + bytes([flags]), None)
        values["encryption_counter"] = Named(count)
    return values | _numbered(_objects_v2(rest))


def decode_v1(payload: bytes, _context: Context) -> Mapping[str, Named]:
    """The service data of BTHome version 1. Raises PayloadError."""
    return _numbered(_objects_v1(payload))


def decode_v1_encrypted(payload: bytes, context: Context) -> Mapping[str, Named]:
    """The encrypted service data of BTHome version 1. Raises PayloadError."""
    key = require_key(context, KEY_BYTES)
    plain, count = _open(payload, key, require_address(context) + _UUID_V1_ENCRYPTED, b"\x11")
    return {"encryption_counter": Named(count)} | _numbered(_objects_v1(plain))


def _open(sealed: bytes, key: bytes, nonce_start: bytes, associated: bytes | None) -> tuple[bytes, int]:
    """Plain text and counter. The counter stands before the check, both after the cipher text."""
    if len(sealed) <= _COUNTER_BYTES + TAG_BYTES:
        raise PayloadError("truncated")
    text = sealed[: -_COUNTER_BYTES - TAG_BYTES]
    counter, tag = sealed[-_COUNTER_BYTES - TAG_BYTES : -TAG_BYTES], sealed[-TAG_BYTES:]
    plain = decrypt(key, nonce_start + counter, text + tag, associated)
    return plain, int.from_bytes(counter, "little")


def _objects_v2(data: bytes) -> Iterator[_Found]:
    """An unknown object, or one that is cut off, ends the payload: nothing tells where the next begins."""
    at = 0
    while at < len(data):
        row = OBJECTS.get(data[at])
        if row is None:
            return
        at += 1
        size = row.size
        if size == 0:
            if at >= len(data):
                return
            size = 1 + (data[at] & 0x1F) if row.kind is Kind.COMMAND else data[at]
            at += 1
        if at + size > len(data):
            return
        yield _Found(row, data[at : at + size], row.kind)
        at += size


def _objects_v1(data: bytes) -> Iterator[_Found]:
    """Each object: 3 bits of type and 5 of length (which counts the number), the number, the value."""
    at = 0
    while at + 1 < len(data):
        form, size = data[at] >> 5, data[at] & 0x1F
        end = at + 1 + size
        row = OBJECTS.get(data[at + 1])
        if end > len(data):
            return
        if row is not None and size >= 2 and form < len(_V1_FORMATS):
            kind = row.kind
            if kind in {Kind.UNSIGNED, Kind.SIGNED}:
                kind = _V1_FORMATS[form] or Kind.UNSIGNED
            yield _Found(row, data[at + 2 : end], None if form == _V1_FLOAT else kind)
        at = end


def _numbered(objects: Iterator[_Found]) -> dict[str, Named]:
    values: dict[str, Named] = {}
    seen: dict[str, int] = {}
    for found in objects:
        name = found.row.name
        seen[name] = number = seen.get(name, 0) + 1
        suffix = f"_{number}" if number > 1 else ""
        for part, named in _read(found):
            values[f"{name}{suffix}{part}"] = named
    return values


def _read(found: _Found) -> Iterator[tuple[str, Named]]:
    """The object's value, and those that go with it under the name's extension."""
    row, data, kind = found
    if kind is Kind.BUTTON:
        if data[0]:
            yield "", Named(data[0])
            yield "_event", Named(BUTTON_WORDS.get(data[0], "unknown"))
    elif kind is Kind.DIMMER:
        if data[0] and len(data) > 1:
            yield "", Named(DIMMER_WORDS.get(data[0], "unknown"))
            yield "_steps", Named(data[1])
    elif kind is Kind.COMMAND:
        yield "", Named(COMMAND_WORDS.get(data[0], "unknown"))
        yield "_args", Named(data[1:].hex())
    else:
        yield "", Named(_value(row, data, kind), row.unit)


def _value(row: BthomeObject, data: bytes, kind: Kind | None) -> Value:
    if kind is None:
        return _float(data, row.scale)
    if reader := _READERS.get(kind):
        return reader(data)
    number = int.from_bytes(data, "little", signed=kind is Kind.SIGNED)
    return number if row.scale == 1 else round(number * row.scale, DECIMALS)


def _moment(data: bytes) -> str:
    return datetime.fromtimestamp(int.from_bytes(data[:4], "little"), UTC).isoformat()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _version(data: bytes) -> str:
    return ".".join(str(part) for part in reversed(data))


def _truth(data: bytes) -> bool | int:
    """0 or 1; anything else is passed on as it is, and no reading."""
    number = int.from_bytes(data, "little")
    return number if number > 1 else bool(number)


def _float(data: bytes, scale: float) -> float | None:
    form = _FLOATS.get(len(data))
    return None if form is None else float(struct.unpack(form, data)[0]) * scale


_READERS: Final[dict[Kind, Callable[[bytes], Value]]] = {
    Kind.TRUTH: _truth,
    Kind.MOMENT: _moment,
    Kind.TEXT: _text,
    Kind.BYTES: bytes.hex,
    Kind.VERSION: _version,
}
