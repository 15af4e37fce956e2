"""Timetable, school calendar and bookings from tables and iCalendar files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest

from identity_vault.audit import find
from identity_vault.calendar.days import (
    Booking,
    CalendarDay,
    WeeklyLesson,
    read_bookings,
    read_calendar,
    read_lessons,
)
from identity_vault.calendar.windows import local_ms
from identity_vault.imports import bookings_file, calendar_file, timetable_file
from identity_vault.imports import ics as ics_module
from identity_vault.imports.bookings_file import BookingRows, bookings_of_events, split_summary
from identity_vault.imports.calendar_apply import import_bookings, import_days, import_timetable
from identity_vault.imports.calendar_file import days_of_events, kind_within
from identity_vault.imports.headers import Content, load_headers
from identity_vault.imports.ics import Event, read_events
from identity_vault.imports.problems import CellError, ImportProblems, Problems
from identity_vault.imports.tables import read_tables
from identity_vault.imports.times import Periods, subject_of, time_of, weekday_of, weekday_within
from identity_vault.roster import map_version, put_class
from identity_vault.vault import Vault

ZONE = ZoneInfo("Asia/Shanghai")
FIRST, LAST = dt.date(2026, 9, 10), dt.date(2027, 10, 15)
CLASSES = {"3-1", "3-2"}
HEADERS = load_headers()
PERIODS: Periods = {1: ("08:00", "08:40"), 2: ("08:50", "09:30")}


def located(kind: str, text: str, needed: Sequence[str]) -> Content:
    return HEADERS[kind].locate(read_tables("list.csv", text.encode("gb18030")), needed)


def timetable(text: str, periods: Periods = PERIODS) -> list[WeeklyLesson]:
    problems = Problems()
    content = located("timetable", text, timetable_file.NEEDED)
    lessons = list(timetable_file.read_timetable(content, periods, CLASSES, problems))
    problems.raise_if_any()
    return lessons


def days(text: str) -> list[CalendarDay]:
    problems = Problems()
    found = calendar_file.read_days(located("calendar", text, calendar_file.NEEDED), problems)
    problems.raise_if_any()
    return found


def booking_table(text: str) -> BookingRows:
    problems = Problems()
    content = located("bookings", text, bookings_file.NEEDED)
    rows = bookings_file.read_bookings_table(content, CLASSES, ZONE, problems)
    problems.raise_if_any()
    return rows


def ics(*events: str, method: str = "PUBLISH") -> bytes:
    """Lines of events, with a semicolon in lower case between them: UID|DTSTART…|SUMMARY…"""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//test//", f"METHOD:{method}"]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.split("|"), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def events_of(*events: str, method: str = "PUBLISH") -> list[Event]:
    return read_events("a.ics", ics(*events, method=method), FIRST, LAST, ZONE).events


def booked(*events: str, method: str = "PUBLISH") -> BookingRows:
    found = read_events("a.ics", ics(*events, method=method), FIRST, LAST, ZONE)
    problems = Problems()
    rows, _ = bookings_of_events("a.ics", found.events, found.uids, CLASSES, problems)
    problems.raise_if_any()
    return rows


def cause_of(error: pytest.ExceptionInfo[ImportProblems]) -> str:
    (problem,) = error.value.problems
    return f"{problem.row} {problem.column}: {problem.cause}"


WEEKLY = (
    "UID:pe|DTSTART:20260914T080000|DTEND:20260914T084000|RRULE:FREQ=WEEKLY;COUNT=3"
    "|SUMMARY:三（2）班 体育|LOCATION:体育馆"
)


def starts(rows: BookingRows) -> list[str]:
    times = (dt.datetime.fromtimestamp(one.starts_ms / 1_000, ZONE) for one in rows.bookings)
    return [f"{one:%m-%d %H:%M}" for one in times]


def test_a_timetable_with_times_and_with_periods() -> None:
    with_times = (
        "class,weekday,starts,ends,subject,place,from,to\n3-2,1,8:00,8:40,PE,yard/playground,2026/9/1,\n"
    )
    assert timetable(with_times) == [
        WeeklyLesson("3-2", 1, "08:00", "08:40", "pe", "yard/playground", "2026-09-01", None)
    ]
    with_periods = "班级,星期,节次,科目,地点\n三（2）班,星期三,第1-2节,体育,操场\n三1,五,2,语文,\n"
    assert timetable(with_periods) == [
        WeeklyLesson("3-2", 3, "08:00", "09:30", "pe", "操场"),
        WeeklyLesson("3-1", 5, "08:50", "09:30", "语文", ""),
    ]


def test_periods_are_a_table_of_their_own() -> None:
    problems = Problems()
    content = located(
        "periods", "节次,开始时间,结束时间\n第一节,8:00,8:40\n2,8:50,9:30\n", timetable_file.PERIODS_NEEDED
    )
    assert timetable_file.read_periods(content, problems) == PERIODS
    content = located(
        "periods", "节次,开始时间,结束时间\n1,8:00,8:40\n1,9:00,8:30\n", timetable_file.PERIODS_NEEDED
    )
    timetable_file.read_periods(content, problems)
    assert [problem.cause for problem in problems.found] == ["is there twice"]


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("九9,1,8:00,8:40,,体育", "班级: is a class that the vault does not have"),
        ("三2,8,8:00,8:40,,体育", "星期: is not a day of the week"),
        ("三2,1,8:70,8:40,,体育", "开始时间: is not a time of day"),
        ("三2,1,8:40,8:40,,体育", "结束时间: is not after the start"),
        ("三2,1,,,7,体育", "节次: is a period that the table of periods does not have"),
        ("三2,1,,,0,体育", "节次: is not a period of the day"),
        ("三2,1,8:00,8:40,,", "科目: is empty"),
        ("三2,1,8:00,8:40,," + "示" * 40, "科目: has more than 32 characters"),
    ],
)
def test_a_lesson_that_cannot_be_read_says_why(row: str, cause: str) -> None:
    with pytest.raises(ImportProblems) as caught:
        timetable(f"班级,星期,开始时间,结束时间,节次,科目\n{row}\n")
    assert cause_of(caught) == f"2 {cause}"


def test_weekdays_times_and_subjects_in_every_notation() -> None:
    assert [weekday_of(cell) for cell in (1, "一", "周二", "星期三", "礼拜天", "Thursday", "fri")] == [
        1,
        1,
        2,
        3,
        7,
        4,
        5,
    ]
    assert [time_of(cell) for cell in (dt.time(8, 5), "8:05", "08：05", "24:00", "8:05:00")] == [
        "08:05",
        "08:05",
        "08:05",
        "24:00",
        "08:05",
    ]
    assert [subject_of(cell) for cell in ("体育", "体育与健身", "PE", "语文")] == ["pe", "pe", "pe", "语文"]
    for bad in ("24:01", "25:00", "8", "示例"):
        with pytest.raises(CellError):
            time_of(bad)
    assert [weekday_within(text) for text in ("补课（周三课表）", "Monday's lessons", "monkey", "补课")] == [
        3,
        1,
        None,
        None,
    ]


def test_a_calendar_of_days_and_of_times() -> None:
    text = "日期,结束日期,类型,补周几的课,备注\n2026-10-01,2026-10-03,放假,,国庆节\n2026/10/10,,补课,周三,\n"
    holidays = [CalendarDay(f"2026-10-0{day}", "holiday", None, "国庆节") for day in (1, 2, 3)]
    assert days(text) == [*holidays, CalendarDay("2026-10-10", "school", 3, "")]


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("2026-10-01,,家长会,", "类型: is neither a school day nor a holiday"),
        ("2026-10-01,,放假,周三", "补周几的课: stands on a holiday"),
        ("2026-10-01,2026-09-01,放假,", "结束日期: makes a time of less than one or more than 120 days"),
        ("2026-10-01,,上课,八", "补周几的课: is not a day of the week"),
        ("2026-10-01,,放假,\n2026-10-01,,上课,", "日期: is a day that row 2 has too"),
    ],
)
def test_a_day_that_cannot_be_read_says_why(row: str, cause: str) -> None:
    with pytest.raises(ImportProblems) as caught:
        days(f"日期,结束日期,类型,补周几的课\n{row}\n")
    assert cause_of(caught).endswith(cause)


def test_what_a_summary_makes_of_a_day() -> None:
    school = ("调休上班", "国庆节（班）", "国庆节 班", "补课（周三课表）", "上课")
    holiday = ("国庆节 休", "元旦放假", "寒假", "不上课", "国庆节 假期 第1天/共7天", "Spring holiday")
    neither = ("家长会", "三（2）班春游", "班会", "休闲活动", "")
    assert [kind_within(text) for text in school] == ["school"] * len(school)
    assert [kind_within(text) for text in holiday] == ["holiday"] * len(holiday)
    assert [kind_within(text) for text in neither] == [None] * len(neither)


def test_all_day_events_make_the_calendar() -> None:
    events = events_of(
        "UID:1|DTSTART;VALUE=DATE:20261001|DTEND;VALUE=DATE:20261004|SUMMARY:国庆节 放假",
        "UID:2|DTSTART;VALUE=DATE:20261003|SUMMARY:国庆调休上班（周五课表）",
        "UID:3|DTSTART;VALUE=DATE:20261005|SUMMARY:家长会",
        "UID:4|DTSTART:20261006T080000|SUMMARY:放假通知",
        "UID:5|DTSTART;VALUE=DATE:20261007|SUMMARY:放假|STATUS:CANCELLED",
    )
    found, unused = days_of_events(events)
    assert [(day.date, day.kind, day.follows_weekday) for day in found] == [
        ("2026-10-01", "holiday", None),
        ("2026-10-02", "holiday", None),
        ("2026-10-03", "school", 5),
    ]
    assert unused == 3


def test_recurring_bookings_with_an_exception_and_a_moved_one() -> None:
    moved = "UID:pe|RECURRENCE-ID:20260921T080000|DTSTART:20260921T100000|DTEND:20260921T104000|SUMMARY:三2班 体育"
    rows = booked(WEEKLY + "|EXDATE:20260928T080000", moved)
    assert starts(rows) == ["09-14 08:00", "09-21 10:00"]
    assert [(one.uid, one.class_id, one.subject) for one in rows.bookings] == [
        ("pe#20260914T0800", "3-2", "pe"),
        ("pe#20260921T0800", "3-2", "pe"),
    ]


def test_times_of_other_zones_are_the_schools() -> None:
    utc = booked("UID:a|DTSTART:20260914T000000Z|DURATION:PT40M|SUMMARY:3-2 PE|LOCATION:gym")
    berlin = booked(
        "UID:a|DTSTART;TZID=Europe/Berlin:20260914T020000|DURATION:PT40M|SUMMARY:3-2 PE|LOCATION:gym"
    )
    assert starts(utc) == starts(berlin) == ["09-14 08:00"]


def test_recurring_events_end_where_the_time_ends() -> None:
    rows = booked("UID:a|DTSTART:20260914T080000|DURATION:PT40M|RRULE:FREQ=DAILY|SUMMARY:3-2 PE")
    assert (
        len(rows.bookings)
        == len({one.uid for one in rows.bookings})
        == (LAST - dt.date(2026, 9, 14)).days + 1
    )


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        ("UID:a|DTSTART:20260914T080000|RRULE:FREQ=SECONDLY", "1 VEVENT: recurs more than once a day"),
        (
            "UID:a|DTSTART:20260914T080000|RRULE:FREQ=DAILY;BYMINUTE=1,2",
            "1 VEVENT: recurs more than once a day",
        ),
        (
            "UID:a|DTSTART:20260914T080000|RRULE:FREQ=YEARLY;INTERVAL=0",
            "1 VEVENT: recurs with a step that is not 1 to 1000",
        ),
        ("UID:a|DTSTART:20260914T080000|RRULE:COUNT=3", "1 VEVENT: has a rule that is none"),
        *(
            (
                f"UID:a|DTSTART:20260914T080000|RRULE:{rule}",
                "1 VEVENT: has a rule for days that there are not, such as 30 February",
            )
            for rule in (
                "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
                "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=5",
                "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6;COUNT=3",
            )
        ),
        ("UID:a|DTSTART:19990914T080000|RRULE:FREQ=DAILY", "1 VEVENT: recurs since more than 6 years"),
        ("UID:a|DTSTART:示例", "1 VEVENT: has a date that is none (DTSTART)"),
        ("UID:a|DTSTART:00010101T000000", "1 VEVENT: begins in a year that no school plans"),
        (
            "UID:a|DTSTART;VALUE=DATE:20260914|DTEND:20260914T080000",
            "1 VEVENT: begins with a time and ends without one",
        ),
        ("UID:a|SUMMARY:x", "1 VEVENT: has no beginning (DTSTART)"),
        ("DTSTART:20260914T080000", "1 VEVENT: has no UID of 1 to 200 characters"),
        ("UID:" + "x" * 201 + "|DTSTART:20260914T080000", "1 VEVENT: has no UID of 1 to 200 characters"),
        (
            "UID:a|DTSTART:20260914T080000|DTEND:20260916T080000|SUMMARY:3-2 PE",
            "1 VEVENT: lasts no time or more than 24 hours",
        ),
    ],
)
def test_an_event_that_cannot_be_taken_says_why(event: str, cause: str) -> None:
    with pytest.raises(ImportProblems) as caught:
        booked(event)
    assert cause_of(caught) == cause


@pytest.mark.parametrize(
    "data", [b"", b"garbage", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", ics()[:40], b"\0"]
)
def test_a_file_that_is_no_calendar_says_so(data: bytes) -> None:
    with pytest.raises(ImportProblems):
        read_events("a.ics", data, FIRST, LAST, ZONE)


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("FREQ=WEEKLY;BYDAY=MO;UNTIL=20261006T000000Z", 4),
        ("FREQ=MONTHLY;BYDAY=2MO;COUNT=3", 3),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;UNTIL=20261231", 1),
        ("FREQ=YEARLY;INTERVAL=1000", 1),
    ],
)
def test_rules_that_occur_are_counted_out(rule: str, count: int) -> None:
    """The beginning always counts (RFC 5545, 3.8.5.3)."""
    rows = booked(f"UID:a|DTSTART:20260914T080000|DURATION:PT40M|SUMMARY:3-2 PE|RRULE:{rule}")
    assert len(rows.bookings) == count


def test_too_many_occurrences_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ics_module, "INSTANCES_MAX", 100)
    daily = [f"UID:{at}|DTSTART:20260914T080000|DURATION:PT1H|RRULE:FREQ=DAILY" for at in range(6)]
    with pytest.raises(ImportProblems) as caught:
        events_of(*daily)
    assert cause_of(caught) == "0 : has more than 100 occurrences"


def test_class_and_subject_in_a_summary() -> None:
    assert [split_summary(text) for text in ("三（2）班 体育", "体育：初一3班", "3-2 PE", "篮球社团")] == [
        ("3-2", "pe"),
        ("7-3", "pe"),
        ("3-2", "pe"),
        (None, "篮球社团"),
    ]


def test_a_table_of_bookings() -> None:
    title = "场地,日期,开始时间,结束时间,班级,科目,编号,状态\n"
    rows = booking_table(
        title + "操场,2026-09-14,8:00,8:40,三2,体育,A1,\n操场,2026-09-15,8:00,8:40,,,A2,取消\n"
    )
    day = dt.date(2026, 9, 14)
    assert rows == BookingRows(
        [Booking("A1", "操场", local_ms(day, "08:00", ZONE), local_ms(day, "08:40", ZONE), "3-2", "pe")],
        ["A1", "A2"],
        [],
    )
    with pytest.raises(ImportProblems) as caught:
        booking_table(title + "操场,2026-09-14,8:00,8:40,三2,体育,,\n" * 2)
    assert cause_of(caught) == "3 编号: is the booking of row 2 too"


@pytest.fixture
def school(vault: Vault) -> Vault:
    with vault.begin() as connection:
        for class_id in CLASSES:
            put_class(connection, class_id, class_id, class_id)
    return vault


def test_a_timetable_replaces_that_of_its_classes_only(school: Vault) -> None:
    title = "class,weekday,starts,ends,subject\n"
    import_timetable(school, timetable(title + "3-2,1,8:00,8:40,PE\n3-1,1,8:00,8:40,PE\n"))
    again = import_timetable(school, timetable(title + "3-2,2,8:00,8:40,PE\n"))
    assert again == (1, 1, 0)
    with school.read() as connection:
        assert {(one.class_id, one.weekday) for one in read_lessons(connection)} == {("3-1", 1), ("3-2", 2)}
        version = map_version(connection)
    same = import_timetable(school, timetable(title + "3-2,2,8:00,8:40,PE\n"))
    tried = import_timetable(school, timetable(title + "3-2,3,8:00,8:40,PE\n"), dry_run=True)
    assert (same, tried) == ((0, 0, 1), (1, 1, 0))
    with school.read() as connection:
        assert (len(read_lessons(connection)), map_version(connection), version) == (2, 3, 3)
        assert [row.action for row in find(connection, limit=10)] == ["import_timetable"] * 3


def test_days_replace_what_was_said_of_them(school: Vault) -> None:
    title = "date,kind,follows\n"
    import_days(school, days(title + "2026-10-01,holiday,\n2026-10-10,school,3\n"))
    assert import_days(school, days(title + "2026-10-10,school,4\n")) == (1, 1, 0)
    with school.read() as connection:
        found = read_calendar(connection)
    assert {date: day.follows_weekday for date, day in found.items()} == {"2026-10-01": None, "2026-10-10": 4}


def uids(vault: Vault) -> list[str]:
    with vault.read() as connection:
        return [booking.uid for booking in read_bookings(connection)]


def test_a_changed_event_replaces_its_old_one_and_a_cancelled_one_goes(school: Vault) -> None:
    club = "UID:club|DTSTART:20260914T160000|DTEND:20260914T170000|SUMMARY:篮球社|LOCATION:体育馆"
    assert import_bookings(school, booked(WEEKLY, club)) == (4, 0, 0)
    assert import_bookings(school, booked(WEEKLY, club)) == (0, 0, 4)
    import_bookings(
        school,
        booked(
            WEEKLY.replace("COUNT=3", "COUNT=2").replace("T080000", "T090000").replace("T084000", "T094000")
        ),
    )
    assert uids(school) == ["pe#20260914T0900", "club#20260914T1600", "pe#20260921T0900"]
    import_bookings(school, booked(club + "|STATUS:CANCELLED"))
    one = "UID:pe|RECURRENCE-ID:20260921T090000|DTSTART:20260921T090000|DTEND:20260921T094000|SUMMARY:三2班 体育"
    import_bookings(school, booked(one, method="CANCEL"))
    assert uids(school) == ["pe#20260914T0900"]


def test_bookings_that_a_file_does_not_have_stay_unless_told_otherwise(school: Vault) -> None:
    club = "UID:club|DTSTART:20260914T160000|DTEND:20260914T170000|SUMMARY:篮球社|LOCATION:体育馆"
    import_bookings(school, booked(WEEKLY))
    import_bookings(school, booked(club))
    assert len(uids(school)) == 4
    import_bookings(school, booked(club), replace_all=True, dry_run=True)
    assert len(uids(school)) == 4
    import_bookings(school, booked(club), replace_all=True)
    assert uids(school) == ["club#20260914T1600"]
