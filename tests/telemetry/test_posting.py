"""Envelopes in a post, and the question what has become of batches."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.ack import RANGES_MAX
from telemetry.posting import (
    ENVELOPES_MAX,
    FORMAT,
    POST_BYTES_MAX,
    Pending,
    Place,
    PostingError,
    decode_pending,
    encode_pending,
    pack,
    parse_path,
    unpack,
)

envelopes = st.lists(st.binary(max_size=300), max_size=ENVELOPES_MAX)


@given(envelopes)
def test_what_is_packed_comes_out(given_: list[bytes]) -> None:
    assert unpack(pack(given_)) == given_


@given(envelopes.filter(any), st.integers(1, 300))
def test_a_post_that_is_cut_is_refused_or_ends_between_two(given_: list[bytes], cut: int) -> None:
    data = pack(given_)
    try:
        found = unpack(data[:-cut])
    except PostingError:
        return
    assert found == given_[: len(found)]


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_else_than_be_refused(data: bytes) -> None:
    for read in (unpack, decode_pending):
        with contextlib.suppress(PostingError):
            read(data)


def test_so_many_and_no_more() -> None:
    with pytest.raises(PostingError, match="more than 64"):
        unpack(pack([b""] * (ENVELOPES_MAX + 1)))
    assert POST_BYTES_MAX > 4 * 1024 * 1024


ranges = st.lists(st.tuples(st.integers(1, 99), st.integers(0, 9)).map(lambda one: (one[0], sum(one))))


@given(ranges, st.sampled_from(["bulk", "urgent"]))
def test_a_question_survives_the_way(asked: list[tuple[int, int]], stream: str) -> None:
    pending = Pending(FORMAT, "example-primary", "gw-1", stream, "5f3a", tuple(asked))  # type: ignore[arg-type]
    assert decode_pending(encode_pending(pending)) == pending


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"format": 2}, "format 2 is not known"),
        ({"ranges": ((0, 3),)}, "out of bounds"),
        ({"ranges": ((5, 3),)}, "out of bounds"),
        ({"ranges": ((1, 2**53),)}, "out of bounds"),
        ({"ranges": ((1, 1),) * (RANGES_MAX + 1)}, "out of bounds"),
        ({"generation": "g" * 65}, "too long"),
        ({"stream": "other"}, "not a question"),
    ],
)
def test_a_question_that_is_none(changed: dict[str, object], words: str) -> None:
    good = Pending(FORMAT, "example-primary", "gw-1", "bulk", "5f3a", ((1, 2),))
    with pytest.raises(PostingError, match=words):
        decode_pending(encode_pending(msgspec.structs.replace(good, **changed)))


def test_a_path_names_gateway_and_stream() -> None:
    place = Place("example-primary", "gw-1", "urgent")
    assert place.path == "/api/v1/intake/example-primary/gw-1/urgent"
    assert parse_path(place.path) == place
    for path in (
        "/api/v1/intake/example-primary/gw-1",
        "/api/v1/intake/example-primary/gw-1/ack",
        "/api/v1/intake/example-primary/GW/bulk",
        "/api/v1/intake/example-primary/gw-1/bulk/",
        "/api/v1/intake/example-primary/gw-1/bulk?x",
        "/x/api/v1/intake/example-primary/gw-1/bulk",
        "/api/v1/intake/../gw-1/bulk",
    ):
        assert parse_path(path) is None, path
