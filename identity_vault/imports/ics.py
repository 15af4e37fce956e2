"""Events of an iCalendar file (RFC 5545), recurring ones one by one. Bounded in every direction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events  # type: ignore[import-untyped]
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from icalendar.error import BrokenCalendarProperty

from identity_vault.imports.problems import CellError, Problems, whole_file
from identity_vault.imports.tables import decode

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
EVENTS_MAX: Final = 5_000
INSTANCES_MAX: Final = 20_000
UID_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 200
YEARS_BACK_MAX: Final = 6
"""A recurring event is counted out from its beginning."""
INTERVAL_MAX: Final = 1_000
_FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_WITHIN_A_DAY: Final = ("BYHOUR", "BYMINUTE", "BYSECOND")
_LATE_YEAR: Final = 9988
"""A leap year twelve years before the end of time, where counting a rule out ends soon."""


class Event(NamedTuple):
    """One event, or one occurrence of a recurring one. start, end: with the school's zone, midnight for
    all-day events, the end not included. instance: which occurrence, by its time in the rule.
    """

    uid: str
    instance: str
    start: dt.datetime
    end: dt.datetime
    is_all_day: bool
    is_cancelled: bool
    summary: str
    place: str


class Events(NamedTuple):
    """What a file has. uids: of every event that stands there as a whole, also where it does not occur in
    the time asked for; of others the file changes single occurrences only.
    """

    events: list[Event]
    uids: list[str]


def read_events(file: str, data: bytes, first: dt.date, last: dt.date, zone: ZoneInfo) -> Events:
    """Events between two days, both included. Raises ImportProblems, whose rows count events from 1."""
    if len(data) > FILE_BYTES_MAX:
        raise whole_file(file, f"is larger than {FILE_BYTES_MAX >> 20} MB", "split it")
    if not data.strip():
        raise whole_file(file, "is empty", "export it again")
    text = decode(file, data)
    try:
        calendar = icalendar.Calendar.from_ical(text)
        components = [one for one in calendar.walk("VEVENT") if isinstance(one, icalendar.Event)]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise whole_file(file, "is not an iCalendar file", "export it as .ics again") from None
    if not components:
        raise whole_file(file, "has no events", "export it again")
    if len(components) > EVENTS_MAX:
        raise whole_file(file, f"has more than {EVENTS_MAX} events", "split it")
    problems = Problems()
    for number, component in enumerate(components, 1):
        try:
            _check(component, first)
        except CellError as error:
            problems.add(file, number, "VEVENT", error)
    problems.raise_if_any()
    is_cancelled = str(calendar.get("METHOD", "")).upper() == "CANCEL"
    try:
        found = _occurrences(file, calendar, first, last, zone, all_cancelled=is_cancelled)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, ArithmeticError):
        raise whole_file(file, "has an event that cannot be counted out", "export it as .ics again") from None
    whole = (str(one["UID"]) for one in components if "RECURRENCE-ID" not in one)
    return Events(found, list(dict.fromkeys(whole)))


def _check(event: icalendar.Event, first: dt.date) -> None:
    uid = str(event.get("UID", ""))
    if not 1 <= len(uid) <= UID_CHARS_MAX:
        raise CellError(f"has no UID of 1 to {UID_CHARS_MAX} characters", "export the calendar again")
    start = _field(event, "DTSTART")
    if start is None:
        raise CellError("has no beginning (DTSTART)", "give it one")
    end = _field(event, "DTEND")
    if end is not None and isinstance(end, dt.datetime) != isinstance(start, dt.datetime):
        raise CellError("begins with a time and ends without one", "correct it")
    if not 1970 <= start.year <= 2200:
        raise CellError("begins in a year that no school plans", "correct it")
    for name in ("RRULE", "EXRULE"):
        rules = event.get(name, [])
        for rule in rules if isinstance(rules, list) else [rules]:
            _check_rule(rule, start, first)


def _check_rule(rule: object, start: dt.date, first: dt.date) -> None:
    """Rules that would never be counted out: of seconds, with a step of nothing, from long ago."""
    if not isinstance(rule, icalendar.vRecur) or len(rule.get("FREQ", [])) != 1:
        raise CellError("has a rule that is none", "correct it")
    if str(rule["FREQ"][0]).upper() not in _FREQUENCIES or any(key in rule for key in _WITHIN_A_DAY):
        raise CellError("recurs more than once a day", "make it daily or rarer")
    if any(not 1 <= step <= INTERVAL_MAX for step in rule.get("INTERVAL", [])):
        raise CellError(f"recurs with a step that is not 1 to {INTERVAL_MAX}", "correct its INTERVAL")
    if not _ever_occurs(rule, start):
        raise CellError("has a rule for days that there are not, such as 30 February", "correct it")
    if start.year < first.year - YEARS_BACK_MAX:
        raise CellError(f"recurs since more than {YEARS_BACK_MAX} years", "begin it later")


def _ever_occurs(rule: icalendar.vRecur, start: dt.date) -> bool:
    """Within twelve years. One that never does is searched for to the year 9999, month by month of ours."""
    endless = {key: value for key, value in rule.items() if key not in {"UNTIL", "COUNT"}}
    begins = dt.datetime(_LATE_YEAR, start.month, start.day)  # noqa: DTZ001  # any zone's
    try:
        text = icalendar.vRecur(endless).to_ical().decode()  # type: ignore[no-untyped-call]
        found = rrulestr(text, dtstart=begins)
        return next(iter(found), None) is not None
    except (ValueError, TypeError, OverflowError):
        return False


def _field(event: icalendar.Event, name: str) -> dt.date | None:
    try:
        found: object = getattr(event.get(name), "dt", None)
    except BrokenCalendarProperty:
        raise CellError(f"has a date that is none ({name})", "correct it") from None
    return found if isinstance(found, dt.date) else None


def _occurrences(
    file: str,
    calendar: icalendar.Calendar,
    first: dt.date,
    last: dt.date,
    zone: ZoneInfo,
    *,
    all_cancelled: bool,
) -> list[Event]:
    found: list[Event] = []
    query = recurring_ical_events.of(calendar, keep_recurrence_attributes=True)
    for one in _between(query, first, last):
        found.append(_event(one, zone, all_cancelled=all_cancelled))
        if len(found) > INSTANCES_MAX:
            raise whole_file(file, f"has more than {INSTANCES_MAX} occurrences", "split it")
    return sorted(found, key=lambda event: (event.start, event.uid, event.instance))


def _between(query: Any, first: dt.date, last: dt.date) -> Iterator[icalendar.Event]:
    """Month by month, so that a file with too many occurrences is refused before all are made."""
    seen: set[tuple[str, str]] = set()
    at = first
    while at <= last:
        until = min(at + dt.timedelta(days=31), last + dt.timedelta(days=1))
        for one in query.between(at, until):
            key = (str(one["UID"]), one["DTSTART"].to_ical().decode())
            if key not in seen:  # an event over the end of a month is in both
                seen.add(key)
                yield one
        at = until


def _event(event: icalendar.Event, zone: ZoneInfo, *, all_cancelled: bool) -> Event:
    start = _field(event, "DTSTART")
    assert start is not None
    end = _field(event, "DTEND") or start
    original = _field(event, "RECURRENCE-ID")
    return Event(
        str(event["UID"]),
        f"{_local(original or start, zone):%Y%m%dT%H%M}",
        _local(start, zone),
        _local(end, zone),
        is_all_day=not isinstance(start, dt.datetime),
        is_cancelled=all_cancelled or str(event.get("STATUS", "")).upper() == "CANCELLED",
        summary=_line(event.get("SUMMARY", "")),
        place=_line(event.get("LOCATION", "")),
    )


def _local(moment: dt.date, zone: ZoneInfo) -> dt.datetime:
    """A time without zone is the school's; a day begins at midnight."""
    if not isinstance(moment, dt.datetime):
        return dt.datetime(moment.year, moment.month, moment.day, tzinfo=zone)
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _line(text: object) -> str:
    return " ".join(str(text).split())[:TEXT_CHARS_MAX]
