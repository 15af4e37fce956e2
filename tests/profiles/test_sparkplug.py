"""Sparkplug B: values of every type, what births teach, and that nothing breaks the reader."""

from __future__ import annotations

from math import isfinite
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.binding import bind
from device_profiles.parsing import PAYLOAD_BYTES_MAX, DecodeError
from device_profiles.registry import Catalogue
from device_profiles.sparkplug import METRICS_MAX, Births, Metric, SparkplugPayload, parse_sparkplug
from telemetry.readings import Chunk, SeriesTable
from tests.profiles import sparkplug_messages as spb

MINUTE_MS = 60_000
NOW_MS = 1_790_000_000_000


def shown(births: Births, *metrics: bytes) -> dict[str, object]:
    _, found, _ = births.resolve(parse_sparkplug(spb.payload(metrics)))
    return {name: named.value for name, named in found.items()}


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (spb.INT8, -128),
        (spb.INT16, -300),
        (spb.INT32, -(2**31)),
        (spb.INT64, -(2**63)),
        (spb.UINT8, 255),
        (spb.UINT32, 2**32 - 1),
        (spb.UINT64, 2**64 - 1),
        (spb.FLOAT, 21.4),
        (spb.DOUBLE, 0.1),
        (spb.BOOLEAN, True),
        (spb.STRING, "教学楼"),
        (spb.DATETIME, NOW_MS),
        (spb.FLOAT, None),
    ],
)
def test_a_value_of_each_type(datatype: int, value: object) -> None:
    assert shown(Births(), spb.metric("x", datatype, value)) == {"x": value}


def test_a_narrow_negative_number_may_come_in_its_own_width() -> None:
    assert shown(Births(), spb.metric("x", spb.INT8, 250)) == {"x": -6}


def test_a_new_birth_replaces_the_old() -> None:
    births = Births()
    shown(births, spb.metric("a", spb.INT16, 1, alias=1), spb.metric("b", spb.INT16, 2, alias=2))
    assert shown(births, spb.metric(alias=2, value=-5)) == {"b": -5}
    shown(births, spb.metric("c", spb.UINT16, 3, alias=1))
    assert shown(births, spb.metric(alias=1, value=4)) == {"c": 4}
    _, found, refused = births.resolve(parse_sparkplug(spb.payload([spb.metric(alias=2, value=1)])))
    assert (found, refused) == ({}, ["unknown_alias"])


def test_a_metric_keeps_its_own_time() -> None:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind(
        Catalogue().get("sparkplug/environment"),
        device="d",
        place="p/r",
        address="a",
        table=table,
        zone=ZoneInfo("UTC"),
    )
    message = spb.payload(
        [
            spb.metric("temperature", spb.FLOAT, 20.5, time_ms=NOW_MS - MINUTE_MS),
            spb.metric("temperature", spb.FLOAT, 21.5, time_ms=NOW_MS - 60 * MINUTE_MS),
            spb.metric("co2", spb.UINT16, 700),
        ],
        time_ms=NOW_MS,
    )
    assert decoder.decode(parse_sparkplug(message), NOW_MS, False, chunk).refused == ()
    found = [(one.series.quantity, one.value, NOW_MS - one.time_ms) for one in chunk.readings(table)]
    assert found == [
        ("temperature", 20.5, MINUTE_MS),
        ("temperature", 21.5, 60 * MINUTE_MS),
        ("co2", 700.0, 0),
    ]
    assert [one.quality.name for one in chunk.readings(table)] == ["GOOD", "STALE", "GOOD"]
    assert decoder.decode({"metrics": {}}, NOW_MS, False, chunk).refused == ("not_sparkplug",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x00" * (PAYLOAD_BYTES_MAX + 1), "too_large"),
        (b"\x08", "truncated"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "not_protobuf"),
        (b"\x08" + b"\xff" * 11, "not_protobuf"),
        (b"\x12\x05\x0a", "truncated"),
        (b"\x0b\x0c", "not_protobuf"),
        (b"\x00\x01", "not_protobuf"),
        (b"\x0a\x01a", "not_sparkplug"),
        (spb.block(2, spb.block(1, b"\xff\xfe")), "not_sparkplug"),
        (spb.block(2, spb.block(1, b"n" * 257)), "not_sparkplug"),
        (spb.block(2, b"") * (METRICS_MAX + 1), "too_many_metrics"),
    ],
)
def test_what_is_no_message(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=f"^{reason}$"):
        parse_sparkplug(data)


def test_fields_of_later_versions_are_passed_over() -> None:
    data = spb.payload([spb.metric("x", spb.INT16, 1) + spb.block(99, b"new")], seq=7) + spb.number(1000, 1)
    assert parse_sparkplug(data) == SparkplugPayload((Metric("x", datatype=spb.INT16, raw=1),), seq=7)


def test_what_a_device_declares_is_bounded() -> None:
    births = Births()
    for start in (0, METRICS_MAX):
        names = [spb.metric(f"m{start + at}", spb.INT16, 1) for at in range(METRICS_MAX)]
        _, _, refused = births.resolve(parse_sparkplug(spb.payload(names)))
    assert refused == ["too_many_metrics"]
    assert len(births._types) == METRICS_MAX


_value = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(width=32) | st.text(max_size=9)
)
_metric = st.builds(
    spb.metric,
    st.sampled_from(["", "temperature", "co2", "x"]),
    st.none() | st.integers(0, 40),
    _value,
    alias=st.none() | st.integers(0, 2**64 - 1),
    time_ms=st.none() | st.integers(0, 2**64 - 1),
)
_message = st.builds(
    spb.payload, st.lists(_metric, max_size=5), time_ms=st.none() | st.integers(0, 2**64 - 1)
)


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(_message))
    for _ in range(draw(st.integers(0, 3)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])


@settings(max_examples=400, deadline=None)
@given(st.lists(_message | _damaged() | st.binary(max_size=64), min_size=1, max_size=3))
def test_whatever_comes_is_read_or_refused(messages: list[bytes]) -> None:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind(
        Catalogue().get("sparkplug/environment"),
        device="d",
        place="p/r",
        address="a",
        table=table,
        zone=ZoneInfo("UTC"),
    )
    for message in messages:
        try:
            parsed = parse_sparkplug(message)
        except DecodeError as error:
            refused: tuple[str, ...] = (error.reason,)
        else:
            refused = decoder.decode(parsed, NOW_MS, False, chunk).refused
        assert all(reason.isidentifier() for reason in refused)
    for reading in chunk.readings(table):
        assert isfinite(reading.value)
        assert 0 <= reading.time_ms < 2**53
