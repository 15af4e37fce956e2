"""The framing of our boards: known vectors, any payload, any damage, any cutting."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.boards import messages, wire
from firmware_bridges.boards.messages import Check, Message, Source, Tap, Weight
from firmware_bridges.frames import CODECS, FrameError, FrameReader
from firmware_bridges.frames.contract import Frame
from telemetry.named import Named
from tests.boards.vectors import COBS, CRC

payloads = st.binary(max_size=wire.PAYLOAD_BYTES_MAX)
u32, i16 = st.integers(0, 0xFFFF_FFFF), st.integers(-0x8000, 0x7FFF)
sources = st.builds(Source, st.binary(min_size=8, max_size=8), u32)
cards = st.sampled_from(wire.CARD_BYTES).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@st.composite
def events(draw: st.DrawFn) -> tuple[bytes, Source, int]:
    """A payload of any event, with whose it is."""
    source, sequence, age_ms = draw(sources), draw(u32), draw(u32)
    type_ = draw(st.sampled_from(wire.EVENT_TYPES))
    card = b""
    if type_ == wire.CHECK:
        values: tuple[int, ...] = (draw(st.sampled_from(list(wire.SITES))), draw(i16), draw(i16))
        card = draw(cards | st.just(b""))
    elif type_ == wire.TAP:
        values = (
            draw(st.sampled_from(list(wire.FORMS))),
            draw(st.sampled_from([1, 2])),
            draw(st.integers(0, 255)),
        )
        card = draw(cards)
    else:
        grams = st.integers(-0x8000_0000, 0x7FFF_FFFF)
        values = (draw(grams), draw(grams), draw(st.integers(0, 1)))
    return wire.pack_message(type_, *source, (sequence, age_ms, *values), card), source, sequence


def _read(data: bytes, *, cut: list[int] | None = None) -> tuple[list[Frame], FrameReader]:
    reader = FrameReader(CODECS["cobs"]())
    places = [0, *sorted(cut or []), len(data)]
    frames = [frame for begin, end in pairwise(places) for frame in reader.feed(data[begin:end])]
    return frames, reader


@pytest.mark.parametrize(("data", "stuffed"), COBS)
def test_stuffing_agrees_with_the_published_examples(data: bytes, stuffed: bytes) -> None:
    assert wire.cobs_encode(data) == stuffed
    assert wire.cobs_decode(stuffed) == data


@pytest.mark.parametrize(("data", "crc"), CRC)
def test_the_check_agrees_with_the_published_examples(data: bytes, crc: int) -> None:
    assert wire.crc16(data) == wire.crc16_plain(data) == crc


@given(st.binary(max_size=600))
def test_anything_is_stuffed_and_back(data: bytes) -> None:
    stuffed = wire.cobs_encode(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + 1 + len(data) // 254
    assert wire.cobs_decode(stuffed) == data
    assert wire.crc16(data) == wire.crc16_plain(data)


@given(payloads)
def test_any_payload_goes_round(payload: bytes) -> None:
    frame = wire.encode_frame(payload)
    assert frame[0] == frame[-1] == 0
    assert len(frame) <= wire.FRAME_BYTES_MAX + 2
    assert wire.decode_frame(frame[1:-1]) == payload
    assert wire.FrameSplitter().feed(frame) == [payload]


@given(payloads, st.data())
def test_no_damaged_byte_and_no_burst_of_16_bits_passes(payload: bytes, data: st.DataObject) -> None:
    checked = bytearray(payload + wire.crc16(payload).to_bytes(2, "big"))
    place = data.draw(st.integers(0, len(checked) - 2))
    damage = data.draw(st.integers(1, 0xFFFF))
    checked[place] ^= damage >> 8
    checked[place + 1] ^= damage & 0xFF
    with pytest.raises(wire.WireError, match="bad_checksum"):
        wire.decode_frame(wire.cobs_encode(bytes(checked)))


def test_no_damaged_byte_of_a_frame_passes() -> None:
    # All of them: what a damaged length byte makes of a frame is for the CRC to find by chance only.
    source = Source(b"\xe6\x61\x41\x04\x03\x2b\x5c\x28", 17)
    for values, card in (((42, 350, 1, 3_652, 2_150), "0400864426"), ((1, 0, 1, 0, -32_768), "04a2b31c")):
        frame = wire.encode_frame(wire.pack_message(wire.CHECK, *source, values, bytes.fromhex(card)))
        for place in range(1, len(frame) - 1):
            for damage in range(1, 256):
                damaged = bytearray(frame)
                damaged[place] ^= damage
                frames, reader = _read(bytes(damaged) + frame)
                assert len(frames) == 1, (place, damage)
                assert reader.faults


@given(st.lists(events(), min_size=1, max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_however_the_line_is_cut_the_frames_are_the_same(
    made: list[tuple[bytes, Source, int]], cut: list[int]
) -> None:
    line = b"".join(wire.encode_frame(payload) for payload, _, _ in made)
    frames, reader = _read(line, cut=[min(place, len(line)) for place in cut])
    assert [frame.payload for frame in frames] == [payload for payload, _, _ in made]
    assert not reader.faults
    for frame, (_, source, sequence) in zip(frames, made, strict=True):
        message = messages.parse_message(frame.payload)
        assert isinstance(message, Check | Tap | Weight)
        assert (message.source, message.sequence) == (source, sequence)
        assert frame.values["sequence"] == Named(sequence)
        ack = messages.acknowledge(source, sequence)
        assert wire.unpack_command(wire.FrameSplitter().feed(ack)[0]) == (wire.ACK, (source.boot, sequence))


@given(st.binary(max_size=700), events())
def test_after_any_noise_the_next_frame_is_found(noise: bytes, made: tuple[bytes, Source, int]) -> None:
    frames, _ = _read(noise + wire.encode_frame(made[0]))
    assert frames[-1].payload == made[0]
    assert wire.FrameSplitter().feed(noise + wire.encode_frame(made[0]))[-1] == made[0]


@given(payloads)
def test_any_payload_is_a_message_or_a_reason(payload: bytes) -> None:
    buffer = bytearray(wire.encode_frame(payload))
    reason = None
    try:
        frame = CODECS["cobs"]().take(buffer)
    except FrameError as error:
        frame, reason = None, error.reason
    assert frame or reason in {"bad_length", "unknown_version", "unknown_message", "bad_value"}
    assert not buffer


@given(st.binary(min_size=600, max_size=4_000).map(lambda data: data.replace(b"\0", b"\1")))
def test_a_line_without_an_end_is_not_kept(data: bytes) -> None:
    frames, reader = _read(data)
    assert not frames
    assert set(reader.faults) == {"too_long"}
    splitter = wire.FrameSplitter()
    for place in range(0, len(data), 50):
        assert not splitter.feed(data[place : place + 50])
    assert splitter.faults == 1
    with pytest.raises(wire.WireError, match="too_long"):
        wire.encode_frame(data)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "bad_length"),
        (b"\x01", "bad_length"),
        (b"\x02\x01", "unknown_version"),
        (b"\x01\x7f", "unknown_message"),
        (wire.pack_command(wire.ACK, 1, 2), "unknown_message"),
        (wire.pack_message(wire.HELLO, bytes(8), 1, (9, 1, 0, 0, 5)), "bad_value"),
        (wire.pack_message(wire.CHECK, bytes(8), 1, (1, 0, 4, 3_650, 2_000)), "bad_value"),
        (wire.pack_message(wire.CHECK, bytes(8), 1, (1, 0, 1, 3_650, 2_000), bytes(6)), "bad_length"),
        (wire.pack_message(wire.CHECK, bytes(8), 1, (1, 0, 1, 3_650, 2_000), bytes(11)), "bad_length"),
        (wire.pack_message(wire.TAP, bytes(8), 1, (1, 0, 2, 0, 26), bytes(3)), "bad_value"),
        (wire.pack_message(wire.WEIGHT, bytes(8), 1, (1, 0, 5, 0, 1), b"\0"), "bad_length"),
        (wire.pack_message(wire.FAULT, bytes(8), 1, (99, 1)), "bad_value"),
    ],
)
def test_what_is_no_message_has_a_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        messages.parse_message(payload)
    assert caught.value.reason == reason


def test_nothing_printed_shows_a_card() -> None:
    for message in (_message(wire.CHECK, (7, 0, 1, 3_650, 2_000)), _message(wire.TAP, (7, 0, 1, 2, 32))):
        assert repr(message).endswith("(sequence=7, …)")


def _message(type_: int, values: tuple[int, ...]) -> Message:
    return messages.parse_message(wire.pack_message(type_, bytes(8), 1, values, b"\x04\xa2\xb3\x1c"))


def test_every_command_is_read_by_the_board() -> None:
    frames = {
        messages.set_parameter("retry_ms", 500): (wire.SET, (1, 500)),
        messages.signal(accept=True): (wire.SIGNAL, (wire.ACCEPT,)),
        messages.signal(accept=False): (wire.SIGNAL, (wire.REJECT,)),
        messages.request_hello(): (wire.REQUEST, (wire.REQUEST_HELLO,)),
        messages.request_tare(): (wire.REQUEST, (wire.REQUEST_TARE,)),
    }
    for frame, command in frames.items():
        assert [wire.unpack_command(payload) for payload in wire.FrameSplitter().feed(frame)] == [command]
    with pytest.raises(wire.WireError, match="unknown_message"):
        wire.unpack_command(wire.pack_message(wire.HELLO, bytes(8), 1, (1, 1, 0, 0, 5)))
