"""What is believed of the bytes on a line: exactly one shape, whatever surrounds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from edge_agent.drivers.modbus import requests
from edge_agent.drivers.modbus.link import RefusedError
from edge_agent.drivers.modbus.requests import Request
from edge_agent.drivers.modbus.rtu import SerialLine, _frame, find_reply

WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)


def _sealed(head: bytes) -> bytes:
    return head + FramerRTU.compute_CRC(head).to_bytes(2, "big")


def _reply(unit: int, words: list[int], fc: int = 3) -> bytes:
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return _sealed(bytes((unit, fc, len(data))) + data)


@given(words=WORDS, before=st.binary(max_size=12), after=st.binary(max_size=12))
def test_a_good_reply_is_found_within_noise(words: list[int], before: bytes, after: bytes) -> None:
    request = requests.read(3, 0, len(words))
    body = find_reply(before + _reply(7, words) + after, 7, request)
    assert body is not None
    assert requests.values(request, body) == tuple(words)


@given(words=WORDS, cut=st.integers(1, 30))
def test_a_reply_that_is_cut_is_none_yet(words: list[int], cut: int) -> None:
    frame = _reply(7, words)
    assert find_reply(frame[:-cut], 7, requests.read(3, 0, len(words))) is None


@given(words=WORDS, at=st.integers(0), bit=st.integers(0, 7))
def test_a_reply_with_a_wrong_bit_is_none(words: list[int], at: int, bit: int) -> None:
    frame = bytearray(_reply(7, words))
    frame[at % len(frame)] ^= 1 << bit
    assert find_reply(frame, 7, requests.read(3, 0, len(words))) is None


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (_reply(8, [1, 2]), "another unit"),
        (_reply(7, [1, 2], fc=4), "another function"),
        (_reply(7, [1, 2, 3]), "more than was asked for"),
        (_reply(7, [1]), "less than was asked for"),
        (_sealed(bytes((8, 0x83, 2))), "another unit refuses"),
        (_sealed(bytes((7, 0x84, 2))), "another function is refused"),
    ],
)
def test_another_shape_is_no_reply(frame: bytes, why: str) -> None:
    assert find_reply(frame, 7, requests.read(3, 0, 2)) is None, why


def test_a_refusal_tells_its_code() -> None:
    with pytest.raises(RefusedError, match="exception 2") as caught:
        find_reply(b"\x00" + _sealed(bytes((7, 0x83, 2))), 7, requests.read(3, 0, 2))
    assert caught.value.code == 2


# Request and reply as they stand in the Modbus application protocol V1.1b3, section 6.
SPECIFIED: list[tuple[Any, str, str, tuple[int, ...]]] = [
    (requests.read(1, 0x13, 0x13), "01 0013 0013", "01 03 CD6B05",
     (1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1)),
    (requests.read(3, 0x6B, 3), "03 006B 0003", "03 06 022B 0000 0064", (555, 0, 100)),
    (requests.read(4, 8, 1), "04 0008 0001", "04 02 000A", (10,)),
    (requests.write_coil(0xAC, True), "05 00AC FF00", "05 00AC FF00", ()),
    (requests.write_register(1, 3), "06 0001 0003", "06 0001 0003", ()),
    (requests.write_coils(0x13, [True, False, True, True, False, False, True, True, True, False]),
     "0F 0013 000A 02 CD01", "0F 0013 000A", ()),
    (requests.write_registers(1, [10, 0x102]), "10 0001 0002 04 000A 0102", "10 0001 0002", ()),
    (requests.mask_write(4, 0xF2, 0x25), "16 0004 00F2 0025", "16 0004 00F2 0025", ()),
    (requests.read_write(3, 6, 0x0E, [0xFF, 0xFF, 0xFF]),
     "17 0003 0006 000E 0003 06 00FF 00FF 00FF", "17 0C 00FE 0ACD 0001 0003 000D 00FF",
     (0xFE, 0xACD, 1, 3, 13, 255)),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "asked", "answered", "values"), SPECIFIED)
def test_the_examples_of_the_specification(
    request_: Request, asked: str, answered: str, values: tuple[int, ...]
) -> None:
    assert _frame(17, request_) == _sealed(b"\x11" + bytes.fromhex(asked))
    body = find_reply(_sealed(b"\x11" + bytes.fromhex(answered)), 17, request_)
    assert body is not None
    assert requests.values(request_, body)[: len(values)] == values


def test_a_write_that_is_answered_with_another_value_is_not_done() -> None:
    frame = _sealed(bytes.fromhex("11 06 0001 0004"))
    assert find_reply(frame, 17, requests.write_register(1, 3)) is None


def test_what_no_device_can_be_asked_is_refused_here() -> None:
    impossible: Callable[[], Request]
    for impossible in (
        lambda: requests.read(3, 0, 126),
        lambda: requests.read(1, 0, 2_001),
        lambda: requests.read(3, 0xFFFF, 2),
        lambda: requests.read(5, 0, 1),
        lambda: requests.write_register(0, 0x1_0000),
        lambda: requests.write_registers(0, []),
        lambda: requests.read_write(0, 1, 0, [0] * 122),
    ):
        with pytest.raises(ValueError, match=r"expected|at once"):
            impossible()


def test_the_silence_between_frames_is_that_of_the_specification() -> None:
    assert SerialLine("x", 9_600, "E", 1).silence_s == pytest.approx(3.5 * 11 / 9_600)
    assert SerialLine("x", 9_600, "N", 1).silence_s == pytest.approx(3.5 * 10 / 9_600)
    assert SerialLine("x", 115_200).silence_s == pytest.approx(0.001_75)
