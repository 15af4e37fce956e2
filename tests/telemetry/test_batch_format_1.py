"""Bodies of format 1, as gateways before this one wrote them: read for as long as one may lie in a buffer."""

from __future__ import annotations

import msgspec
import pytest
import zstandard

from telemetry.batch import BatchError, decode_body, erase_records, shift_records
from tests.telemetry.bodies import CHECK
from tests.telemetry.samples import BASE_MS, header

KEY = ["temperature", "a", "1/101", ""]
RAW_KEY = ["energy", "meter", "1/hall", ""]
NAMES = ("series", "counts", "times", "digits", "scaled", "raw", "quality", "records")
GOOD = [[KEY, RAW_KEY], [2, 1], [0, 10, 5], [1, -1], [215, -1], [1 / 3], [0, 2, 3, 1], []]
PSEUDONYM = "7K3M9PXA2QH5RT8WZ4CB6DFG1E"


def changed(**changes: object) -> bytes:
    content = [changes.get(name, good) for name, good in zip(NAMES, GOOD, strict=True)]
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(content))


def test_it_is_read() -> None:
    body = decode_body(header(3), changed())
    assert body.time_ms == [BASE_MS, BASE_MS + 10, BASE_MS + 5]
    assert body.value == [21.5, 21.4, 1 / 3]
    assert body.quality == [0, 0, 3]


def test_a_body_that_is_changed_is_written_in_the_format_of_today() -> None:
    old = changed(records=[CHECK | {"pseudonym": PSEUDONYM}])
    moved = decode_body(header(3, 1), shift_records(old, 5))
    assert (moved.records[0].time_ms, moved.value) == (6, [21.5, 21.4, 1 / 3])
    erased, count = erase_records(old, {PSEUDONYM})
    assert count == 1
    assert decode_body(header(3), erased) == decode_body(header(3), changed())


@pytest.mark.parametrize(
    "body",
    [
        changed(counts=[2, 2]),
        changed(counts=[3, 0]),
        changed(counts=[2**63, 1]),
        changed(counts=[2]),
        changed(series=[KEY]),
        changed(times=[0, 10]),
        changed(times=[0, 10, 5, 5]),
        changed(times=[2**53, 1, 1]),
        changed(times=[0, 2**63, 1]),
        changed(times=[-BASE_MS - 1, 1, 1]),
        changed(digits=[1]),
        changed(digits=[7, -1]),
        changed(digits=[1, -2]),
        changed(scaled=[215]),
        changed(scaled=[2**53 - 1, 1]),
        changed(raw=[]),
        changed(raw=[float("nan")]),
        changed(quality=[0, 2]),
        changed(quality=[0, 2, 4, 1]),
    ],
)
def test_one_that_contradicts_itself_is_refused(body: bytes) -> None:
    with pytest.raises(BatchError):
        decode_body(header(3), body)
