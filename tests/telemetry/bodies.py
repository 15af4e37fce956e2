"""Bodies made by hand, good ones and bad ones."""

from __future__ import annotations

import math
import struct

import msgspec
import zstandard

from tests.telemetry.samples import BASE_MS

KEY = ["temperature", "a", "1/101", ""]
FIELDS = (
    "format", "series", "counts", "starts", "steps", "digits", "value_starts", "value_steps", "raw", "quality",
    "records",
)  # fmt: skip
GOOD = [2, [KEY], [2], [0], b"\x0a", [1], [215], b"\xff", b"", [0, 2], []]
EMPTY = [2, [], [], [], b"", [], [], b"", b"", [], []]


def packed(content: object, level: int = 3) -> bytes:
    return zstandard.ZstdCompressor(level=level).compress(msgspec.msgpack.encode(content))


def changed(**changes: object) -> bytes:
    return packed([changes.get(name, good) for name, good in zip(FIELDS, GOOD, strict=True)])


CHECK = {
    "type": "morning_check", "time_ms": 1, "device": "d", "place": "p", "site": "ear", "temperature_c": 37.0,
}  # fmt: skip

ALONE = {"steps": b"", "value_steps": b"", "counts": [1]}
RAW = {"digits": [-1], "value_starts": [], "value_steps": b""}
CONTRADICTING = {
    "one more counted": changed(counts=[3]),
    "one less counted": changed(counts=[1]),
    "an empty series": changed(counts=[2, 0]),
    "a negative count": changed(counts=[-1, 3]),
    "two counts, one series": changed(counts=[1, 1]),
    "absurd counts": changed(counts=[2**63 - 1, -(2**63 - 3)]),
    "no series": changed(series=[]),
    "two series, one count": changed(series=[KEY, KEY]),
    "no start": changed(starts=[]),
    "two starts": changed(starts=[0, 0]),
    "no step": changed(steps=b""),
    "steps of three bytes": changed(steps=b"\0\0\0"),
    "steps of sixteen bytes": changed(steps=bytes(16)),
    "a step too many": changed(counts=[1], quality=[0, 1], value_steps=b""),
    "steps as a list": changed(steps=[10]),
    "before 1970": changed(starts=[-BASE_MS], steps=b"\xff"),
    "a start out of bounds": changed(starts=[2**53]),
    "a time out of bounds": changed(steps=(2**53).to_bytes(8, "little")),
    "a step of 2**63": changed(steps=(2**63 - 1).to_bytes(8, "little")),
    "no digits": changed(digits=[]),
    "seven digits": changed(digits=[7]),
    "minus two digits": changed(digits=[-2]),
    "raw without values": changed(digits=[-1]),
    "no start of values": changed(value_starts=[]),
    "two starts of values": changed(value_starts=[215, 1]),
    "no step of values": changed(value_steps=b""),
    "a start of values out of bounds": changed(value_starts=[2**53]),
    "a value out of bounds": changed(value_starts=[2**53 - 1], value_steps=b"\1"),
    "a value far out of bounds": changed(value_steps=(-(2**63)).to_bytes(8, "little", signed=True)),
    "raw values nobody has": changed(raw=bytes(8)),
    "half a raw value": changed(**RAW, raw=bytes(12)),
    "not a number": changed(**RAW, raw=struct.pack("<2d", math.nan, 1.0)),
    "infinite": changed(**RAW, raw=struct.pack("<2d", 1.0, math.inf)),
    "no quality": changed(quality=[]),
    "half a run": changed(quality=[0]),
    "too short a run": changed(quality=[0, 1]),
    "unknown quality": changed(quality=[4, 2]),
    "negative quality": changed(quality=[-1, 2]),
    "a negative run": changed(quality=[0, 3, 0, -1]),
    "an absurd run": changed(quality=[0, 2**62]),
    "a record nobody declared": changed(records=[CHECK]),
    "format 3": changed(format=3),
    "too few fields": packed(GOOD[:-1]),
    "no fields": packed([]),
    "a map": packed({}),
    "nil": packed(None),
    "nothing": b"",
    "cut off": packed(GOOD)[:-1],
    "a byte more": packed(GOOD) + b"\0",
    "twice": packed(GOOD) + packed(GOOD),
    "not packed": msgspec.msgpack.encode(GOOD),
    "a bomb of lists": zstandard.ZstdCompressor().compress(b"\x98" * 1_000_000),
    "a list of 2**32": zstandard.ZstdCompressor().compress(b"\x98\xdd\xff\xff\xff\xff"),
    "no UTF-8": zstandard.ZstdCompressor().compress(b"\x91\xa1\xff"),
}
"""Bodies of two readings that are none."""
