"""Addresses and networks of a configuration, and of whoever asks."""

from __future__ import annotations

import pytest

from foundation.networks import host_of, is_within, parse_network


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


def test_addresses_count_as_whoever_has_them() -> None:
    assert host_of("192.0.2.7") == "192.0.2.7"
    assert host_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert host_of("2001:db8:1:2:3:4:5:6") == host_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert host_of("fe80::1%eth0") == "fe80::/64"
    for text in ("", "unknown", "1.2.3", "a" * 5_000):
        assert host_of(text) is None
