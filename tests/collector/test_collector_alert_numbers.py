"""Numbers of alerts outside: nobody counts by them, and each leads back to its alert."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.alerts.numbers import NUMBER_MAX, AlertNumbers

NUMBERS, OTHERS = AlertNumbers(bytes(32)), AlertNumbers(b"1" * 32)
IDS = st.one_of(st.integers(1, 1_000), st.integers(1, NUMBER_MAX), st.just(NUMBER_MAX))


@given(IDS)
def test_there_and_back(id_: int) -> None:
    number = NUMBERS.outside(id_)
    assert 1 <= number <= NUMBER_MAX
    assert NUMBERS.inside(number) == id_
    assert NUMBERS.outside(NUMBERS.inside(id_)) == id_, "every number is some alert's"


def test_alerts_that_follow_each_other_have_numbers_that_do_not() -> None:
    numbers = [NUMBERS.outside(id_) for id_ in range(1, 1_001)]
    assert len(set(numbers)) == 1_000
    rises = sum(later > before for before, later in pairwise(numbers))
    assert 400 < rises < 600
    for part in range(10):
        share = sum(part <= 10 * number / NUMBER_MAX < part + 1 for number in numbers)
        assert 60 < share < 140
    assert not set(numbers) & {OTHERS.outside(id_) for id_ in range(1, 1_001)}


def test_what_was_made_up_is_no_alert_that_there_is() -> None:
    assert all(NUMBERS.inside(number) > 100_000 for number in range(1, 1_001))
