"""Bodies of format 1, as gateways before this one wrote them: read for as long as one may lie in a buffer."""

from __future__ import annotations

import pytest

from telemetry.batch import BatchError, decode_body, erase_records, shift_records
from tests.telemetry.bodies import CHECK
from tests.telemetry.bodies_format_1 import CONTRADICTING, PSEUDONYM, changed
from tests.telemetry.samples import BASE_MS, header


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


@pytest.mark.parametrize("what", CONTRADICTING)
def test_one_that_contradicts_itself_is_refused(what: str) -> None:
    with pytest.raises(BatchError):
        decode_body(header(3), CONTRADICTING[what])
