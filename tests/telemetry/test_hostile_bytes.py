"""Whatever bytes arrive, a decoder answers with its value or its own error: never another one,
never with gigabytes, and never by quoting what it read.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry import enrolment
from telemetry.ack import FORMAT, RANGES_MAX, Ack, AckError, Rejection, decode_ack, encode_ack, greeting
from telemetry.batch import (
    BatchError,
    decode_body,
    decode_payload,
    encode_body,
    encode_payload,
)
from telemetry.configuration import SECTIONS_MAX, ConfigurationError, Offer, decode_offer, encode_offer
from telemetry.credential_map import (
    CredentialMap,
    CredentialMapError,
    decode_update,
    encode_update,
)
from telemetry.exchange import (
    Directory,
    ExchangeError,
    JoinAnswer,
    Order,
    decode_directory,
    decode_join,
    encode_message,
)
from telemetry.quality import ClockQuality
from telemetry.readings import SeriesKey
from telemetry.records import MorningCheck
from telemetry.status import Status, StatusError, decode_status, encode_status
from tests.telemetry.make_golden import credential_map
from tests.telemetry.samples import BASE_MS, header

BODY = encode_body(
    [(SeriesKey("co2", "sensor-1", "1/101"), [BASE_MS, BASE_MS + 1], [400.0, 1 / 3], [0, 1])],
    [MorningCheck(BASE_MS, "station-1", "1/hall", "forehead", 36.6, 22.0, ("cough",), "p", "1-1")],
    BASE_MS,
)


def decode_batch(data: bytes) -> object:
    got, body = decode_payload(data)
    return decode_body(got, body)


def decode_map(data: bytes) -> object:
    """Also what a gateway then does with it."""
    update = decode_update(data)
    whole = CredentialMap.whole(msgspec.structs.replace(update, base=0))
    assert whole.find("04") is None
    return encode_update(whole.updated(msgspec.structs.replace(update, base=whole.version)).as_update())


def decode_packed_body(data: bytes) -> object:
    return decode_body(header(2, 1), data)


Decoder = Callable[[bytes], object]
DECODERS: dict[str, tuple[Decoder, type[Exception], bytes]] = {
    "batch": (decode_batch, BatchError, encode_payload(header(2, 1), BODY)),
    "body": (decode_packed_body, BatchError, BODY),
    "ack": (
        decode_ack,
        AckError,
        encode_ack(Ack(FORMAT, "s", "g", "bulk", "x", ((1, 9),), ((1, 5),), (Rejection(3, "late"),))),
    ),
    "status": (
        decode_status,
        StatusError,
        encode_status(Status(1, "s", "g", 5, ClockQuality.SYNCED, "0.1", 1, 2, 3, None, 4, 4, {"x": 1})),
    ),
    "offer": (
        decode_offer,
        ConfigurationError,
        encode_offer(Offer(1, "s", "g", 3, 5, "", {"batch": "{}"}, ["silence"], "00")),
    ),
    "enrolment": (
        lambda data: enrolment.decode(data, enrolment.Question),
        enrolment.EnrolmentError,
        enrolment.encode(enrolment.Question(1, b"n", b"k", b"r", "0.1", b"p")),
    ),
    "map": (decode_map, CredentialMapError, credential_map()),
    "directory": (
        decode_directory,
        ExchangeError,
        encode_message(Directory(3, 5, "e", None, {}, [(1, 2)], [Order("o", "erase", ["p"], ["health"])])),
    ),
    "join": (decode_join, ExchangeError, encode_message(JoinAnswer({}, "too few"))),
}
by_decoder = pytest.mark.parametrize(("decode", "error", "good"), list(DECODERS.values()), ids=list(DECODERS))


def feed(decode: Decoder, error: type[Exception], data: bytes) -> None:
    with contextlib.suppress(error):
        decode(data)


@by_decoder
def test_the_good_one_is_good(decode: Decoder, error: type[Exception], good: bytes) -> None:
    decode(good)


@by_decoder
@given(data=st.binary(max_size=100))
def test_arbitrary_bytes(decode: Decoder, error: type[Exception], good: bytes, data: bytes) -> None:
    feed(decode, error, data)


@by_decoder
@settings(max_examples=300)
@given(
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=6), st.integers(0, 4)), min_size=1)
)
def test_mutations_of_a_good_one(
    decode: Decoder, error: type[Exception], good: bytes, edits: list[tuple[int, bytes, int]]
) -> None:
    data = good
    for at, put, cut in edits:
        at_byte = at % (len(data) + 1)
        data = data[:at_byte] + put + data[at_byte + cut :]
    feed(decode, error, data)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text() | st.binary(), inner, max_size=4),
    max_leaves=20,
)


@by_decoder
@given(content=anything)
def test_arbitrary_messagepack(decode: Decoder, error: type[Exception], good: bytes, content: object) -> None:
    feed(decode, error, msgspec.msgpack.encode(content))


@by_decoder
@given(at=st.integers(0, 20), value=anything)
def test_one_field_replaced(
    decode: Decoder, error: type[Exception], good: bytes, at: int, value: object
) -> None:
    if decode is decode_packed_body:
        return
    content = msgspec.msgpack.decode(good)
    if isinstance(content, dict):
        content[list(content)[at % len(content)]] = value
    else:
        content[at % len(content)] = value
    feed(decode, error, msgspec.msgpack.encode(content))


@by_decoder
@pytest.mark.parametrize(
    "tail",
    [
        b"\x91" * 200_000,
        b"\x81\xa1x" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
    ],
    ids=["deep arrays", "deep maps", "long array", "long map", "long bytes"],
)
def test_nesting_and_lengths_that_lie(
    decode: Decoder, error: type[Exception], good: bytes, tail: bytes
) -> None:
    with pytest.raises(error):
        decode(tail)
    # As one more field after the known ones, where a decoder skips what it does not know.
    if good[0] & 0xF0 == 0x90:
        with pytest.raises(error):
            decode(bytes([good[0] + 1]) + good[1:] + tail)
    else:
        with pytest.raises(error):
            decode(good + tail)


def test_lengths_that_lie_cost_no_memory() -> None:
    """Under a limit of 512 MB a process refuses arrays that announce 2³² elements at every depth."""
    program = """
import resource, zstandard
from tests.telemetry.test_hostile_bytes import DECODERS
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
lie = b"\\xdd\\xff\\xff\\xff\\xff"
for decode, error, good in DECODERS.values():
    for at in range(len(good)):
        for data in (good[:at] + lie, good[:at] + lie + good[at:], lie * at):
            for packed in (data, zstandard.compress(data)):
                try:
                    decode(packed)
                except error:
                    pass
print("survived")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "survived\n", done.stderr[-2_000:]


@by_decoder
def test_errors_do_not_quote(decode: Decoder, error: type[Exception], good: bytes) -> None:
    secret = "Example Pupil 04A1B2"
    content = msgspec.msgpack.decode(good) if decode is not decode_packed_body else [secret]
    places = list(content) if isinstance(content, dict) else range(len(content))
    said: list[str] = []
    for place in places:
        for value in (secret, {secret: secret}, [secret], [[secret]]):
            bad = content.copy()
            bad[place] = value
            try:
                decode(msgspec.msgpack.encode(bad))
            except error as found:
                said.append(f"{found} {found.__cause__}")
    assert said
    assert not any("Example" in text for text in said)


def test_a_greeting_names_no_batch() -> None:
    assert decode_ack(encode_ack(greeting("s", "g"))).is_greeting
    assert not decode_ack(DECODERS["ack"][2]).is_greeting


def test_sections_of_an_offer_are_bounded() -> None:
    many = [f"modbus/{number}" for number in range(SECTIONS_MAX + 1)]
    good = Offer(1, "s", "g", 3, 5, "", dict.fromkeys(many[1:], ""), many[1:], "00")
    assert decode_offer(encode_offer(good)) == good
    for bad in (
        {"removed": many},
        {"changed": dict.fromkeys(many, "")},
        {"version": 0},
        {"issued_ms": 2**53},
    ):
        with pytest.raises(ConfigurationError):
            decode_offer(encode_offer(msgspec.structs.replace(good, **bad)))


def test_ranges_of_an_ack_are_bounded() -> None:
    good = Ack(FORMAT, "s", "g", "bulk", "x")
    for bad in (
        {"received": ((0, 1),)},
        {"stored": ((2, 1),)},
        {"stored": ((1, 2**53),)},
        {"stored": ((1, 1),) * (RANGES_MAX + 1)},
        {"rejected": (Rejection(0, "x"),)},
        {"rejected": (Rejection(1, "x"),) * (RANGES_MAX + 1)},
        {"format": 2},
    ):
        with pytest.raises(AckError):
            decode_ack(encode_ack(msgspec.structs.replace(good, **bad)))
