"""Lessons and school days between two moments, of rows and from the database."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity_vault.calendar.days import (
    Booking,
    CalendarDay,
    WeeklyLesson,
    add_bookings,
    put_days,
    replace_lessons,
)
from identity_vault.calendar.windows import (
    MARGIN_MS,
    Week,
    lessons_between,
    lessons_of,
    local_ms,
    school_days_between,
    school_days_of,
    weekday_followed,
)
from identity_vault.roster import put_class
from identity_vault.vault import Vault
from telemetry.credential_map import Lesson

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = dt.date(2026, 9, 7)
MINUTE_MS = 60_000
PE = WeeklyLesson("3-2", 1, "08:00", "08:40", "pe", "yard/playground")


def at(day: dt.date, time: str, zone: ZoneInfo = SHANGHAI) -> int:
    return local_ms(day, time, zone)


def week_of(
    *lessons: WeeklyLesson,
    days: tuple[CalendarDay, ...] = (),
    bookings: tuple[Booking, ...] = (),
    zone: ZoneInfo = SHANGHAI,
) -> Week:
    return Week(lessons, {day.date: day for day in days}, bookings, zone)


def on(week: Week, day: dt.date) -> dict[str, list[Lesson]]:
    return lessons_of(week, at(day, "00:00", week.zone), at(day, "24:00", week.zone))


def opening(week: Week, day: dt.date) -> list[tuple[int, int]]:
    return school_days_of(week, at(day, "00:00", week.zone), at(day, "24:00", week.zone))


def test_a_lesson_comes_every_week_while_it_is_valid() -> None:
    lesson = PE._replace(from_date="2026-09-14", to_date="2026-09-21")
    found = lessons_of(week_of(lesson), at(MONDAY, "00:00"), at(MONDAY + dt.timedelta(30), "00:00"))
    starts = [MONDAY + dt.timedelta(7), MONDAY + dt.timedelta(14)]
    assert found == {
        "3-2": [Lesson(at(day, "08:00"), at(day, "08:40"), "pe", "yard/playground") for day in starts]
    }


def test_times_are_local() -> None:
    assert at(MONDAY, "08:00") == 1_788_739_200_000  # 2026-09-07T00:00Z
    winter, summer = dt.date(2027, 3, 22), dt.date(2027, 3, 29)  # clocks go forward on the 28th
    assert at(summer, "08:00", BERLIN) - at(winter, "08:00", BERLIN) == (7 * 24 - 1) * 3_600_000
    found = lessons_of(week_of(PE, zone=BERLIN), at(winter, "00:00", BERLIN), at(summer, "24:00", BERLIN))
    assert [lesson.start_ms for lesson in found["3-2"]] == [
        at(winter, "08:00", BERLIN),
        at(summer, "08:00", BERLIN),
    ]


def test_a_lesson_may_end_at_midnight_and_touch_the_next_day() -> None:
    late = PE._replace(starts="23:20", ends="24:00")
    assert on(week_of(late), MONDAY)["3-2"][0].end_ms == at(MONDAY + dt.timedelta(1), "00:00")
    assert on(week_of(late), MONDAY + dt.timedelta(1)) == {}
    (window,) = opening(week_of(late), MONDAY)
    assert window == (at(MONDAY, "22:20"), at(MONDAY + dt.timedelta(1), "01:00"))


def test_the_calendar_says_what_differs() -> None:
    holiday = CalendarDay("2026-09-07", "holiday")
    made_up = CalendarDay("2026-09-12", "school", 1)
    own = CalendarDay("2026-09-13", "school")
    saturday, sunday = MONDAY + dt.timedelta(5), MONDAY + dt.timedelta(6)
    week = week_of(PE, PE._replace(weekday=7, starts="10:00", ends="10:40"), days=(holiday, made_up, own))
    assert (on(week, MONDAY), opening(week, MONDAY)) == ({}, [])
    assert on(week, saturday)["3-2"][0].start_ms == at(saturday, "08:00")
    assert on(week, sunday)["3-2"][0].start_ms == at(sunday, "10:00")
    without = week_of(PE._replace(weekday=6))
    assert (on(without, saturday), opening(without, saturday)) == ({}, [])


def test_a_booking_of_a_class_is_a_lesson_on_school_days_only() -> None:
    times = at(MONDAY, "13:00"), at(MONDAY, "13:40")
    booked = Booking("a", "sport/gym", *times, "3-2", "pe")
    club = Booking("b", "sport/gym", *times, None, "basketball")
    week = week_of(bookings=(booked, club))
    assert on(week, MONDAY) == {"3-2": [Lesson(*times, "pe", "sport/gym")]}
    assert opening(week, MONDAY) == [(times[0] - MARGIN_MS, times[1] + MARGIN_MS)]
    closed = week_of(days=(CalendarDay("2026-09-07", "holiday"),), bookings=(booked,))
    assert (on(closed, MONDAY), opening(closed, MONDAY)) == ({}, [])


def test_what_overlaps_is_one_lesson_by_subject_and_the_booking_knows_where() -> None:
    booked = Booking("a", "sport/gym", at(MONDAY, "08:20"), at(MONDAY, "09:00"), "3-2", "pe")
    maths = PE._replace(subject="maths", place="main/301")
    after = PE._replace(starts="09:00", ends="09:40")
    assert on(week_of(PE, maths, after, bookings=(booked,)), MONDAY)["3-2"] == [
        Lesson(at(MONDAY, "08:00"), at(MONDAY, "08:40"), "maths", "main/301"),
        Lesson(at(MONDAY, "08:00"), at(MONDAY, "09:00"), "pe", "sport/gym"),
        Lesson(at(MONDAY, "09:00"), at(MONDAY, "09:40"), "pe", "yard/playground"),
    ]


def test_school_days_have_an_hour_around_lessons_or_the_hours_of_the_house() -> None:
    week = week_of(PE, PE._replace(class_id="1-1", starts="15:00", ends="15:40"))
    assert opening(week, MONDAY) == [(at(MONDAY, "07:00"), at(MONDAY, "16:40"))]
    tuesday = MONDAY + dt.timedelta(1)
    assert opening(week, tuesday) == [(at(tuesday, "07:00"), at(tuesday, "18:00"))]


def test_too_long_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="400 days"):
        lessons_of(week_of(PE), 0, 401 * 86_400_000)


def written(minute: int) -> str:
    """A minute of the day as a time, 24:00 too."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


TIMES = st.integers(0, 1_440).map(written)
LESSONS = st.builds(
    lambda class_id, weekday, start, minutes, subject, place: WeeklyLesson(
        class_id, weekday, written(start), written(min(start + minutes, 1_440)), subject, place
    ),
    st.sampled_from(["1-1", "3-2"]),
    st.integers(1, 7),
    st.integers(0, 1_439),
    st.integers(1, 200),
    st.sampled_from(["pe", "maths"]),
    st.sampled_from(["", "main/301"]),
)
DATES = st.dates(MONDAY - dt.timedelta(3), MONDAY + dt.timedelta(12))
DAYS = st.builds(
    CalendarDay,
    DATES.map(dt.date.isoformat),
    st.sampled_from(["school", "holiday"]),
    st.none() | st.integers(1, 7),
)
BOOKINGS = st.builds(
    lambda day, start, minutes, class_id, subject: Booking(
        "x", "sport/gym", at(day, start), at(day, start) + minutes * MINUTE_MS, class_id, subject
    ),
    DATES,
    TIMES,
    st.integers(1, 240),
    st.sampled_from(["1-1", None]),
    st.sampled_from(["pe", ""]),
)
WEEKS = st.builds(
    lambda lessons, days, bookings, zone: Week(lessons, {day.date: day for day in days}, bookings, zone),
    st.lists(LESSONS, max_size=8),
    st.lists(DAYS, max_size=4),
    st.lists(BOOKINGS, max_size=4),
    st.sampled_from([SHANGHAI, BERLIN]),
)


@settings(deadline=None, max_examples=60)
@given(WEEKS, DATES, DATES)
def test_windows_are_sorted_sound_and_hold_every_lesson(week: Week, one: dt.date, other: dt.date) -> None:
    first, last = sorted((one, other))
    span = at(first, "00:00", week.zone), at(last, "24:00", week.zone)
    windows = school_days_of(week, *span)
    assert windows == sorted(windows)
    assert all(begins < ends for begins, ends in windows)
    assert all(before[1] < after[0] for before, after in pairwise(windows))
    for lessons in lessons_of(week, *span).values():
        assert lessons
        for lesson in lessons:
            assert lesson.start_ms < span[1]
            assert lesson.end_ms > span[0]
            assert any(begins < lesson.start_ms and lesson.end_ms < ends for begins, ends in windows)
        for subject in {lesson.subject for lesson in lessons}:
            own = [lesson for lesson in lessons if lesson.subject == subject]
            assert all(a.end_ms <= b.start_ms for a, b in pairwise(own))


@settings(deadline=None, max_examples=60)
@given(WEEKS, DATES)
def test_a_day_alone_gives_what_the_fortnight_gives(week: Week, day: dt.date) -> None:
    span = at(day, "00:00", week.zone), at(day, "24:00", week.zone)
    wide = lessons_of(week, span[0] - 7 * 86_400_000, span[1] + 7 * 86_400_000)
    touching = {
        class_id: [one for one in lessons if one.start_ms < span[1] and one.end_ms > span[0]]
        for class_id, lessons in wide.items()
    }
    assert {class_id: lessons for class_id, lessons in touching.items() if lessons} == lessons_of(week, *span)


@given(DATES, st.lists(DAYS, max_size=4))
def test_a_day_follows_what_the_calendar_says(day: dt.date, days: list[CalendarDay]) -> None:
    calendar = {one.date: one for one in days}
    followed = weekday_followed(day, calendar)
    said = calendar.get(day.isoformat())
    if said is None:
        assert followed == (day.isoweekday() if day.isoweekday() < 6 else None)
    elif said.kind == "holiday":
        assert followed is None
    else:
        assert followed == (said.follows_weekday or day.isoweekday())


def test_the_same_from_the_database(any_vault: Vault) -> None:
    booked = Booking("a", "sport/gym", at(MONDAY, "13:00"), at(MONDAY, "13:40"), "3-2", "pe")
    long_ago = booked._replace(uid="b", starts_ms=0, ends_ms=1)
    day = CalendarDay("2026-09-12", "school", 1, "调休")
    with any_vault.begin() as connection:
        put_class(connection, "3-2", "三（2）班", "Class 3-2")
        replace_lessons(connection, ["3-2"], [PE, PE._replace(weekday=3)])
        replace_lessons(connection, ["3-2"], [PE])
        put_days(connection, [day._replace(kind="holiday", follows_weekday=None)])
        put_days(connection, [day])
        add_bookings(connection, [booked, long_ago])
    span = at(MONDAY, "00:00"), at(MONDAY + dt.timedelta(7), "00:00")
    week = week_of(PE, days=(day,), bookings=(booked,))
    with any_vault.read() as connection:
        assert lessons_between(connection, *span, SHANGHAI) == lessons_of(week, *span)
        assert school_days_between(connection, *span, SHANGHAI) == school_days_of(week, *span)
    assert len(lessons_of(week, *span)["3-2"]) == 3
