"""One card, however it is written, is the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import cards
from firmware_bridges.cards import Facility


def test_one_tag_in_all_its_notations() -> None:
    uid = cards.parse_hex("00:86:F4:44")
    assert cards.parse_decimal("0008844356") == uid == cards.parse_hex("0086f444")
    assert cards.to_decimal(uid) == "0008844356"
    assert cards.to_facility(uid) == Facility(134, 62532)
    assert str(cards.to_facility(uid)) == "134,62532"
    assert cards.parse_facility("134,62532") == uid[1:] == cards.from_facility(Facility(134, 62532))
    assert cards.parse_wiegand(cards.to_wiegand(uid, 26)) == uid[1:]
    assert cards.parse_wiegand(cards.to_wiegand(uid, 34)) == uid
    told = {"0086F444", "44F48600", "86F444", "0086F4", "44F486", "F48600"}
    assert cards.notations(uid) == told | {"000086F4", "0044F486", "00F48600"}, "24 bits as a decimal number"


def test_a_tag_of_five_bytes_is_found_under_what_every_reader_of_it_tells() -> None:
    tag = bytes.fromhex("0400BC614E")
    found = cards.notations(tag)
    assert {"0400BC614E", "00BC614E", "BC614E"} <= found, "our desk, an RDM6300, Wiegand of 26 bits"
    assert cards.notations(bytes.fromhex("04A2B30400BC61")) >= {"B30400BC61", "0400BC61", "00BC61"}
    assert "0000BC61" in cards.notations(bytes.fromhex("04A2B30400BC61")), "24 bits told as a decimal number"


def test_the_bits_of_manuals() -> None:
    assert cards.parse_wiegand("00110010100001111111111111") == cards.from_facility(Facility(101, 4095))
    assert cards.to_wiegand((1_234_567_890).to_bytes(4, "big"), 34) == "1010010011001011000000010110100100"


@given(st.binary(min_size=4, max_size=10))
def test_notations_lead_back(uid: bytes) -> None:
    assert cards.parse_hex(uid.hex(":")) == uid
    assert cards.parse_decimal(cards.to_decimal(uid)) == uid[-4:]
    assert cards.from_facility(cards.to_facility(uid)) == uid[-3:]
    assert cards.parse_facility(str(cards.to_facility(uid))) == uid[-3:]
    for bits in (26, 34):
        sent = cards.to_wiegand(uid, bits)
        assert len(sent) == bits
        assert cards.parse_wiegand(sent).hex().upper() in cards.notations(uid)
    assert cards.notations(uid) == cards.notations(uid[::-1])


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (cards.parse_hex, "12345"),
        (cards.parse_hex, "00" * 11),
        (cards.parse_hex, ""),
        (cards.parse_decimal, "9999999999"),
        (cards.parse_decimal, "-1"),
        (cards.parse_decimal, "１"),
        (cards.parse_facility, "256,1"),
        (cards.parse_facility, "1,65536"),
        (cards.parse_facility, "99"),
        (cards.parse_wiegand, "0" * 26),
        (cards.parse_wiegand, "1" * 25),
        (cards.parse_wiegand, "2" * 26),
    ],
)
def test_what_is_no_card_is_refused_without_being_repeated(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert not text or text not in str(caught.value)


def test_a_card_with_too_few_bytes_or_a_format_unknown() -> None:
    for uid, bits in ((b"12", 26), (b"123", 34), (b"1234", 37)):
        with pytest.raises(ValueError, match=r"bytes|formats"):
            cards.to_wiegand(uid, bits)
    with pytest.raises(ValueError, match="three bytes"):
        cards.to_facility(b"12")
