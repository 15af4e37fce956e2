"""Addresses and networks of a configuration."""

from __future__ import annotations

import pytest

from foundation.networks import is_within, parse_network


def test_an_address_is_a_network_of_one() -> None:
    written = [parse_network(one) for one in ("10.0.0.5", "192.168.0.0/16", "2001:db8::/32")]
    for inside in ("10.0.0.5", "192.168.255.1", "2001:db8::1", "::ffff:10.0.0.5"):
        assert is_within(inside, written)
    for outside in ("10.0.0.6", "192.169.0.1", "2001:db9::1", "", "localhost", "10.0.0.5:80"):
        assert not is_within(outside, written)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("10.0.0.5/8", "10.0.0.0/8"),
        ("localhost", "no address"),
        ("", "no address"),
        ("10.0.0.0/33", "no address"),
        (2130706433, "no address"),
    ],
)
def test_what_is_none_is_refused_in_words(written: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_network(written)
