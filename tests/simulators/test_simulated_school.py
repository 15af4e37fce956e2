"""The school itself: deterministic, physically sound, and without anybody's name."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import climate, energy
from simulators.climate import CHANGES_PER_H_RANGE, CO2_OUTDOORS_PPM
from simulators.devices import Simulation
from simulators.layout import gateways
from simulators.pupils import class_label
from simulators.school import School, UnknownSeriesError
from simulators.timetable import (
    FIRST_MORNING_MS,
    MS_PER_DAY,
    MS_PER_MINUTE,
    Timeline,
    day_of,
    start_of,
)
from telemetry.fever import find_fever
from telemetry.limits import default_limits
from telemetry.quantities import QUANTITIES
from telemetry.records import MorningCheck

SCHOOL = School(seed=7)
WORLD = SCHOOL.world
TIMETABLE = WORLD.timetable
WALL_MS = 1_790_000_000_000
moments = st.integers(FIRST_MORNING_MS - 40 * MS_PER_DAY, FIRST_MORNING_MS + 400 * MS_PER_DAY)
LESSON_MS = start_of(day_of(FIRST_MORNING_MS)) + 530 * MS_PER_MINUTE


def test_the_same_seed_gives_the_same_school_and_another_seed_another() -> None:
    def said(seed: int) -> list[tuple[int, str, bytes]]:
        simulation = Simulation(School(seed), Timeline(WALL_MS, FIRST_MORNING_MS, 60))
        return [(one.due_ms, one.topic, one.payload) for one in simulation.messages(WALL_MS, WALL_MS + 8_000)]

    first = said(7)
    assert len(first) > 150
    assert said(7) == first
    assert said(8) != first
    assert School(7).pupils == SCHOOL.pupils
    assert not {one.card for one in School(8).pupils} & {one.card for one in SCHOOL.pupils}


@settings(max_examples=60, deadline=None)
@given(moments)
def test_every_series_has_a_plausible_value_at_every_moment(school_ms: int) -> None:
    for device in SCHOOL.devices:
        for name in SCHOOL.quantities(device.id):
            quantity = QUANTITIES[name]
            value = SCHOOL.truth(device.id, name, school_ms)
            assert quantity.low <= value <= quantity.high, (device.id, name)
            if quantity.is_bool:
                assert value in (0.0, 1.0)


def test_an_unknown_series_is_an_error_and_not_a_number() -> None:
    with pytest.raises(UnknownSeriesError):
        SCHOOL.truth("main-301-air", "smoke", FIRST_MORNING_MS)
    with pytest.raises(UnknownSeriesError):
        SCHOOL.truth("main-999-air", "co2", FIRST_MORNING_MS)


@settings(max_examples=100, deadline=None)
@given(moments, st.sampled_from(sorted(WORLD.rooms)))
def test_carbon_dioxide_keeps_the_mass_balance(school_ms: int, place: str) -> None:
    """The slope is what people give off less what the air change takes away."""
    room = WORLD.rooms[place]
    day, minute = day_of(school_ms), (school_ms - start_of(day_of(school_ms))) / MS_PER_MINUTE
    borders = [period.start_min for period in TIMETABLE.periods(day)] + [1_440]
    if min(abs(minute - border) for border in borders) < 0.1:
        return
    step_ms = 1_000
    before, here, after = (climate.co2_ppm(WORLD, room, school_ms + at) for at in (-step_ms, 0, step_ms))
    slope_ppm_h = (after - before) / 2 * 3_600
    changes_per_h = climate.air_changes_per_h(WORLD, room, school_ms)
    given_off = WORLD.occupancy.emission_m3_per_h(place, day, TIMETABLE.period_at(school_ms))
    balance = 1e6 * given_off / room.volume_m3 - changes_per_h * (here - CO2_OUTDOORS_PPM)
    assert slope_ppm_h == pytest.approx(balance, rel=1e-3, abs=0.05)
    assert CHANGES_PER_H_RANGE[0] <= changes_per_h <= CHANGES_PER_H_RANGE[1]


def test_a_lesson_fills_the_room_and_a_break_empties_it() -> None:
    def co2(minute: int) -> float:
        return SCHOOL.truth(
            "main-301-air", "co2", start_of(day_of(FIRST_MORNING_MS)) + minute * MS_PER_MINUTE
        )

    assert co2(500) + 200 < co2(540)
    assert co2(590) > co2(620) + 200
    assert abs(co2(420) - CO2_OUTDOORS_PPM) < 40


@settings(max_examples=100, deadline=None)
@given(moments, st.integers(0, 3 * 3_600_000), st.sampled_from([("canteen/kitchen", 3), ("main/301", 1)]))
def test_the_meter_counts_the_integral_of_its_power(
    school_ms: int, span_ms: int, meter: tuple[str, int]
) -> None:
    place, lines = meter
    borders = range(school_ms - school_ms % energy.SLOT_MS, school_ms + span_ms, energy.SLOT_MS)
    edges = [school_ms, *(one for one in borders if one > school_ms), school_ms + span_ms]
    summed = sum(
        sum(energy.power_w(WORLD, place, line, start) for line in range(1, lines + 1)) * (end - start) / 3.6e9
        for start, end in pairwise(edges)
    )
    counted = energy.energy_kwh(WORLD, place, lines, school_ms + span_ms)
    counted -= energy.energy_kwh(WORLD, place, lines, school_ms)
    assert counted == pytest.approx(summed, abs=1e-6)


@given(
    st.integers(WALL_MS, WALL_MS + 10**9),
    st.sampled_from([0.01, 0.5, 1, 7.3, 60, 3_600]),
)
def test_the_wall_time_of_a_school_time_is_the_first_that_reaches_it(wall_ms: int, speed: float) -> None:
    timeline = Timeline(WALL_MS, FIRST_MORNING_MS, speed)
    school_ms = timeline.school_ms(wall_ms)
    back_ms = timeline.wall_ms(school_ms)
    assert timeline.school_ms(back_ms) >= school_ms
    assert back_ms <= wall_ms


def test_truth_can_be_asked_in_wall_time() -> None:
    simulation = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 60))
    assert simulation.truth("main-301-air", "co2", WALL_MS + 2_000) == SCHOOL.truth(
        "main-301-air", "co2", FIRST_MORNING_MS + 120_000
    )


def test_nobody_has_lessons_on_a_weekend() -> None:
    first = day_of(FIRST_MORNING_MS)
    assert [TIMETABLE.is_school_day(first + at) for at in range(7)] == [True] * 5 + [False] * 2
    assert not TIMETABLE.in_check_window(FIRST_MORNING_MS + 5 * MS_PER_DAY)
    assert TIMETABLE.in_check_window(FIRST_MORNING_MS)
    assert not TIMETABLE.in_check_window(LESSON_MS)


def test_every_pupil_comes_before_anybody_comes_twice() -> None:
    pupils = len(SCHOOL.pupils)
    checks = [SCHOOL.check(number) for number in range(pupils)]
    known = [check.pupil for check in checks if check.pupil]
    assert len(set(known)) == len(known)
    assert 0 < pupils - len(known) < pupils / 10
    assert sum(check.has_fever for check in checks) >= pupils // 10


@given(st.integers(0, 10**9))
def test_who_has_a_fever_is_feverish_by_the_rules_limits(number: int) -> None:
    check = SCHOOL.check(number)
    record = MorningCheck(0, "station", "gate/entrance", check.site, round(check.temperature_c, 1), 22.0)
    assert (find_fever(record, default_limits()) is not None) == check.has_fever


def test_layout_gives_every_device_once_and_the_station_to_the_gate() -> None:
    teaching, gate = gateways(SCHOOL)
    ids = [entry["id"] for entry in (*teaching.devices, *gate.devices)]
    assert sorted(ids) == sorted(device.id for device in SCHOOL.on("mqtt"))
    assert len(set(ids)) == len(ids)
    assert SCHOOL.station.id in [entry["id"] for entry in gate.devices]


def test_places_and_classes_have_labels_for_people() -> None:
    assert class_label("3-2") == "三（2）班"
    assert SCHOOL.place_label("main/301") == ("教学楼 301", "Teaching building 301")
    for device in SCHOOL.devices:
        assert all(SCHOOL.place_label(device.place))


def test_no_card_stands_in_a_topic() -> None:
    simulation = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 60))
    topics = {simulation.topic(device).replace(":", "").upper() for device in simulation.devices}
    topics |= {one.topic.upper() for one in islice(simulation.messages(WALL_MS, WALL_MS + 20_000), 500)}
    for pupil in SCHOOL.pupils:
        assert not any(pupil.card in topic for topic in topics)
