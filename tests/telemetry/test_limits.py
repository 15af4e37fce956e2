"""The fever rule at its boundaries, and limits that are refused before a fever comes."""

from __future__ import annotations

import math

import pytest

from telemetry.fever import Fever, find_fever
from telemetry.limits import Limit, default_limits, parse_limits
from telemetry.records import SITES, MorningCheck, Site


def check(site: Site, temperature_c: float, ambient_c: float | None = None) -> MorningCheck:
    return MorningCheck(0, "station-1", "1/hall", site, temperature_c, ambient_c)


@pytest.mark.parametrize(
    ("site", "temperature_c", "limit_c"),
    [
        ("forehead", 37.29, None),
        ("forehead", 37.3, 37.3),
        ("axillary", 37.3, None),
        ("axillary", 37.31, 37.3),
        ("ear", 37.49, None),
        ("ear", 37.5, 37.5),
        ("ear", 33.0, None),
    ],
)
def test_the_limit_of_each_site(site: Site, temperature_c: float, limit_c: float | None) -> None:
    found = find_fever(check(site, temperature_c), default_limits())
    assert found == (None if limit_c is None else Fever(limit_c, doubtful=False))


@pytest.mark.parametrize(
    ("site", "temperature_c", "ambient_c", "doubtful"),
    [
        ("forehead", 38.0, None, False),
        ("forehead", 38.0, 16.0, False),
        ("forehead", 38.0, 15.9, True),
        ("forehead", 38.0, 32.0, False),
        ("forehead", 38.0, 32.1, True),
        ("ear", 38.0, 5.0, True),
        ("axillary", 38.0, 5.0, False),  # a contact thermometer does not mind the air
        ("forehead", 42.0, 22.0, False),
        ("forehead", 42.1, 22.0, True),
        ("axillary", 55.0, None, True),
    ],
)
def test_a_doubtful_fever_is_still_one(
    site: Site,
    temperature_c: float,
    ambient_c: float | None,
    doubtful: bool,  # noqa: FBT001  # of the table above
) -> None:
    found = find_fever(check(site, temperature_c, ambient_c), default_limits())
    assert found is not None
    assert found.doubtful is doubtful


def test_every_site_has_a_limit_with_its_source() -> None:
    limits = default_limits()
    assert set(limits.fever) == set(SITES)
    for limit in (*limits.fever.values(), *limits.valid.values()):
        assert limit.source
        assert limit.edition
        assert limit.unit == "Cel"


def test_what_a_limit_holds() -> None:
    both = Limit("1", "s", "e", "E", above=1.0, at_or_below=2.0)
    assert [both.holds(value) for value in (1.0, 1.5, 2.0, 2.1, math.nan)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    low = Limit("1", "s", "e", "E", at_or_above=1.0, below=2.0)
    assert [low.holds(value) for value in (0.9, 1.0, 2.0)] == [False, True, False]


ROW = 'unit = "Cel"\nsource = "s"\nedition = "e"\nconfidence = "E"\n'
WHOLE = "".join(
    f"[{name}]\nat_or_above = 1\n{ROW}"
    for name in (
        "fever.forehead",
        "fever.axillary",
        "fever.ear",
        "valid.body_temperature",
        "valid.ambient_for_infrared",
    )
)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("fever.ear", "fever.elbow", "fever.ear is missing"),
        ("[fever.ear]", f"[fever.elbow]\nabove = 1\n{ROW}[fever.ear]", "fever.elbow"),
        ("[fever.ear]\nat_or_above", "[fever.ear]\nbelow", "fever.ear needs"),
        ("[fever.ear]\nat_or_above = 1", "[fever.ear]", "fever"),
        ("valid.body_temperature", "valid.x", "valid.body_temperature is missing"),
        ("valid.ambient_for_infrared", "valid.x", "valid.ambient_for_infrared is missing"),
        ("source", "sauce", "sauce"),
        ('"E"', '"Z"', "confidence"),
        ("[fever.ear]", "[fever.ear", "limits"),
    ],
)
def test_a_file_that_a_rule_could_stumble_over_is_refused(before: str, after: str, said: str) -> None:
    parse_limits(WHOLE)
    with pytest.raises(ValueError, match="limits") as caught:
        parse_limits(WHOLE.replace(before, after))
    assert said in str(caught.value)
