"""The collector's decoder says of every body what the plain one says."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.intake.decoding import decode_columns
from collector.intake.objections import objection
from collector.intake.series_names import SeriesNames, series_names
from telemetry.batch import BatchError, Body, Header, decode_body, encode_body
from telemetry.packed import READINGS_MAX, Packed, pack
from telemetry.readings import SeriesKey
from telemetry.records import MorningCheck
from tests.telemetry import bodies_format_1, samples
from tests.telemetry.bodies import CONTRADICTING
from tests.telemetry.samples import BASE_MS, Column, header

KEY = SeriesKey("temperature", "a", "1/101")


def lists(body: Body) -> Body:
    return body._replace(
        series=list(body.series),
        time_ms=list(body.time_ms),
        value=list(body.value),
        quality=list(body.quality),
    )


def agree(sent: Header, body: bytes) -> Body | None:
    """What both decoders make of it; None where both refuse it."""
    try:
        expected = decode_body(sent, body)
    except BatchError:
        with pytest.raises(BatchError):
            decode_columns(sent, body)
        return None
    found = lists(decode_columns(sent, body))
    assert found == expected
    assert struct.pack(f"<{len(found.value)}d", *found.value) == struct.pack(
        f"<{len(expected.value)}d", *expected.value
    )
    return found


@given(samples.columns(), st.lists(samples.records, max_size=2), samples.times)
def test_whatever_a_gateway_sends(found: list[Column], records: list[MorningCheck], base_ms: int) -> None:
    total = sum(len(times) for _, times, _, _ in found)
    body = agree(header(total, len(records), base_ms=base_ms), encode_body(found, records, base_ms))
    assert body is not None
    assert body.time_ms == [time for _, times, _, _ in found for time in times]


@pytest.mark.parametrize("what", CONTRADICTING)
def test_what_contradicts_itself(what: str) -> None:
    assert agree(header(2), CONTRADICTING[what]) is None


def test_a_body_of_format_1() -> None:
    body = agree(header(3), bodies_format_1.changed())
    assert body is not None
    assert body.value == [21.5, 21.4, 1 / 3]


@pytest.mark.parametrize("what", bodies_format_1.CONTRADICTING)
def test_a_body_of_format_1_that_contradicts_itself(what: str) -> None:
    assert agree(header(3), bodies_format_1.CONTRADICTING[what]) is None


edges = st.sampled_from([0, 1, -1, 2**31, 2**53 - 1, -(2**53 - 1), 2**53, 2**54, 2**62, 2**63 - 1, -(2**63)])
numbers = st.one_of(edges, st.integers(-1_000, 1_000), st.integers(-(2**63), 2**63 - 1))


@st.composite
def walks(draw: st.DrawFn) -> tuple[int, Packed]:
    """Steps of any size, among them those that a sum of 64 bits does not hold."""
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    series = [KEY._replace(device=f"d{n}") for n in range(len(counts))]
    digits = draw(st.lists(st.integers(-1, 6), min_size=len(counts), max_size=len(counts)))
    scaled = [count for count, places in zip(counts, digits, strict=True) if places >= 0]
    total = sum(counts)

    def some(size: int) -> list[int]:
        return draw(st.lists(numbers, min_size=size, max_size=size))

    raw = draw(st.lists(st.floats(), min_size=total - sum(scaled), max_size=total - sum(scaled)))
    starts = [max(min(number, 2**53), -(2**53)) for number in some(len(counts) + len(scaled))]
    return total, Packed(
        series, counts, starts[: len(counts)], some(total - len(counts)), digits, starts[len(counts) :],
        some(sum(scaled) - len(scaled)), raw, [0, total], [],
    )  # fmt: skip


@given(walks())
def test_steps_of_any_size(walk: tuple[int, Packed]) -> None:
    total, found = walk
    agree(header(total, base_ms=0), pack(found))


def test_elements_are_plain_numbers() -> None:
    body = decode_columns(header(1), encode_body([(KEY, [BASE_MS], [21.5], [2])], [], BASE_MS))
    assert [type(column[0]) for column in (body.time_ms, body.value, body.quality)] == [int, float, int]


def test_a_table_that_comes_again_is_the_same_object_and_judged_once() -> None:
    body = encode_body([(KEY, [BASE_MS], [21.5], [0])], [], BASE_MS)
    first, second = (decode_columns(header(1), body).series for _ in range(2))
    assert first is second
    assert isinstance(first, SeriesNames)
    bad = encode_body([(KEY._replace(quantity="heart_rate"), [BASE_MS], [70.0], [0])], [], BASE_MS)
    for _ in range(2):
        against = objection(header(1), decode_columns(header(1), bad))
        assert against is not None
        assert against[0] == "personal_quantity"


def test_a_large_table_is_not_remembered() -> None:
    assert_not_remembered([KEY._replace(device=f"device-{n:0200}") for n in range(100)])


def test_a_table_of_many_short_names_is_not_remembered() -> None:
    assert_not_remembered([SeriesKey("co2", str(n), "") for n in range(401)])


def test_a_table_longer_than_a_batch_is_not_even_read() -> None:
    with pytest.raises(msgspec.ValidationError):
        series_names(msgspec.msgpack.encode([KEY] * (READINGS_MAX + 1)))


def assert_not_remembered(keys: list[SeriesKey]) -> None:
    body = encode_body([(key, [BASE_MS], [21.5], [0]) for key in keys], [], BASE_MS)
    first, second = (decode_columns(header(len(keys)), body).series for _ in range(2))
    assert first == second
    assert first is not second
