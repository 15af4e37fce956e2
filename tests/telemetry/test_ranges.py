"""RangeSet against the plainest model there is: a set of integers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.ranges import RangeSet

pairs = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair)))


@given(st.lists(pairs, max_size=30), pairs)
def test_like_a_set_of_integers(ranges: list[tuple[int, int]], window: tuple[int, int]) -> None:
    found, model = RangeSet(), set[int]()
    for first, last in ranges:
        found.add(first, last)
        model |= set(range(first, last + 1))
        assert len(found) == len(model)
        assert bool(found) == bool(model)
        assert [n for n in range(-1, 75) if n in found] == sorted(model)
        kept = list(found)
        assert all(a[1] + 1 < b[0] for a, b in pairwise(kept)), "sorted, disjoint, not adjacent"
    holes = found.holes(*window)
    assert [n for a, b in holes for n in range(a, b + 1)] == sorted(
        set(range(window[0], window[1] + 1)) - model
    )
    overlap = found.overlap(*window)
    assert [n for a, b in overlap for n in range(a, b + 1)] == sorted(
        set(range(window[0], window[1] + 1)) & model
    )
    again = RangeSet(reversed(ranges))
    assert again == found
    again.update(found)
    assert repr(again) == repr(found)


def test_one_number_and_empty_ranges() -> None:
    found = RangeSet()
    found.add(7)
    assert list(found) == [(7, 7)]
    for first, last in ((3, 2), (-1, 4)):
        with pytest.raises(ValueError, match="empty or negative"):
            found.add(first, last)
