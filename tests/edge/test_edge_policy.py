"""The policy: what may stand in it, and that whatever stands in it no record passes without a permit."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.gate import Policy, load_policy
from edge_agent.gate.policy import HOLDERS, RecordRules, parse_policy
from edge_agent.gate.rounding import generalise, time_to_step, to_step
from foundation.tomlfile import FileProblems
from telemetry.credential_map import CredentialMap, Lesson, Person, normalise_band
from telemetry.fever import find_fever
from telemetry.limits import default_limits
from telemetry.purposes import PURPOSE_NAMES
from telemetry.quantities import QUANTITIES, Lane
from telemetry.records import RECORD_TYPES, HeartRateWindow, MorningCheck, SafetyEvent, name_of
from tests.edge.edge_parts import NOW_MS
from tests.edge.gate_parts import (
    BAND_ADDRESS,
    DAY_MS,
    MINUTE_MS,
    Door,
    bundled_text,
    changed_policy,
    school_map,
    without_record,
)
from tests.edge.maps import make_map, person


def problems(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(FileProblems) as caught:
        parse_policy(data, "ours.toml")
    return [str(one) for one in caught.value.problems]


def test_the_bundled_policy_has_a_rule_for_every_record_and_names_its_version() -> None:
    policy = load_policy()
    assert set(RecordRules.model_fields) == set(RECORD_TYPES)
    for name, kind in RECORD_TYPES.items():
        assert getattr(policy.records, name).purpose == kind.purpose
    assert policy.version.startswith("standard-1+")
    assert policy.version != changed_policy(("bpm = 1", "bpm = 2")).version


def test_a_record_takes_what_is_of_its_own_purpose() -> None:
    for quantity, record in HOLDERS.items():
        assert QUANTITIES[quantity].lane is Lane.PERSONAL
        assert QUANTITIES[quantity].purpose == RECORD_TYPES[record].purpose


def test_a_schools_own_file(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(bundled_text().replace('version = "standard-1"', 'version = "shili-2"'), "utf-8")
    assert load_policy(file).version.startswith("shili-2+")
    with pytest.raises(FileProblems, match=r"none\.toml: cannot be read: No such file"):
        load_policy(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('window = "pe_lesson"', 'window = "always"', "heart_rate_window.window must be 'pe_lesson'"),
        ('window = "pe_lesson"', 'window = "school_day"', "heart_rate_window.window must be 'pe_lesson'"),
        ("margin_min = 5", "margin_min = 5.5", "margin_min must be less than or equal to 5"),
        ('purpose = "sport"', 'purpose = "health"', "heart_rate_window.purpose must be 'sport'"),
        ("temperature_c = 0.1", "temperature_c = 0.5", "temperature_c must be less than or equal to 0.1"),
        ("temperature_c = 0.1", "temperatur_c = 0.1", "temperatur_c is not a setting; check its spelling"),
        ("temperature_c = 0.1", "names = true", "names is not a setting"),
        ("temperature_c = 0.1", "temperature_c = nan", "temperature_c must be"),
        ("[records.safety_event]", "[records.alarm]", "records.safety_event is missing"),
        ("skin_contact =", "steps =", "steps has a place in no record; leave it out"),
        ("skin_contact =", "co2 =", "co2 is not a quantity measured at a body"),
        ('contact = "heart_rate_window"', 'contact = "meal_record"', "goes into 'heart_rate_window' or"),
        ('heart_rate = "heart_rate_window"\n', "", "heart_rate_window needs heart_rate ="),
        ("lunch = { from = 10:30:00", "lunch = { from = 08:59:59", "begins before breakfast is over"),
        ("lunch = { from = 10:30:00", "lunch = { from = 13:30:00", "ends before it begins"),
        ("lunch =", "tea =", "meals.tea must be"),
        ('version = "standard-1"', "", "version is missing"),
        ('version = "standard-1"', 'version = "our own"', "version"),
    ],
)
def test_a_policy_that_asks_for_more_is_refused_whole(old: str, new: str, said: str) -> None:
    text = bundled_text()
    assert old in text
    found = problems(text.replace(old, new, 1))
    assert any(said in one for one in found), found
    assert all(one.startswith("ours.toml:") for one in found)


@pytest.mark.parametrize("record", ["access_event", "meal_record", "heart_rate_window"])
def test_without_a_map_no_policy_lets_anything_but_alarms_pass(record: str) -> None:
    head, rule = bundled_text().split(f"[records.{record}]")
    wider = rule.replace('map_unusable = "drop"', 'map_unusable = "anonymous"', 1)
    found = problems(f"{head}[records.{record}]{wider}")
    assert f"records.{record}.map_unusable must be 'drop'" in found[0]


def test_a_quantity_needs_the_rule_of_its_record() -> None:
    without = without_record("heart_rate_window").replace(
        "[quantities]\n", '[quantities]\nheart_rate = "heart_rate_window"\n'
    )
    [found] = problems(without)
    assert "quantities.heart_rate goes into a record without a rule; add [records.heart_rate_window]" in found


@pytest.mark.parametrize("bad", [b"\xff", b"version = ", b"[records", b"version = 1\n" * 3])
def test_what_is_no_policy_is_refused(bad: bytes) -> None:
    assert problems(bad)


@pytest.mark.parametrize("record", [one for one in RECORD_TYPES if one != "safety_event"])
def test_what_the_policy_does_not_name_does_not_pass(record: str) -> None:
    door = Door(school_map(), policy=parse_policy(without_record(record).encode(), "ours.toml"))
    door.check(38.4)
    door.tap()
    door.tap(device="counter-1")
    door.read("heart_rate", 120.0)
    door.gate.flush()
    assert {name_of(one) for one in door.behind.all_records} == set(RECORD_TYPES) - {record, "safety_event"}
    assert door.counters.dropped == {"not_in_policy": 1}


@pytest.mark.parametrize(
    ("local", "meal"),
    [
        (time(5, 59, 59), "other"),
        (time(6), "breakfast"),
        (time(8, 59), "breakfast"),
        (time(9), "other"),
        (time(12), "lunch"),
        (time(17), "dinner"),
    ],
)
def test_which_meal_it_is(local: time, meal: str) -> None:
    assert load_policy().meal_at(local) == meal


def test_a_school_day_is_a_window_too() -> None:
    policy = changed_policy(
        ('"access"\nwindow = "always"', '"access"\nwindow = "school_day"\nmargin_min = 30'),
    )
    days = [(NOW_MS, NOW_MS + 3_600_000)]
    door = Door(school_map(school_days=days), policy=policy)
    margin_ms = 30 * MINUTE_MS
    for time_ms in (
        NOW_MS - margin_ms - 1,
        NOW_MS - margin_ms,
        days[0][1] + margin_ms,
        days[0][1] + margin_ms + 1,
    ):
        door.tap(time_ms=time_ms)
    assert len(door.behind.later) == 2
    assert door.counters.dropped == {"outside_school_day": 2}


def test_places_are_told_as_the_policy_says() -> None:
    assert [generalise("main/301", one) for one in ("place", "building", "none")] == ["main/301", "main", ""]
    text = '"access"\nwindow = "always"\nunknown = "drop"\nmap_unusable = "drop"\nplace = "place"'
    for granularity, place in (("building", "main"), ("none", "")):
        door = Door(school_map(), policy=changed_policy((text, text.replace('"place"', f'"{granularity}"'))))
        door.tap()
        [event] = door.behind.later
        assert (event.place, event.device, event.door) == (place, "", None)  # type: ignore[union-attr]  # an AccessEvent


@given(st.floats(0, 1_000), st.sampled_from([0.0, 0.1, 0.5, 1.0, 5.0]))
def test_rounding_is_to_the_nearest_step(value: float, step: float) -> None:
    found = to_step(value, step)
    assert abs(found - value) <= step / 2 + 1e-6
    assert to_step(found, step) == found


@given(st.integers(0, 2**45), st.integers(0, 3_600))
def test_times_are_rounded_down(time_ms: int, step_s: int) -> None:
    found = time_to_step(time_ms, step_s)
    assert time_ms - step_s * 1_000 < found <= time_ms or (step_s == 0 and found == time_ms)


@given(st.sampled_from(["forehead", "ear", "axillary"]), st.floats(36, 39))
def test_rounding_neither_makes_nor_hides_a_fever(site: Any, temperature_c: float) -> None:
    door = Door(school_map())
    door.check(temperature_c, site=site)
    [(_, (record,), alarm)] = door.behind.urgents
    raw = MorningCheck(NOW_MS, "station-1", "main/gate", site, temperature_c)
    assert isinstance(record, MorningCheck)
    assert (find_fever(record, default_limits()) is not None) == alarm
    assert (find_fever(raw, default_limits()) is not None) == alarm
    assert abs(record.temperature_c - temperature_c) <= 0.05 + 1e-9


WINDOWS = st.sampled_from(['"always"', '"school_day"', '"pe_lesson"'])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Whatever the loader lets a school write."""

    def one_of(*words: str) -> str:
        return f'"{draw(st.sampled_from(words))}"'

    lines = ['version = "any"']
    common = 'place = "place"'
    sections = {
        "morning_check": ("health", draw(WINDOWS), ("drop", "anonymous_if_fever")),
        "access_event": ("access", draw(WINDOWS), ("drop", "anonymous")),
        "meal_record": ("nutrition", draw(WINDOWS), ("drop", "anonymous")),
        "heart_rate_window": ("sport", '"pe_lesson"', ("drop",)),
        "safety_event": ("safety", '"always"', ("anonymous",)),
    }
    left_out = draw(st.sets(st.sampled_from([one for one in sections if one != "safety_event"])))
    for name, (purpose, window, unknown) in sections.items():
        if name in left_out:
            continue
        word = '"drop"' if window == '"pe_lesson"' else one_of(*unknown)
        unusable = '"anonymous"' if name == "safety_event" else '"drop"'
        margin = draw(st.integers(0, 5))
        lines += [
            f"[records.{name}]", f'purpose = "{purpose}"', f"window = {window}", f"margin_min = {margin}",
            f"unknown = {word}", f"map_unusable = {unusable}", common,
        ]  # fmt: skip
    lines.append("[quantities]")
    lines += [f'{quantity} = "{record}"' for quantity, record in HOLDERS.items() if record not in left_out]
    return parse_policy("\n".join(lines).encode(), "any.toml")


@st.composite
def maps(draw: st.DrawFn) -> CredentialMap:
    """Three pupils with cards and bands, each with a few permits, some of them over."""
    people: list[Person] = []
    for slot in range(3):
        permits = {
            purpose: (f"{purpose}-{slot}", draw(st.sampled_from([NOW_MS - 1, NOW_MS, NOW_MS + DAY_MS])))
            for purpose in draw(st.sets(st.sampled_from(PURPOSE_NAMES)))
        }
        people.append(person(slot, permits, class_id=f"c-{slot % 2}"))
    starts_ms = NOW_MS + draw(st.integers(-90, 90)) * MINUTE_MS
    lesson = Lesson(starts_ms, starts_ms + 40 * MINUTE_MS, draw(st.sampled_from(["pe", "maths"])), "gym/1")
    days = [(NOW_MS - DAY_MS, NOW_MS - draw(st.integers(0, 2)) * MINUTE_MS)]
    issued_ms = NOW_MS - draw(st.sampled_from([0, 7 * DAY_MS, 7 * DAY_MS + 1]))
    credentials = {f"0000000{slot}": slot for slot in range(3)}
    credentials |= {normalise_band(BAND_ADDRESS[:-1] + str(slot)): slot for slot in range(3)}
    return make_map(people, credentials, issued_ms=issued_ms, lessons={"c-0": [lesson]}, school_days=days)


HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["check", "fever", "tap", "meal", "beat", "panic"]),
        st.integers(0, 4),
        st.integers(-120, 0),
    ),
    max_size=12,
)


@given(policies(), maps(), HAPPENINGS)
def test_no_policy_lets_a_record_pass_without_a_permit(
    policy: Policy, found: CredentialMap, happenings: list[tuple[str, int, int]]
) -> None:
    door = Door(found, policy=policy, bands={f"band-{at}": BAND_ADDRESS[:-1] + str(at) for at in range(4)})
    for what, who, minutes in happenings:
        time_ms = NOW_MS + minutes * MINUTE_MS
        card = f"0000000{who}"
        if what in ("check", "fever"):
            door.check(38.4 if what == "fever" else 36.5, card, time_ms=time_ms)
        elif what in ("tap", "meal"):
            door.tap(card, "door-1" if what == "tap" else "counter-1", time_ms=time_ms)
        else:
            quantity = "heart_rate" if what == "beat" else "panic"
            door.read(quantity, 100.0 if what == "beat" else 1.0, f"band-{min(who, 3)}", time_ms=time_ms)
    door.gate.flush()
    passed = door.behind.all_records
    believed = found.is_current(NOW_MS, 7)
    for record in passed:
        name = name_of(record)
        rule = getattr(policy.records, name)
        assert rule is not None
        if record.pseudonym is None:
            assert isinstance(record, SafetyEvent) or rule.unknown != "drop"
            assert isinstance(record, SafetyEvent) or believed
            assert record.class_id is None
            continue
        purpose, _, slot = record.pseudonym.partition("-")
        permit = found.people[int(slot)].permits.get(RECORD_TYPES[name].purpose)
        assert believed
        assert purpose == rule.purpose
        assert permit is not None
        assert permit.until_ms is not None
        assert permit.until_ms > NOW_MS
        if isinstance(record, HeartRateWindow):
            [lesson] = found.lessons["c-0"]
            assert lesson.subject == "pe"
            assert record.class_id == "c-0"
    singles = sum(one.samples if isinstance(one, HeartRateWindow) else 1 for one in passed)
    assert singles + sum(door.counters.dropped.values()) == len(happenings), "passed or counted"
    assert not door.passed(), "what is carried is no reading"
