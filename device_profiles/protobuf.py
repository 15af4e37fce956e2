"""Reads the wire format of Protocol Buffers: fields with a number and a value, bounded and strict.

Source: https://protobuf.dev/programming-guides/encoding/. Deprecated groups are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from device_profiles.parsing import DecodeError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5
_FIXED_BYTES: Final = {FIXED64: 8, FIXED32: 4}
_VARINT_BYTES_MAX: Final = 10


class Field(NamedTuple):
    """One field: `integer` where its wire type is VARINT, else `data`."""

    number: int
    wire: int
    integer: int
    data: bytes


def read_fields(data: bytes) -> Iterator[Field]:
    """All fields in order. Raises DecodeError: "truncated", "not_protobuf"."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if not 1 <= number < 2**29:
            raise DecodeError("not_protobuf")
        if wire == VARINT:
            integer, at = _varint(data, at)
            yield Field(number, wire, integer, b"")
            continue
        if wire == LENGTH:
            size, at = _varint(data, at)
        elif wire in _FIXED_BYTES:
            size = _FIXED_BYTES[wire]
        else:
            raise DecodeError("not_protobuf")
        if size > len(data) - at:
            raise DecodeError("truncated")
        yield Field(number, wire, 0, data[at : at + size])
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(_VARINT_BYTES_MAX):
        if at + count >= len(data):
            raise DecodeError("truncated")
        byte = data[at + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, at + count + 1
    raise DecodeError("not_protobuf")
