"""Heart rates: windows of fifteen seconds, in PE lessons only."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.gate import gate as gate_module
from edge_agent.gate.heart_rate import BANDS_MAX, GRACE_MS, IDLE_MS, SAMPLES_MAX, WINDOW_MS
from edge_agent.gate.policy import parse_policy
from telemetry.credential_map import Lesson, normalise_band
from telemetry.readings import Chunk, SeriesKey
from telemetry.records import HeartRateWindow
from tests.edge.edge_parts import NOW_MS, eventually
from tests.edge.gate_parts import (
    BAND_ADDRESS,
    LESSON,
    MINUTE_MS,
    Door,
    changed_policy,
    school_map,
    without_record,
)
from tests.edge.maps import make_map, person

assert NOW_MS % WINDOW_MS == 0


def windows(door: Door) -> list[HeartRateWindow]:
    found = [record for record in door.behind.all_records if isinstance(record, HeartRateWindow)]
    assert len(found) == len(door.behind.all_records)
    return found


def beat(
    door: Door, bpm: float, after_ms: int, *, contact: bool | None = None, device: str = "band-1"
) -> None:
    """What a band says, and when after NOW_MS; the clock goes along."""
    door.hands.pass_ms(max(NOW_MS + after_ms - door.hands.wall_ms, 0))
    chunk = Chunk()
    rate = door.table.index(SeriesKey("heart_rate", device, "gym/1", "m"))
    chunk.append(rate, NOW_MS + after_ms, bpm)
    if contact is not None:
        touch = door.table.index(SeriesKey("skin_contact", device, "gym/1", "m"))
        chunk.append(touch, NOW_MS + after_ms, float(contact))
    door.gate.readings(chunk)


def test_a_window_is_what_its_values_say() -> None:
    door = Door(school_map())
    for second, bpm in enumerate([150, 189, 190, 191, 170]):
        beat(door, bpm, second * 1_000, contact=second != 0)
    assert not windows(door), "it is still open"
    beat(door, 100, WINDOW_MS)
    assert windows(door) == [
        HeartRateWindow(NOW_MS, "field/track", 178, 150, 191, 5, 0.8, 2.0, "P-S", "c-1"),
    ]
    assert not door.counters.dropped


def test_where_the_age_is_unknown_nothing_is_above_its_limit() -> None:
    someone = person(1, {"sport": "P-S"})
    door = Door(make_map([someone], {normalise_band(BAND_ADDRESS): 1}, lessons={"c-1": [LESSON]}))
    beat(door, 239, 0)
    door.gate.flush()
    assert [(one.above_limit_s, one.contact) for one in windows(door)] == [(None, None)]


def test_time_closes_a_window_and_so_does_the_stop() -> None:
    door = Door(school_map())
    beat(door, 120, 0)
    door.hands.pass_ms(WINDOW_MS + GRACE_MS - 1)
    door.gate.tick()
    assert not windows(door)
    door.hands.pass_ms(1)
    door.gate.tick()
    assert len(windows(door)) == 1
    beat(door, 121, 2 * WINDOW_MS)
    door.gate.flush()
    assert [one.time_ms for one in windows(door)] == [NOW_MS, NOW_MS + 2 * WINDOW_MS]
    door.gate.flush()
    assert len(windows(door)) == 2


async def test_the_running_gate_closes_windows_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "TICK_S", 0.001)
    door = Door(school_map())
    beat(door, 120, 0)
    running = asyncio.create_task(door.gate.run(), name="gate")
    door.hands.pass_ms(WINDOW_MS + GRACE_MS)
    await eventually(lambda: door.behind.later, "the window")
    running.cancel()
    await asyncio.wait([running])


def test_a_late_value_makes_no_second_window() -> None:
    door = Door(school_map())
    beat(door, 120, 14_000)
    beat(door, 120, WINDOW_MS)
    beat(door, 120, 14_500)
    door.hands.pass_ms(60_000)
    door.gate.tick()
    beat(door, 120, 16_000)
    door.gate.flush()
    assert [(one.time_ms, one.samples) for one in windows(door)] == [(NOW_MS, 1), (NOW_MS + WINDOW_MS, 1)]
    assert door.counters.dropped == {"late_sample": 2}


def test_a_clock_set_back_begins_anew() -> None:
    door = Door(school_map())
    beat(door, 120, 20 * MINUTE_MS)
    door.hands.wall_ms = NOW_MS
    door.clock.refresh()
    beat(door, 130, 0)
    door.gate.flush()
    assert [(one.time_ms, one.mean_bpm) for one in windows(door)] == [
        (NOW_MS + 20 * MINUTE_MS, 120),
        (NOW_MS, 130),
    ]
    assert not door.counters.dropped


def test_a_window_left_in_the_future_is_closed_by_the_tick() -> None:
    door = Door(school_map())
    beat(door, 120, 20 * MINUTE_MS)
    door.hands.wall_ms = NOW_MS
    door.clock.refresh()
    door.gate.tick()
    assert len(windows(door)) == 1


def test_a_value_from_the_future_is_not_believed() -> None:
    door = Door(school_map())
    door.read("heart_rate", 120, time_ms=NOW_MS + WINDOW_MS + 1)
    door.read("heart_rate", 120, time_ms=-5)
    assert door.counters.dropped == {"sample_from_the_future": 1, "late_sample": 1}


@pytest.mark.parametrize("bpm", [29.9, 240.1, float("nan"), float("inf")])
def test_what_is_no_heart_rate_is_counted(bpm: float) -> None:
    door = Door(school_map())
    beat(door, bpm, 0, contact=False)
    door.gate.flush()
    assert not windows(door)
    assert door.counters.dropped == {"out_of_range": 1, "no_heart_rate": 1}


def test_a_withdrawal_stops_the_window_that_is_open() -> None:
    door = Door(school_map())
    beat(door, 120, 0)
    door.credentials.map = make_map(
        [person(1, {"health": "P-H"})],
        {normalise_band(BAND_ADDRESS): 1},
        version=2,
        lessons={"c-1": [LESSON]},
    )
    door.gate.flush()
    assert not windows(door)
    assert door.counters.dropped == {"no_consent": 1}


def test_a_band_that_changes_hands_mixes_nobody() -> None:
    door = Door(school_map())
    beat(door, 120, 0)
    door.credentials.map = make_map(
        [person(3, {"sport": "OTHER"})],
        {normalise_band(BAND_ADDRESS): 3},
        version=2,
        lessons={"c-1": [LESSON]},
    )
    beat(door, 160, 1_000)
    beat(door, 160, WINDOW_MS)
    door.gate.flush()
    assert [(one.pseudonym, one.samples) for one in windows(door)] == [("OTHER", 1)]
    assert door.counters.dropped == {"band_changed_hands": 2}


def test_a_window_between_two_lessons_takes_what_is_in_either() -> None:
    end_ms = NOW_MS + 4_000 - 5 * MINUTE_MS
    first = Lesson(end_ms - 10 * MINUTE_MS, end_ms, "pe", "field/1")
    second = Lesson(NOW_MS + 8_000 + 5 * MINUTE_MS, NOW_MS + 60 * MINUTE_MS, "pe", "field/2")
    door = Door(school_map(lessons={"c-1": [first, second]}))
    for ms in (3_999, 4_000, 4_001, 7_999, 8_000):
        beat(door, 120, ms)
    door.gate.flush()
    assert [one.samples for one in windows(door)] == [3]
    assert door.counters.dropped == {"outside_pe_lesson": 2}


def test_a_band_that_changes_hands_between_two_lessons_mixes_nobody() -> None:
    end_ms = NOW_MS + 4_000 - 5 * MINUTE_MS
    first = Lesson(end_ms - 10 * MINUTE_MS, end_ms, "pe", "field/1")
    second = Lesson(NOW_MS + 8_000 + 5 * MINUTE_MS, NOW_MS + 60 * MINUTE_MS, "pe", "field/2")
    door = Door(school_map(lessons={"c-1": [first, second]}))
    beat(door, 120, 1_000)
    other, band = person(3, {"sport": "OTHER"}), {normalise_band(BAND_ADDRESS): 3}
    door.credentials.map = make_map([other], band, version=2, lessons={"c-1": [first, second]})
    beat(door, 160, 9_000)
    door.gate.flush()
    assert not windows(door)
    assert door.counters.dropped == {"band_changed_hands": 2}


def test_the_contacts_of_one_are_not_those_of_another() -> None:
    end_ms = NOW_MS + 4_000 - 5 * MINUTE_MS
    first = Lesson(end_ms - 10 * MINUTE_MS, end_ms, "pe", "field/1")
    second = Lesson(NOW_MS + 8_000 + 5 * MINUTE_MS, NOW_MS + 60 * MINUTE_MS, "pe", "field/2")
    door = Door(school_map(lessons={"c-1": [first, second]}))
    door.read("skin_contact", 1.0)
    other, band = person(3, {"sport": "OTHER"}), {normalise_band(BAND_ADDRESS): 3}
    door.credentials.map = make_map([other], band, version=2, lessons={"c-1": [first, second]})
    beat(door, 160, 9_000)
    door.gate.flush()
    assert not windows(door)
    assert door.counters.dropped == {"band_changed_hands": 1, "no_heart_rate": 1}


def test_values_that_were_stored_make_each_window_once() -> None:
    """A band that hands in the first half of the lesson later is no other band meanwhile."""
    lesson = Lesson(NOW_MS, NOW_MS + 3 * IDLE_MS, "pe", "field/1")
    door = Door(school_map(lessons={"c-1": [lesson]}))
    door.hands.pass_ms(2 * IDLE_MS)
    for second in range(4):
        beat(door, 120, second * 1_000)
        door.gate.tick()
    door.gate.flush()
    assert [(one.time_ms, one.samples) for one in windows(door)] == [(NOW_MS, 1)]
    assert door.counters.dropped == {"late_sample": 3}


def test_a_new_timetable_is_in_force_with_the_next_window() -> None:
    door = Door(school_map(lessons={}))
    beat(door, 120, 0)
    door.credentials.map = school_map(version=2)
    beat(door, 120, WINDOW_MS)
    door.credentials.map = school_map(version=3, lessons={})
    beat(door, 120, 2 * WINDOW_MS)
    door.gate.flush()
    assert [one.time_ms for one in windows(door)] == [NOW_MS + WINDOW_MS]
    assert door.counters.dropped == {"outside_pe_lesson": 2}


def test_bands_values_and_memory_are_bounded() -> None:
    door = Door(school_map())
    for number in range(BANDS_MAX + 1):
        door.read("heart_rate", 80.0, f"stranger-{number}")
    assert door.counters.dropped == {"unknown_card": BANDS_MAX, "too_many_bands": 1}
    door.hands.pass_ms(IDLE_MS + WINDOW_MS + 1)
    door.gate.tick()
    door.hands.pass_ms(-IDLE_MS - WINDOW_MS - 1)
    door.counters.dropped.clear()
    for _ in range(SAMPLES_MAX + 3):
        door.read("heart_rate", 80.0)
    door.gate.flush()
    assert [one.samples for one in windows(door)] == [SAMPLES_MAX]
    assert door.counters.dropped == {"too_many_samples": 3}


def test_the_policy_makes_it_coarser() -> None:
    policy = changed_policy(
        ("bpm = 1", "bpm = 5"), ('place = "place"\ntime_s = 0\nbpm', 'place = "building"\ntime_s = 0\nbpm')
    )
    door = Door(school_map(), policy=policy)
    beat(door, 121, 0)
    beat(door, 128, 1)
    door.gate.flush()
    [one] = windows(door)
    assert (one.place, one.mean_bpm, one.min_bpm, one.max_bpm) == ("field", 125, 120, 130)


def test_a_policy_without_heart_rates_drops_them() -> None:
    door = Door(school_map(), policy=parse_policy(without_record("heart_rate_window").encode(), "p.toml"))
    beat(door, 121, 0, contact=True)
    assert door.counters.dropped == {"not_in_policy": 2}


SAMPLES = st.lists(
    st.tuples(
        st.integers(0, 3),  # which band; the last is nobody's
        st.integers(0, 2 * WINDOW_MS),  # how long after the one before
        st.integers(0, 3 * WINDOW_MS),  # how old it is when it comes
        st.integers(30, 240),
        st.sampled_from([None, False, True]),
    ),
    max_size=60,
)


@given(SAMPLES)
def test_windows_are_those_of_a_naive_count(samples: list[tuple[int, int, int, int, bool | None]]) -> None:
    people = [person(at, {"sport": f"P-{at}"}, heart_rate_max=200) for at in range(3)]
    addresses = [f"A4:C1:38:00:00:0{at}" for at in range(4)]
    cards = {normalise_band(addresses[at]): at for at in range(3)}
    lesson = Lesson(NOW_MS - MINUTE_MS, NOW_MS + MINUTE_MS + 7_001, "pe", "field/1")
    door = Door(
        make_map(people, cards, lessons={"c-1": [lesson]}),
        bands={f"band-{at}": address for at, address in enumerate(addresses)},
    )
    expected: dict[tuple[int, int], list[tuple[int, int, bool | None]]] = defaultdict(list)
    newest: dict[int, int] = {}
    dropped: dict[str, int] = defaultdict(int)
    at_ms = 0
    for band, later_ms, age_ms, bpm, contact in samples:
        at_ms += later_ms
        time_ms = NOW_MS + at_ms - age_ms
        beat(door, bpm, at_ms, device="clock-goes-on")
        beat(door, bpm, at_ms - age_ms, contact=contact, device=f"band-{band}")
        start_ms = time_ms - time_ms % WINDOW_MS
        count = 1 + (contact is not None)
        if start_ms < newest.get(band, 0):
            dropped["late_sample"] += count
            continue
        newest[band] = start_ms
        if band == 3:
            dropped["unknown_card"] += count
        elif not lesson.start_ms - 5 * MINUTE_MS <= time_ms <= lesson.end_ms + 5 * MINUTE_MS:
            dropped["outside_pe_lesson"] += count
        else:
            expected[band, start_ms].append((time_ms, bpm, contact))
    door.gate.flush()
    wanted = []
    for (band, start_ms), values in expected.items():
        rates = [bpm for _, bpm, _ in values]
        contacts = [contact for _, _, contact in values if contact is not None]
        wanted.append(
            HeartRateWindow(
                start_ms,
                "field/1",
                float(round(sum(rates) / len(rates))),
                min(rates),
                max(rates),
                len(rates),
                round(sum(contacts) / len(contacts), 2) if contacts else None,
                float(len({time_ms // 1_000 for time_ms, bpm, _ in values if bpm >= 190})),
                f"P-{band}",
                "c-1",
            )
        )
    order = lambda one: (one.pseudonym, one.time_ms)  # noqa: E731  # a key of two lines' use
    assert sorted(windows(door), key=order) == sorted(wanted, key=order)
    dropped["unknown_card"] += len(samples)  # those that only moved the clock
    assert door.counters.dropped == {reason: count for reason, count in dropped.items() if count}
