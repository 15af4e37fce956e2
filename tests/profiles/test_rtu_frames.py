"""RTU frames: the check, replies, and a clear word for every frame that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.rtu import (
    FrameError,
    ModbusExceptionError,
    Reply,
    Request,
    build_exception,
    build_reply,
    build_request,
    crc16,
    parse_reply,
    parse_request,
    with_crc,
)

words = st.integers(0, 0xFFFF)
units = st.integers(1, 247)
REASONS = {
    "too_short", "bad_crc", "wrong_length", "wrong_unit", "wrong_function", "unknown_function", "exception",
}  # fmt: skip


def test_the_check_of_the_standard() -> None:
    assert crc16(b"123456789") == 0x4B37  # CRC-16/MODBUS in the catalogue of parametrised CRC algorithms
    assert with_crc(bytes.fromhex("0207")) == bytes.fromhex(
        "02074112"
    )  # Modbus over Serial Line V1.02, 6.2.2


@given(units, st.sampled_from([3, 4]), words, st.lists(words, min_size=1, max_size=125))
def test_registers_go_round(unit: int, fc: int, address: int, registers: list[int]) -> None:
    frame = build_request(unit, fc, address, len(registers))
    request = parse_request(frame)
    assert request == Request(unit, fc, address, len(registers))
    reply = build_reply(unit, fc, tuple(registers))
    assert parse_reply(reply, request) == Reply(unit, fc, tuple(registers))
    assert parse_reply(reply[:-2], request, has_crc=False).registers == tuple(registers)


@given(units, st.sampled_from([1, 2]), st.lists(st.integers(0, 1), min_size=1, max_size=2_000))
def test_bits_go_round(unit: int, fc: int, bits: list[int]) -> None:
    reply = build_reply(unit, fc, tuple(bits))
    request = Request(unit, fc, 0, len(bits))
    assert parse_reply(reply, request).registers == tuple(bits)
    assert parse_reply(reply).registers[: len(bits)] == tuple(bits)


@given(st.binary(max_size=300), st.sampled_from(["raw", "sealed", "asked"]))
def test_any_bytes_are_a_reply_or_a_refusal(data: bytes, how: str) -> None:
    frame = data if how == "raw" else with_crc(data)
    try:
        reply = parse_reply(frame, Request(1, 3, 0, 2) if how == "asked" else None)
    except FrameError as error:
        reason = error.reason
    else:
        assert reply.registers
        return
    assert reason in REASONS


@given(units, st.sampled_from([3, 4]), st.lists(words, min_size=1, max_size=20), st.data())
def test_no_damaged_byte_passes(unit: int, fc: int, registers: list[int], data: st.DataObject) -> None:
    frame = bytearray(build_reply(unit, fc, tuple(registers)))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError) as caught:
        parse_reply(bytes(frame))
    assert caught.value.reason == "bad_crc"


def test_a_refusing_device_is_told_by_name() -> None:
    with pytest.raises(
        ModbusExceptionError, match="unit 7 answers FC 3 with exception 02, illegal data address"
    ):
        parse_reply(build_exception(7, 3, 2), Request(7, 3, 0, 1))
    with pytest.raises(ModbusExceptionError, match="exception 99, unknown exception"):
        parse_reply(build_exception(7, 3, 99))


GOOD = build_reply(1, 3, (1, 2))


@pytest.mark.parametrize(
    ("frame", "request_", "reason"),
    [
        (b"", None, "too_short"),
        (GOOD[:4], None, "too_short"),
        (GOOD[:-1], None, "bad_crc"),
        (GOOD[:-2], None, "bad_crc"),
        (GOOD + b"\0", None, "wrong_length"),  # the check of a frame with its check is nought
        (GOOD, Request(2, 3, 0, 2), "wrong_unit"),
        (GOOD, Request(1, 4, 0, 2), "wrong_function"),
        (GOOD, Request(1, 3, 0, 1), "wrong_length"),
        (build_exception(1, 4, 2), Request(1, 3, 0, 2), "wrong_function"),
        (with_crc(b"\x01\x03\x03\0\0\0"), None, "wrong_length"),
        (with_crc(b"\x01\x03\x04\0\0"), None, "wrong_length"),
        (with_crc(b"\x01\x03\x00"), None, "wrong_length"),
        (with_crc(b"\x01\x83\x02\0"), None, "wrong_length"),
        (with_crc(b"\x01\x06\0\x10\0\x01"), None, "unknown_function"),
        (with_crc(bytes(300)), None, "wrong_length"),
    ],
)
def test_a_frame_that_is_none_has_a_reason(frame: bytes, request_: Request | None, reason: str) -> None:
    with pytest.raises(FrameError) as caught:
        parse_reply(frame, request_)
    assert caught.value.reason == reason


@pytest.mark.parametrize("unit", [0xF8, 0xFE])
def test_a_single_device_answers_its_general_address_with_its_own(unit: int) -> None:
    assert parse_reply(GOOD, Request(unit, 3, 0, 2)).unit == 1


def test_a_request_is_held_to_its_form() -> None:
    for frame, reason in (
        (build_request(1, 3, 0, 2)[:-1], "wrong_length"),
        (build_request(1, 3, 0, 2)[:-1] + b"\0", "bad_crc"),
        (build_request(1, 0x42, 0, 2), "unknown_function"),
    ):
        with pytest.raises(FrameError) as caught:
            parse_request(frame)
        assert caught.value.reason == reason
