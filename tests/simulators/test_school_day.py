"""A day of the simulated school: who is where, what hearts and fridges do, who comes and who eats."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import body, climate, fridge, meals
from simulators.arrivals import present, taps_of
from simulators.devices import Simulation
from simulators.plan import default_plan
from simulators.school import School
from simulators.timetable import FIRST_MORNING_MS, MS_PER_DAY, MS_PER_MINUTE, Timeline, day_of, start_of
from simulators.world import World

SCHOOL = School(seed=7)
WORLD = SCHOOL.world
PEOPLE = WORLD.occupancy
MONDAY = day_of(FIRST_MORNING_MS)
PE_CLASS = "3-2"
"""It has PE on the playground in the first lesson on Mondays."""
PE_PUPIL = 5 * 36
MEALS = {"lunch", "dinner"}
moments = st.integers(start_of(MONDAY - 20), start_of(MONDAY + 200))
pupils = st.integers(0, len(SCHOOL.pupils) - 1)


def at(clock: str, day: int = MONDAY) -> int:
    hour, minute = clock.split(":")
    return start_of(day) + (60 * int(hour) + int(minute)) * MS_PER_MINUTE


@given(moments)
def test_nobody_is_in_two_places(school_ms: int) -> None:
    day, period = day_of(school_ms), WORLD.timetable.period_at(school_ms)
    for one in SCHOOL.plan.classes:
        places = [PEOPLE.pupils(one, room.place, day, period) for room in SCHOOL.plan.rooms]
        assert sum(places) <= PEOPLE.present(one.id, day) <= one.pupils


@given(moments)
def test_no_room_holds_more_pupils_than_seats(school_ms: int) -> None:
    day, period = day_of(school_ms), WORLD.timetable.period_at(school_ms)
    for room in SCHOOL.plan.rooms:
        inside = sum(PEOPLE.pupils(one, room.place, day, period) for one in SCHOOL.plan.classes)
        assert inside <= room.seats or room.kind == "gate"


def test_a_pe_lesson_empties_the_room_and_its_air_gets_better() -> None:
    room, other = WORLD.rooms["main/302"], WORLD.rooms["main/301"]
    assert PEOPLE.people_at("main/302", at("08:40")) == 0
    assert PEOPLE.people_at("yard/playground", at("08:40")) == PEOPLE.present(PE_CLASS, MONDAY)
    assert PEOPLE.people_at("main/301", at("08:40")) == PEOPLE.present("3-1", MONDAY)
    assert climate.co2_ppm(WORLD, room, at("08:55")) < climate.co2_ppm(WORLD, room, at("08:25"))
    assert climate.co2_ppm(WORLD, other, at("08:55")) > climate.co2_ppm(WORLD, other, at("08:25")) + 200


def test_the_day_fills_canteen_and_study_room_and_sends_cleaners() -> None:
    assert PEOPLE.people_at("canteen/hall", at("12:00")) > 150
    assert PEOPLE.people_at("canteen/hall", at("10:00")) == 0
    assert PEOPLE.people_at("main/301", at("19:00")) == 24
    assert PEOPLE.people_at("main/201", at("19:00")) == 0
    assert PEOPLE.people_at("main/201", at("18:15")) == 0
    assert PEOPLE.people_at("main/301", at("18:15")) == 7
    assert PEOPLE.people_at("main/201", at("17:00")) == 1
    assert PEOPLE.people_at("main/301", at("19:00", MONDAY + 5)) == 0


@settings(max_examples=40, deadline=None)
@given(moments, pupils)
def test_a_heart_stays_between_rest_and_maximum(school_ms: int, pupil: int) -> None:
    heart = body.heart_of(WORLD, pupil)
    assert 60 < heart.resting < 110
    assert 180 < heart.highest < 220
    rate = body.heart_rate(WORLD, pupil, school_ms)
    assert heart.resting - 1e-9 <= rate <= heart.highest + 1e-9


@settings(max_examples=40, deadline=None)
@given(moments, pupils)
def test_a_heart_never_jumps(school_ms: int, pupil: int) -> None:
    heart = body.heart_of(WORLD, pupil)
    before, after = (body.heart_rate(WORLD, pupil, school_ms + ms) for ms in (0, 1_000))
    if day_of(school_ms) == day_of(school_ms + 1_000):
        assert abs(after - before) <= (heart.highest - heart.resting) / body.RISE_S


def test_hearts_rise_in_pe_and_recover_after_it() -> None:
    sitting, running = body.heart_of(WORLD, 4 * 36), body.heart_of(WORLD, PE_PUPIL)
    reserve = running.highest - running.resting
    mid = [body.heart_rate(WORLD, PE_PUPIL, at("08:30") + minute * MS_PER_MINUTE) for minute in range(24)]
    assert min(mid) > running.resting + 0.35 * reserve
    assert body.heart_rate(WORLD, PE_PUPIL, at("08:19")) < min(mid)
    after = body.heart_rate(WORLD, PE_PUPIL, at("09:20"))
    assert after < running.resting + 0.25 * reserve
    neighbour = body.heart_rate(WORLD, 4 * 36, at("08:45"))
    assert neighbour < sitting.resting + 0.2 * (sitting.highest - sitting.resting)


def test_a_heart_rises_faster_than_it_recovers() -> None:
    assert body.RISE_S < body.RECOVERY_S
    assert body._follow(80, 180, body.RISE_S) == pytest.approx(180 - 100 / 2.718281828, abs=1e-6)
    assert body._follow(180, 80, body.RECOVERY_S) == pytest.approx(80 + 100 / 2.718281828, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(MONDAY, MONDAY + 30), st.integers(0, fridge._SLOTS_PER_DAY - 1))
def test_the_fridge_warms_while_its_door_is_open_and_cools_while_it_is_closed(day: int, slot: int) -> None:
    (one,) = SCHOOL.plan.fridges
    begin_ms = start_of(day) + slot * fridge.SLOT_MS
    end_ms = begin_ms + fridge.SLOT_MS - 1
    first, last = (fridge.temperature_c(WORLD, one, ms) for ms in (begin_ms, end_ms))
    if fridge.is_open(WORLD, one, begin_ms):
        assert fridge.is_open(WORLD, one, end_ms)
        assert last > first
    else:
        assert last <= first
    assert one.set_c <= first < 40


def test_the_fridge_is_opened_for_meals_and_left_open_on_some_days() -> None:
    (one,) = SCHOOL.plan.fridges

    def minutes_open(day: int, begin: str, end: str) -> float:
        slots = range(at(begin, day), at(end, day), fridge.SLOT_MS)
        return sum(fridge.is_open(WORLD, one, ms) for ms in slots) / 3

    days = [day for day in range(MONDAY, MONDAY + 60) if WORLD.timetable.is_school_day(day)]
    assert all(minutes_open(day, "10:30", "11:50") > 2 for day in days)
    assert all(minutes_open(day, "00:00", "06:00") == 0 for day in days)
    assert minutes_open(MONDAY + 5, "00:00", "23:59") == 0
    warm = [day for day in days if max(_noon_temperatures(day)) > 12]
    assert 0 < len(warm) < len(days) / 2


def _noon_temperatures(day: int) -> list[float]:
    (one,) = SCHOOL.plan.fridges
    return [
        fridge.temperature_c(WORLD, one, at("12:00", day) + minute * MS_PER_MINUTE) for minute in range(480)
    ]


@given(moments)
def test_the_scale_shows_trays_at_meals_and_nothing_else(school_ms: int) -> None:
    shown = meals.weighing(WORLD, "scale", school_ms)
    assert shown.mass_kg == 0 or 0.6 < shown.mass_kg < 1.2
    begin_ms = school_ms - school_ms % meals.SLOT_MS
    if WORLD.timetable.phase_at(begin_ms) not in MEALS:
        assert shown == (0.0, True)


def test_trays_come_at_lunch_and_settle_before_they_are_stable() -> None:
    lunch = [meals.weighing(WORLD, "scale", at("12:00") + ms) for ms in range(0, 600_000, 250)]
    stable = {round(one.mass_kg, 6) for one in lunch if one.is_stable and one.mass_kg}
    assert 60 < len(stable) <= 100
    assert any(not one.is_stable for one in lunch)


def test_who_comes_is_who_fills_the_rooms() -> None:
    here = present(WORLD, SCHOOL.pupils, MONDAY)
    for one in SCHOOL.plan.classes:
        members = {pupil.number for pupil in SCHOOL.pupils if pupil.class_id == one.id}
        assert len(members & here) == PEOPLE.present(one.id, MONDAY)
    taps = taps_of(WORLD, SCHOOL.pupils, MONDAY)
    assert [tap.school_ms for tap in taps] == sorted(tap.school_ms for tap in taps)
    came = [tap for tap in taps if tap.way == "in"]
    assert {tap.pupil.number for tap in came} == here
    assert all(at("07:30") <= tap.school_ms < at("08:20") for tap in came)
    left = [tap for tap in taps if tap.way == "out"]
    assert 0 < len(came) - len(left) <= 24
    assert all(at("16:00") <= tap.school_ms < at("16:30") for tap in left)
    assert taps_of(WORLD, SCHOOL.pupils, MONDAY + 5) == ()
    assert next(SCHOOL.taps(at("23:00"))).school_ms >= at("07:30", MONDAY + 1)
    assert taps[0].pupil.card not in repr(taps[0])


def test_the_power_of_a_classroom_follows_its_people() -> None:
    power = [SCHOOL.truth("main-301-power", "power", at(clock)) for clock in ("03:00", "08:40", "19:00")]
    assert power[0] < 50
    assert min(power[1:]) > 600


@settings(max_examples=25, deadline=None)
@given(moments, st.sampled_from([0.01, 1.0, 60.0, 3_600.0]))
def test_truth_is_the_same_at_any_speed_and_in_any_order(school_ms: int, speed: float) -> None:
    fresh = School(seed=7)
    simulation = Simulation(fresh, Timeline(1_790_000_000_000, school_ms, speed))
    for device in reversed(fresh.devices):
        for quantity in fresh.quantities(device.id):
            expected = SCHOOL.truth(device.id, quantity, school_ms)
            assert simulation.truth(device.id, quantity, 1_790_000_000_000) == expected


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**40))
def test_another_seed_is_another_day(seed: int) -> None:
    one, same, other = (World(number, default_plan()) for number in (seed, seed, seed + 1))
    moment = at("08:45")
    assert body.heart_rate(one, 3, moment) == body.heart_rate(same, 3, moment)
    assert body.heart_rate(one, 3, moment) != body.heart_rate(other, 3, moment)
    noon = range(at("12:00"), at("12:10"), 1_000)
    assert [meals.weighing(one, "s", ms) for ms in noon] == [meals.weighing(same, "s", ms) for ms in noon]
    assert [meals.weighing(one, "s", ms) for ms in noon] != [meals.weighing(other, "s", ms) for ms in noon]


@given(moments, st.integers(0, MS_PER_DAY))
def test_steps_only_grow_within_a_day(school_ms: int, later_ms: int) -> None:
    day_end_ms = start_of(day_of(school_ms) + 1) - 1
    assert body.steps(WORLD, 3, school_ms) <= body.steps(WORLD, 3, min(day_end_ms, school_ms + later_ms))
