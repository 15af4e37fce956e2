"""Retry delays stay within their bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foundation.backoff import Backoff
from foundation.logs import FirstOnly


@given(st.floats(0.001, 10), st.floats(1, 100), st.lists(st.sampled_from("drx"), max_size=20))
def test_delays(first_s: float, factor: float, calls: list[str]) -> None:
    max_s = first_s * factor
    backoff, bound = Backoff(first_s, max_s), first_s
    for call in calls:
        if call == "d":
            assert bound / 2 <= backoff.delay_s() <= bound
            bound = min(max_s, bound * 2)
        elif call == "r":
            backoff.reset()
            bound = first_s
        else:
            backoff.exhaust()
            bound = max_s


def test_first_only() -> None:
    seen = FirstOnly(keys_max=2)
    assert [seen.first(key) for key in ("a", "a", "b", "c")] == [True, False, True, False]
    assert [seen.forget(key) for key in ("a", "a", "c")] == [True, False, False]
    assert seen.first("a")
