"""Whatever the line does to the bytes, a codec finds the good frames, and says a word for the rest."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from firmware_bridges.frames import CODECS, Frame, FrameReader
from firmware_bridges.frames.contract import BUFFER_BYTES_MAX
from tests.bridges.frame_samples import SAMPLES, Sample

REASONS = {
    "bad_checksum", "bad_data", "bad_length", "bad_parity", "device_refused", "not_a_weight", "not_bits",
    "not_hex", "not_ready", "overflow", "truncated", "unknown_unit", "wrong_header", "wrong_tail",
}  # fmt: skip
LONGEST_WAIT = {"osdp": 1_450, "shdlc": 530, "dlt645": 220}
"""Bytes that a frame which was none may wait for, where they are more than 80."""

each = pytest.mark.parametrize("sample", SAMPLES, ids=[sample.codec for sample in SAMPLES])


def _reader(sample: Sample) -> FrameReader:
    return FrameReader(CODECS[sample.codec]())


def _noise(sample: Sample) -> st.SearchStrategy[bytes]:
    allowed = [byte for byte in range(256) if byte not in sample.never]
    return st.lists(st.sampled_from(allowed), max_size=30).map(bytes)


def _alone(sample: Sample, frame: bytes) -> Frame:
    reader = _reader(sample)
    (found,) = reader.feed(frame) + reader.finish()
    assert not reader.faults
    return found


@each
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_cutting_gives_the_same_frames(sample: Sample, data: st.DataObject) -> None:
    frames = data.draw(st.lists(sample.frames, min_size=1, max_size=4))
    line = b"".join(data.draw(_noise(sample)) + frame for frame in frames) + data.draw(_noise(sample))
    whole = _reader(sample)
    expected = whole.feed(line) + whole.finish()
    assert expected == [_alone(sample, frame) for frame in frames]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(line)), max_size=12)))
    cut = _reader(sample)
    found = [
        frame
        for start, end in zip([0, *cuts], [*cuts, len(line)], strict=True)
        for frame in cut.feed(line[start:end])
    ]
    assert found + cut.finish() == expected
    single = _reader(sample)
    assert [frame for byte in line for frame in single.feed(bytes((byte,)))] + single.finish() == expected


@each
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_after_any_bytes_the_next_frames_are_found(sample: Sample, data: st.DataObject) -> None:
    good = data.draw(sample.frames)
    begun = data.draw(sample.frames)
    cut = begun[: data.draw(st.integers(0, len(begun) - 1))]
    noise = data.draw(st.binary(max_size=40) | st.just(cut))
    reader = _reader(sample)
    reader.feed(noise)
    found = [
        frame
        for _ in range(3 + LONGEST_WAIT.get(sample.codec, 80) // len(good))
        for frame in reader.feed(good)
    ]
    assert found[-1] == _alone(sample, good)
    assert set(reader.faults) <= REASONS


@each
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_cut_frame_is_nothing_and_said(sample: Sample, data: st.DataObject) -> None:
    frame = data.draw(sample.frames)
    end = frame.find(b"kg") if b"kg" in frame else len(frame.rstrip(b"\r\n")) - 1
    kept = frame[: data.draw(st.integers(1, end))]
    assume(sample.codec != "wiegand" or len(kept) != 26)  # cut off 34 bits, and may be a card
    reader = _reader(sample)
    assert not reader.feed(kept) + reader.finish()
    assert reader.faults or not kept.strip(b"\xfe\xff")  # a preamble alone is no frame that has begun


@each
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_rubbish_never_stops_a_reader(sample: Sample, data: st.DataObject) -> None:
    reader = _reader(sample)
    alphabet = st.sampled_from(data.draw(sample.frames)) | st.integers(0, 255)
    for part in data.draw(st.lists(st.lists(alphabet, max_size=60).map(bytes), max_size=20)):
        for frame in reader.feed(part):
            assert isinstance(frame.payload, bytes)
    reader.finish()
    assert set(reader.faults) <= REASONS
    assert reader.feed(data.draw(sample.frames))


@each
def test_an_endless_line_takes_no_more_room(sample: Sample) -> None:
    for byte in range(256):
        reader = _reader(sample)
        for _ in range(30):
            reader.feed(bytes((byte,)) * 500)
            assert len(reader._buffer) <= BUFFER_BYTES_MAX
        assert set(reader.faults) <= REASONS
