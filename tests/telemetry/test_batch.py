"""The body codec: what goes in comes out, to the last bit; nothing else is let in."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from telemetry import columns
from telemetry.batch import (
    GAPS_MAX,
    BatchError,
    Body,
    Gap,
    Header,
    decode_body,
    decode_payload,
    encode_body,
    encode_payload,
)
from telemetry.batch_builder import BatchBuilder
from telemetry.packed import BODY_BYTES_MAX, READINGS_MAX
from telemetry.quality import ClockQuality, Quality
from telemetry.readings import Chunk, Reading, SeriesKey, SeriesTable
from telemetry.records import MorningCheck
from tests.telemetry import samples
from tests.telemetry.bodies import ALONE, CHECK, CONTRADICTING, EMPTY, GOOD, changed, packed
from tests.telemetry.samples import BASE_MS, Column, header


def bits(values: Sequence[float]) -> bytes:
    """What tells -0.0 from 0.0, where == does not."""
    return struct.pack(f"<{len(values)}d", *values)


@given(samples.values)
def test_a_column_comes_back_bit_for_bit(values: list[float]) -> None:
    digits, scaled = columns.to_scaled(values)
    if digits == columns.RAW:
        assert scaled == []
    else:
        again = columns.walk(scaled[0], columns.steps(scaled))
        assert bits(columns.from_scaled(again, digits)) == bits(values)


@given(st.lists(samples.decimals, min_size=1, max_size=20))
def test_short_decimals_never_go_the_raw_way(values: list[float]) -> None:
    assert columns.to_scaled(values)[0] != columns.RAW


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([21.5, 21.43], 2),
        ([400.0, 0.0], 0),
        ([1e-06], 6),
        ([1e-07], columns.RAW),
        ([0.0, -0.0], columns.RAW),
        ([-0.5, 0.0], 1),
        ([1 / 3], columns.RAW),
        ([1.0, 1e308], columns.RAW),
        ([1.0, -1.7976931348623157e308], columns.RAW),
        ([5e-324], columns.RAW),
        ([2.0**53 - 1], 0),
        ([2.0**53], columns.RAW),
    ],
)
def test_the_fewest_digits_that_hold(values: list[float], digits: int) -> None:
    assert columns.to_scaled(values)[0] == digits


@given(st.lists(st.integers(0, 3), max_size=50))
def test_quality_runs(numbers: list[int]) -> None:
    runs = columns.to_runs(numbers)
    assert columns.from_runs(runs) == numbers
    assert all(a != b for a, b in zip(runs[::2], runs[2::2], strict=False))


@given(samples.columns(), st.lists(samples.records, max_size=3), samples.times)
def test_round_trip(found: list[Column], records: list[MorningCheck], base_ms: int) -> None:
    total = sum(len(times) for _, times, _, _ in found)
    sent = header(total, len(records), base_ms=base_ms)
    payload = encode_payload(sent, encode_body(found, records, base_ms))
    got, packed = decode_payload(payload)
    assert got == sent
    body = decode_body(got, packed)
    assert body.series == [key for key, *_ in found]
    assert body.counts == [len(times) for _, times, _, _ in found]
    assert body.time_ms == [time for _, times, _, _ in found for time in times]
    assert bits(body.value) == bits([value for _, _, values, _ in found for value in values])
    assert body.quality == [quality for *_, qualities in found for quality in qualities]
    assert body.records == records


def test_the_builder_groups_by_series_and_starts_anew() -> None:
    table = SeriesTable()
    warm, damp = SeriesKey("temperature", "a", "1/101"), SeriesKey("relative_humidity", "a", "1/101", "m")
    chunk = Chunk()
    chunk.append(table.index(damp), BASE_MS + 5, 40.0)
    chunk.append(table.index(warm), BASE_MS, 21.5, Quality.STALE)
    chunk.append(table.index(damp), BASE_MS - 5, 41.0)
    builder = BatchBuilder(table)
    assert not builder
    builder.add(chunk)
    builder.add(chunk)
    assert builder
    assert builder.readings == 6
    body = decode_body(header(6), builder.close(BASE_MS))
    assert not builder
    assert body.readings()[:2] == [Reading(damp, BASE_MS + 5, 40.0), Reading(damp, BASE_MS - 5, 41.0)]
    assert body.readings()[-1] == Reading(warm, BASE_MS + 1, 21.5, Quality.STALE)
    assert chunk.readings(table)[1] == Reading(warm, BASE_MS, 21.5, Quality.STALE)
    assert decode_body(header(0), builder.close(BASE_MS)) == Body([], [], [], [], [], [])


def test_the_hand_made_body_is_good() -> None:
    body = decode_body(header(2), packed(GOOD))
    assert (body.value, body.time_ms) == ([21.5, 21.4], [BASE_MS, BASE_MS + 10])


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_any_width_of_steps(width: int) -> None:
    body = decode_body(header(2), changed(steps=(10).to_bytes(width, "little")))
    assert body.time_ms == [BASE_MS, BASE_MS + 10]


@pytest.mark.parametrize("what", CONTRADICTING)
def test_a_body_that_contradicts_itself_is_refused(what: str) -> None:
    with pytest.raises(BatchError):
        decode_body(header(2), CONTRADICTING[what])


@pytest.mark.parametrize("rest", [GOOD[1:], ["another layout"], GOOD[1:] + [None] * 0x200])
def test_a_later_format_is_refused_by_its_number(rest: list[object]) -> None:
    with pytest.raises(BatchError, match=r"^body format 3 is not known, 1 and 2 are$"):
        decode_body(header(2), packed([3, *rest]))


@pytest.mark.parametrize("field", ["series", "counts", "starts", "digits", "value_starts", "quality"])
def test_a_list_longer_than_a_batch_is_not_even_read(field: str) -> None:
    element = ["", "", ""] if field == "series" else 0
    body = changed(**{field: [element] * (2 * READINGS_MAX + 1)})
    with pytest.raises(BatchError, match="a value that is not allowed"):
        decode_body(header(2), body)


def test_a_series_of_one_reading_has_no_steps() -> None:
    assert decode_body(header(1), changed(**ALONE, quality=[0, 1])).value == [21.5]
    with pytest.raises(BatchError):
        decode_body(header(1), changed(**(ALONE | {"steps": b"\1"}), quality=[0, 1]))


@pytest.mark.parametrize(
    "changes",
    [
        {"time_ms": -1},
        {"time_ms": 2**63},
        {"temperature_c": math.nan},
        {"ambient_c": math.inf},
        {"site": "elbow"},
        {"type": "diary"},
        {"name": "someone"},
        {"symptoms": ["free text"]},
    ],
)
def test_a_record_that_is_none_is_refused_and_not_quoted(changes: dict[str, object]) -> None:
    assert len(decode_body(header(0, 1), packed([*EMPTY[:-1], [CHECK]])).records) == 1
    with pytest.raises(BatchError) as caught:
        decode_body(header(0, 1), packed([*EMPTY[:-1], [CHECK | changes]]))
    message = str(caught.value)
    assert not any(word in message for word in ("elbow", "diary", "name", "someone", "free"))


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(BODY_BYTES_MAX + 1))
    assert len(bomb) < 1_000
    with pytest.raises(BatchError, match=f"{BODY_BYTES_MAX} are allowed"):
        decode_body(header(0), bomb)
    # Magic, descriptor "8 bytes of content size, single segment", 2**60 bytes, one empty last block.
    liar = bytes.fromhex("28b52ffd e0") + (2**60).to_bytes(8, "little") + bytes.fromhex("010000")
    with pytest.raises(BatchError, match="would unpack"):
        decode_body(header(0), liar)


def test_a_frame_that_hides_its_size_is_refused() -> None:
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100_000_000))
    assert zstandard.frame_content_size(silent) == -1
    with pytest.raises(BatchError):
        decode_body(header(0), silent)


def test_a_frame_that_understates_its_size_is_refused() -> None:
    honest = bytearray(zstandard.ZstdCompressor().compress(bytes(BODY_BYTES_MAX * 8)))
    at = honest.index((BODY_BYTES_MAX * 8).to_bytes(4, "little"))
    honest[at : at + 4] = (1_000).to_bytes(4, "little")
    assert zstandard.frame_content_size(bytes(honest)) == 1_000
    with pytest.raises(BatchError):
        decode_body(header(0), bytes(honest))


GAP = Gap("bulk", "g", 1, 2, "dropped", 10)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 0},
        {"format": 3},
        {"sequence": 0},
        {"sequence": 2**53},
        {"time_base_ms": 2**53},
        {"readings": -1},
        {"readings": READINGS_MAX + 1},
        {"records": -1},
        {"generation": ""},
        {"generation": "g" * 65},
        {"gaps": (GAP,) * (GAPS_MAX + 1)},
        {"gaps": (msgspec.structs.replace(GAP, first=0),)},
        {"gaps": (msgspec.structs.replace(GAP, first=3),)},
        {"gaps": (msgspec.structs.replace(GAP, last=2**60),)},
        {"gaps": (msgspec.structs.replace(GAP, readings=-2),)},
        {"gaps": (msgspec.structs.replace(GAP, generation="g" * 65),)},
        {"stream": "side"},
        {"clock": 9},
    ],
    ids=str,
)
def test_a_header_out_of_bounds_is_refused(changes: dict[str, object]) -> None:
    good = header(0)
    assert decode_payload(encode_payload(good, b"")) == (good, b"")
    values = {name: getattr(good, name) for name in Header.__struct_fields__} | changes
    payload = msgspec.msgpack.encode([list(values.values()), b""])
    with pytest.raises(BatchError):
        decode_payload(payload)


def test_trailing_fields_of_a_later_version_are_ignored() -> None:
    later = [*msgspec.to_builtins(header(2)), "new", {"field": 1}]
    payload = msgspec.msgpack.encode([later, packed([*GOOD, ["new"]]), 5])
    got, body = decode_payload(payload)
    assert got == header(2)
    assert decode_body(got, body).value == [21.5, 21.4]


def test_the_clock_survives() -> None:
    for clock in ClockQuality:
        sent = msgspec.structs.replace(header(0), clock=clock, late=True, gaps=(GAP,) * GAPS_MAX)
        assert decode_payload(encode_payload(sent, b""))[0] == sent
