"""Bodies of format 1, made by hand, good ones and bad ones."""

from __future__ import annotations

import msgspec
import zstandard

from tests.telemetry.samples import BASE_MS

KEY = ["temperature", "a", "1/101", ""]
RAW_KEY = ["energy", "meter", "1/hall", ""]
NAMES = ("series", "counts", "times", "digits", "scaled", "raw", "quality", "records")
GOOD = [[KEY, RAW_KEY], [2, 1], [0, 10, 5], [1, -1], [215, -1], [1 / 3], [0, 2, 3, 1], []]
PSEUDONYM = "7K3M9PXA2QH5RT8WZ4CB6DFG1E"


def changed(**changes: object) -> bytes:
    content = [changes.get(name, good) for name, good in zip(NAMES, GOOD, strict=True)]
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(content))


CONTRADICTING = {
    "a reading too many": changed(counts=[2, 2]),
    "an empty series": changed(counts=[3, 0]),
    "an absurd count": changed(counts=[2**63, 1]),
    "one count": changed(counts=[2]),
    "one series": changed(series=[KEY]),
    "a time too few": changed(times=[0, 10]),
    "a time too many": changed(times=[0, 10, 5, 5]),
    "a time out of bounds": changed(times=[2**53, 1, 1]),
    "an absurd step": changed(times=[0, 2**63, 1]),
    "before 1970": changed(times=[-BASE_MS - 1, 1, 1]),
    "one digit count": changed(digits=[1]),
    "seven digits": changed(digits=[7, -1]),
    "minus two digits": changed(digits=[1, -2]),
    "a value too few": changed(scaled=[215]),
    "a value out of bounds": changed(scaled=[2**53 - 1, 1]),
    "no raw value": changed(raw=[]),
    "not a number": changed(raw=[float("nan")]),
    "too few qualities": changed(quality=[0, 2]),
    "unknown quality": changed(quality=[0, 2, 4, 1]),
}
"""Bodies of three readings that are none."""
