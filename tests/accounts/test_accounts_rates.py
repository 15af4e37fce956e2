"""Limits: never more in a period than allowed (by a little), and who waits as told gets in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.accounts import rates as rates_module
from collector.accounts.errors import TooManyError
from collector.accounts.rates import Rate, Rates, key_of_address


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0


def limited(clock: Clock, times: int, period_s: float = 60.0) -> Rates:
    return Rates(lambda: clock.now_s, {"api": Rate(times, period_s)})


def is_taken(rates: Rates, key: str = "k") -> bool:
    try:
        rates.take("api", key)
    except TooManyError:
        return False
    return True


@given(st.integers(1, 20), st.lists(st.floats(0, 100), max_size=80))
def test_no_period_has_more_than_twice_and_no_window_more_than_allowed(
    times: int, gaps_s: list[float]
) -> None:
    """A sliding count guesses that what was before was spread evenly, so it may be off, within this bound."""
    clock = Clock()
    rates, taken = limited(clock, times), []
    for gap_s in gaps_s:
        clock.now_s += gap_s
        if is_taken(rates):
            taken.append(clock.now_s)
    for start in taken:
        assert sum(start <= one < start + 60 for one in taken) < 2 * times + 1
    windows = [int(one // 60) for one in taken]
    assert all(windows.count(window) <= times for window in windows)


@given(st.integers(1, 50), st.integers(0, 200), st.floats(0, 59))
def test_who_waits_as_told_gets_in(times: int, more: int, offset_s: float) -> None:
    clock = Clock()
    clock.now_s = offset_s
    rates = limited(clock, times)
    for _ in range(times + more):
        is_taken(rates)
    with pytest.raises(TooManyError) as caught:
        rates.take("api", "k")
    assert 1 <= caught.value.retry_after_s <= 120
    clock.now_s += caught.value.retry_after_s
    assert is_taken(rates)


@given(st.integers(10, 50), st.lists(st.floats(0.5, 5), min_size=1, max_size=120))
def test_who_keeps_well_below_the_rate_never_waits(times: int, more: list[float]) -> None:
    """By a third: the count is only sure to be right for what comes evenly."""
    clock = Clock()
    rates = limited(clock, times)
    for one in more:
        clock.now_s += 60 / times * (1 + one)
        assert is_taken(rates)


def test_a_minute_does_not_begin_anew_when_the_clock_does() -> None:
    clock = Clock()
    rates = limited(clock, 10)
    clock.now_s = 59.0
    assert all(is_taken(rates) for _ in range(10))
    clock.now_s = 61.0
    assert not is_taken(rates)
    clock.now_s = 90.0
    assert [is_taken(rates) for _ in range(6)] == [True] * 5 + [False]
    clock.now_s = 180.0
    assert [is_taken(rates) for _ in range(11)] == [True] * 10 + [False]


def test_one_does_not_pay_for_another_and_not_everybody_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates_module, "KEYS_MAX", 3)
    rates = limited(Clock(), 1)
    assert [is_taken(rates, key) for key in "aabbccdd"] == [True, False] * 4
    assert is_taken(rates, "a"), "forgotten"
    assert not is_taken(rates, "d")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "?"),
        ("", "?"),
    ],
)
def test_a_network_of_ipv6_is_one(address: str, key: str) -> None:
    assert key_of_address(address) == key
