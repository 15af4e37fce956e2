"""Quantities, qualities, record types, topics and credentials: the small tables of the contract."""

from __future__ import annotations

import math
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.credential_map import BLINDED_BYTES, blind, normalise_credential
from telemetry.purposes import PURPOSES
from telemetry.quality import ClockQuality, Quality, pack_quality, unpack_quality
from telemetry.quantities import _ROWS, QUANTITIES, Lane
from telemetry.records import DANGERS, RECORD_TYPES, MorningCheck, Record
from telemetry.topics import Address, intake_filters, parse_topic, topic

# Case sensitive atoms of UCUM that our units are made of; {…} is an annotation.
UCUM = re.compile(
    r"1|%|Cel|\[pp[mb]\]|[um]g/m3|hPa|lx|dB(\[SPL\]|\{mW\})?|uS/cm|W|V(\.A(\{reactive\})?)?|A|Hz|kW\.h|m/s|deg|mm"
    r"|um|m|m3|m3/h|L|kg|kg/m2|kJ|/min|Ohm"
)


def test_quantities_are_well_formed() -> None:
    plain = [row for row in QUANTITIES.values() if row.statistic is None]
    assert [row.name for row in plain] == [row.name for row in _ROWS], "a name stands twice"
    numbers = [row for row in plain if row.lane is Lane.AMBIENT and not row.is_bool]
    assert len(QUANTITIES) == len(plain) + 2 * len(numbers)
    for name, row in QUANTITIES.items():
        assert name == row.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert row.low < row.high
        assert math.isfinite(row.low)
        assert row.unit
        assert UCUM.fullmatch(row.ucum), f"{name}: {row.ucum}"
        is_personal = row.lane is Lane.PERSONAL
        assert bool(row.purpose) is bool(row.assessment) is bool(row.retention_days) is is_personal
        assert row.retention_days <= {"sport": 30, "health": 7, "": 0}[row.purpose]
        assert re.search("[\u4e00-\u9fff]|PM", row.zh), f"{name} has no Chinese label"
        assert row.en.isascii() or "₂" in row.en
        assert row.is_bool == ((row.low, row.high) == (0, 1) and row.unit == "bool")
        assert not row.urgent or row.is_bool
    for labels in ({row.zh for row in QUANTITIES.values()}, {row.en for row in QUANTITIES.values()}):
        assert len(labels) == len(QUANTITIES), "two quantities look the same to a reader"


def test_quality_packs_into_a_byte() -> None:
    packed = {pack_quality(q, c): (q, c) for q in Quality for c in ClockQuality}
    assert len(packed) == len(Quality) * len(ClockQuality)
    for byte, both in packed.items():
        assert 0 <= byte <= 255
        assert unpack_quality(byte) == both
    for byte in (0x04, 0x40, 0xFF):
        with pytest.raises(ValueError, match="is not a valid"):
            unpack_quality(byte)


def test_record_types_name_purpose_assessment_and_retention() -> None:
    assert RECORD_TYPES["morning_check"].type is MorningCheck
    assert set(RECORD_TYPES) == {one.__struct_config__.tag for one in get_args(Record)}
    assert set(DANGERS) == {row.name for row in QUANTITIES.values() if row.urgent}
    for row in RECORD_TYPES.values():
        assert row.purpose in PURPOSES
        assert row.purpose
        assert row.assessment
        assert row.retention_days > 0


def test_topics() -> None:
    assert topic("example-primary", "gw-1", "urgent") == "campus/v1/example-primary/gw-1/urgent"
    assert parse_topic("campus/v1/example-primary/gw-1/ack") == Address("example-primary", "gw-1", "ack")
    assert intake_filters() == [f"campus/v1/+/+/{leaf}" for leaf in ("urgent", "batch", "status")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "campus/v1",
        "campus/v1/s/g",
        "campus/v1/s/g/batch/x",
        "campus/v2/s/g/batch",
        "x/campus/v1/s/g/batch",
        "campus/v1//g/batch",
        "campus/v1/s/../batch",
        "campus/v1/S/g/batch",
        "campus/v1/s/g\n/batch",
        "campus/v1/-s/g/batch",
        f"campus/v1/{'s' * 64}/g/batch",
        "campus/v1/学校/g/batch",
    ],
)
def test_topics_of_others(text: str) -> None:
    assert parse_topic(text) is None


@given(st.binary(min_size=4, max_size=10))
def test_notations_of_one_card_are_one_credential(uid: bytes) -> None:
    notations = {uid.hex(), uid.hex().upper(), uid.hex(":"), uid.hex("-").upper(), f" {uid.hex(' ')} "}
    assert {normalise_credential(notation) for notation in notations} == {uid.hex().upper()}


@pytest.mark.parametrize(
    "text", ["", "123", "04:A2:GG:11", "0" * 33, "04A2,3344", "０４Ａ２", "Example Pupil"]
)
def test_what_is_no_credential_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="4 to 32 hexadecimal digits") as caught:
        normalise_credential(text)
    assert not text or text not in str(caught.value)


def test_blinding_depends_on_the_key() -> None:
    one, two = blind(b"k" * 32, "04A1B2C3"), blind(b"l" * 32, "04A1B2C3")
    assert len(one) == len(two) == BLINDED_BYTES
    assert one != two
    assert one != blind(b"k" * 32, "04A1B2C4")
    assert one == blind(b"k" * 32, normalise_credential("04:a1:b2:c3"))
