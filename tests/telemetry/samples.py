"""Inputs and strategies shared by the tests of the contract."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from telemetry.batch import FORMAT, Header, Stream
from telemetry.quality import ClockQuality, Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import SeriesKey
from telemetry.records import (
    DANGERS,
    SITES,
    SYMPTOMS,
    AccessEvent,
    HeartRateWindow,
    MealRecord,
    MorningCheck,
    SafetyEvent,
)

BASE_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

Column = tuple[SeriesKey, list[int], list[float], list[int]]

finite = st.floats(allow_nan=False, allow_infinity=False)
"""Any double that is a number: -0.0, subnormal and huge ones included."""
decimals = st.builds(lambda n, d: n / 10**d, st.integers(-(10**9), 10**9), st.integers(0, 6))
"""What sensors say."""
values = st.one_of(
    st.lists(decimals, min_size=1, max_size=30),
    st.lists(finite, min_size=1, max_size=30),
    st.lists(st.one_of(decimals, finite), min_size=1, max_size=30),
    st.lists(st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1.7976931348623157e308, 2.0**53, 0.1]), min_size=1),
)
text = st.text(max_size=12)
keys = st.builds(SeriesKey, st.sampled_from(sorted(QUANTITIES)), text, text, text)
times = st.one_of(
    st.integers(BASE_MS - 100_000, BASE_MS + 100_000),  # late readings go back in time
    st.integers(0, 2**53 - 1),
)
checks = st.builds(
    MorningCheck,
    time_ms=times,
    device=text,
    place=text,
    site=st.sampled_from(SITES),
    temperature_c=finite,
    ambient_c=st.none() | finite,
    symptoms=st.lists(st.sampled_from(SYMPTOMS), max_size=4).map(tuple),
    pseudonym=st.none() | text,
    class_id=st.none() | text,
)

_somebody = {"pseudonym": st.none() | text, "class_id": st.none() | text, "time_ms": times, "place": text}
records = st.one_of(
    checks,
    st.builds(AccessEvent, device=text, door=st.none() | st.integers(0, 99), **_somebody),
    st.builds(
        HeartRateWindow,
        mean_bpm=finite,
        min_bpm=finite,
        max_bpm=finite,
        samples=st.integers(1, 999),
        contact=st.none() | finite,
        above_limit_s=st.none() | finite,
        **_somebody,
    ),
    st.builds(
        MealRecord,
        device=text,
        meal=st.sampled_from(["breakfast", "lunch", "dinner", "other"]),
        mass_g=st.none() | finite,
        **_somebody,
    ),
    st.builds(SafetyEvent, danger=st.sampled_from(DANGERS), device=st.none() | text, **_somebody),
)
"""Any record of any type."""


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    """Any readings, grouped by series as a builder groups them."""
    found: list[Column] = []
    for key in draw(st.lists(keys, max_size=6, unique=True)):
        value = draw(values)
        size = len(value)
        when = draw(st.lists(times, min_size=size, max_size=size))
        quality = draw(st.lists(st.sampled_from([int(q) for q in Quality]), min_size=size, max_size=size))
        found.append((key, when, value, quality))
    return found


def header(readings: int, records: int = 0, *, stream: Stream = "bulk", base_ms: int = BASE_MS) -> Header:
    return Header(
        FORMAT, "example-primary", "gw-1", stream, "0123abcd", 7, base_ms,
        ClockQuality.SYNCED, "boot-1", "policy-1", readings, records,
    )  # fmt: skip
