"""Writes Sparkplug B messages for tests: an encoder of its own, after the specification's schema."""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING = range(1, 13)
DATETIME = 13


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def metric(
    name: str = "",
    datatype: int | None = None,
    value: object = None,
    *,
    alias: int | None = None,
    time_ms: int | None = None,
) -> bytes:
    """One metric; a value of None is null. Integers go where the specification puts their type."""
    data = block(1, name.encode()) if name else b""
    for field, told in ((2, alias), (3, time_ms), (4, datatype)):
        data += b"" if told is None else number(field, told)
    if value is None:
        data += number(7, 1)
    elif isinstance(value, bool):
        data += number(14, int(value))
    elif isinstance(value, int) and datatype in (INT64, UINT64, DATETIME):
        data += number(11, value % 2**64)
    elif isinstance(value, int):
        data += number(10, value % 2**32)
    elif isinstance(value, float) and datatype == FLOAT:
        data += varint(12 << 3 | 5) + pack("<f", value)
    elif isinstance(value, float):
        data += varint(13 << 3 | 1) + pack("<d", value)
    else:
        data += block(15, str(value).encode())
    return data


def payload(metrics: Iterable[bytes], *, time_ms: int | None = None, seq: int | None = None) -> bytes:
    data = b"" if time_ms is None else number(1, time_ms)
    for one in metrics:
        data += block(2, one)
    return data + (b"" if seq is None else number(3, seq))
