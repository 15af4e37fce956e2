"""The parts of the panel that need no reader: cards, keys, packets."""

from __future__ import annotations

import itertools
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.cards import to_wiegand
from firmware_bridges.frames import osdp
from firmware_bridges.osdp_keys import DEFAULT_KEY
from firmware_bridges.osdp_panel import CardRead, Panel, ReaderSettings, credential_of, take_packet


def _bits(text: str) -> bytes:
    size = (len(text) + 7) // 8
    return int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")


@given(st.binary(min_size=3, max_size=4))
def test_a_wiegand_card_is_told_without_its_parity(card: bytes) -> None:
    bits = to_wiegand(card, 8 * len(card) + 2)
    assert credential_of(_bits(bits), len(bits)) == card.hex().upper()
    wrong = ("1" if bits[0] == "0" else "0") + bits[1:]
    with pytest.raises(ValueError, match=r"^bad_parity$"):
        credential_of(_bits(wrong), len(wrong))


@given(st.binary(min_size=4, max_size=10))
def test_other_cards_are_told_as_they_come(card: bytes) -> None:
    assert credential_of(card, 8 * len(card)) == card.hex().upper()
    assert credential_of(card.hex().encode(), 8 * len(card), is_text=True) == card.hex().upper()


@pytest.mark.parametrize(
    ("data", "bits"), [(b"", 0), (b"\0", 1), (bytes(4), 33), (bytes(4), 40), (bytes(5), 37), (bytes(20), 160)]
)
def test_what_is_no_card(data: bytes, bits: int) -> None:
    with pytest.raises(ValueError, match=r"^bad_length$"):
        credential_of(data, bits)


def test_a_card_is_shown_nowhere() -> None:
    assert "04A1" not in repr(CardRead(1, "04A1B2C3"))
    assert "30" not in repr(ReaderSettings(1, DEFAULT_KEY))


class _Nowhere:
    def read(self, count: int) -> bytes:
        return b""

    def write(self, data: bytes) -> int:
        return len(data)


@pytest.mark.parametrize(
    ("readers", "said"),
    [
        ([], "needs a reader"),
        ([ReaderSettings(1, b"")], "16 bytes"),
        ([ReaderSettings(1, DEFAULT_KEY)], "known to everybody"),
        ([ReaderSettings(1, bytes(16))], "known to everybody"),
        ([ReaderSettings(127, secrets.token_bytes(16))], "0 to 126"),
        ([ReaderSettings(1, secrets.token_bytes(16))] * 2, "same address"),
    ],
)
def test_a_panel_without_good_keys_is_none(readers: list[ReaderSettings], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Panel(readers, _Nowhere(), card=lambda _: None, now_s=lambda: 0.0)
    assert DEFAULT_KEY.hex() not in str(caught.value)


@given(
    payloads=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_packets_come_whole_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    packets = [osdp.encode(payload, address=1)[1:] for payload in payloads]
    line = b"\xff".join(packets)
    places = sorted({0, *(min(cut, len(line)) for cut in cuts), len(line)})
    begun, found = bytearray(), []
    for begin, end in itertools.pairwise(places):
        begun += line[begin:end]
        while packet := take_packet(begun):
            found.append(packet)
    assert found == packets


@given(st.binary(max_size=2_000))
def test_noise_makes_no_room_and_no_end(noise: bytes) -> None:
    begun = bytearray(noise)
    while take_packet(begun):
        assert len(begun) < len(noise)
    assert len(begun) < 256
