"""Event rules: at their limits, one hair beside them, and where a value is to be doubted."""

from __future__ import annotations

from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.scenarios.health import FeverRule
from collector.scenarios.safety import SafetyRule
from telemetry.batch import Body
from telemetry.limits import default_limits
from telemetry.quantities import QUANTITIES
from telemetry.readings import SeriesKey
from telemetry.records import SITES, MorningCheck
from tests.collector.conftest import CO2, NOW_MS, PSEUDONYM, SMOKE, check

FEVER = FeverRule(default_limits())


def body(*records: MorningCheck) -> Body:
    return Body([], [], [], [], [], list(records))


def readings(*columns: tuple[SeriesKey, list[float]]) -> Body:
    counts = [len(values) for _, values in columns]
    flat = [value for _, values in columns for value in values]
    times = [NOW_MS + n for n in range(len(flat))]
    return Body([key for key, _ in columns], counts, times, flat, [0] * len(flat), [])


@pytest.mark.parametrize(
    ("site", "temperature_c", "fever"),
    [
        ("forehead", 37.3, True), ("forehead", nextafter(37.3, 0), False),
        ("axillary", 37.3, False), ("axillary", nextafter(37.3, 99), True),
        ("ear", 37.5, True), ("ear", nextafter(37.5, 0), False), ("ear", 37.3, False),
    ],
)  # fmt: skip
def test_the_limit_of_each_site(site: str, temperature_c: float, fever: bool) -> None:  # noqa: FBT001  # a column of the table
    found = list(FEVER.findings(body(check(temperature_c, site=site))))
    assert bool(found) == fever
    if found:
        (one,) = found
        assert (one.kind, one.site, one.value, one.unit) == ("fever", site, temperature_c, "Cel")
        assert one.limit == {"forehead": 37.3, "axillary": 37.3, "ear": 37.5}[site]


@pytest.mark.parametrize(
    ("changes", "doubtful"),
    [
        ({}, False),
        ({"temperature_c": 42.0}, False),
        ({"temperature_c": nextafter(42.0, 99)}, True),
        ({"ambient_c": 16.0}, False),
        ({"ambient_c": nextafter(16.0, 0)}, True),
        ({"ambient_c": 32.0}, False),
        ({"ambient_c": nextafter(32.0, 99)}, True),
        ({"ambient_c": 5.0, "site": "axillary"}, False),
    ],
)
def test_doubt(changes: dict[str, object], doubtful: bool) -> None:  # noqa: FBT001  # a column of the table
    (found,) = FEVER.findings(body(check(**changes)))
    assert found.doubtful == doubtful


@given(
    st.lists(
        st.builds(
            check,
            temperature_c=st.floats(30, 45),
            site=st.sampled_from(SITES),
            ambient_c=st.none() | st.floats(-10, 50),
            pseudonym=st.none() | st.just(PSEUDONYM),
        ),
        max_size=8,
    )
)
def test_findings_are_the_same_whenever_asked_and_each_has_its_own_cause(checks: list[MorningCheck]) -> None:
    found = list(FEVER.findings(body(*checks)))
    assert found == list(FEVER.findings(body(*checks)))
    assert len({one.cause for one in found}) == len(found)
    assert {one.pseudonym for one in found} <= {one.pseudonym for one in checks}


def test_only_a_one_of_an_urgent_quantity_alarms() -> None:
    values = readings((CO2, [1, 1]), (SMOKE, [0, 1, 0, 0.5, 1]), (SMOKE._replace(quantity="panic"), [1]))
    found = list(SafetyRule().findings(values))
    assert [(one.kind, one.cause, one.at_ms - NOW_MS) for one in found] == [
        ("smoke", "reading:3", 3), ("smoke", "reading:6", 6), ("panic", "reading:7", 7),
    ]  # fmt: skip
    assert all(QUANTITIES[one.kind].urgent for one in found)
