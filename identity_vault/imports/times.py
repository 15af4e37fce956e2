"""Weekdays, times of day, periods and subjects, as timetables and calendars write them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Final

from identity_vault.imports.folding import chinese_number, fold
from identity_vault.imports.problems import CellError
from identity_vault.imports.tables import Cell, as_text
from identity_vault.imports.values import text_of

SUBJECT_CHARS_MAX: Final = 32
PLACE_CHARS_MAX: Final = 120
PE: Final = "pe"
_PE_WORDS: Final = frozenset(
    {
        "体育",
        "体育课",
        "体育与健康",
        "体育与健身",
        "体育活动",
        "体育锻炼",
        "体锻",
        "体锻课",
        "体活",
        "pe",
        "p.e.",
        "physicaleducation",
    }
)
_DAY_SIGNS: Final = "一二三四五六日"
_ENGLISH_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY: Final = re.compile(r"(?:周|星期|礼拜)?([一二三四五六日天1-7])").fullmatch
_WEEKDAY_WITHIN: Final = re.compile(r"(?:周|星期|礼拜)([一二三四五六日天])").search
_TIME: Final = re.compile(r"([0-9]{1,2})[:.时]([0-9]{2})分?(?::00)?").fullmatch
_PERIOD: Final = re.compile(
    r"第?([0-9一二三四五六七八九十]{1,3})(?:[-~、,]第?([0-9一二三四五六七八九十]{1,3}))?节?课?"
).fullmatch

Periods = Mapping[int, tuple[str, str]]
"""Start and end (HH:MM) of each period of the day, by its number."""


def weekday_of(cell: Cell) -> int:
    """1 is Monday: 1, 一, 周一, 星期一, Monday. Raises CellError."""
    text = fold(as_text(cell)).casefold()
    if found := _WEEKDAY(text):
        return _day_number(found[1])
    if len(text) >= 3 and text.isascii() and text[:3] in _ENGLISH_DAYS:
        return _ENGLISH_DAYS.index(text[:3]) + 1
    raise CellError("is not a day of the week" if text else "is empty", "write 1 to 7 or 星期一")


def weekday_within(text: str) -> int | None:
    """The weekday that a sentence names, such as 补课（周三课表）; None where it names none."""
    if found := _WEEKDAY_WITHIN(text):
        return _day_number(found[1])
    words = re.findall(r"[a-z]+", text.casefold())
    return next((at for at, day in enumerate(_ENGLISH_DAYS, 1) for word in words if _is_day(word, day)), None)


def _is_day(word: str, day: str) -> bool:
    return word == day or (word.startswith(day) and word.endswith("day"))


def _day_number(sign: str) -> int:
    return int(sign) if sign.isdigit() else _DAY_SIGNS.index(sign.replace("天", "日")) + 1


def time_of(cell: Cell) -> str:
    """HH:MM, 24:00 too. Raises CellError."""
    if isinstance(cell, dt.time):
        return f"{cell:%H:%M}"
    text = fold(as_text(cell))
    found = _TIME(text)
    if not found or int(found[2]) > 59 or (int(found[1]), found[2]) > (24, "00"):
        raise CellError("is not a time of day" if text else "is empty", "write it as 08:05")
    return f"{int(found[1]):02d}:{found[2]}"


def period_number_of(cell: Cell) -> int:
    """Raises CellError."""
    return periods_of(cell)[0]


def periods_of(cell: Cell) -> tuple[int, int]:
    """First and last period: 3, 第三节, 1-2. Raises CellError."""
    text = fold(as_text(cell)).replace(" ", "")
    found = _PERIOD(text)
    first = chinese_number(found[1]) if found else None
    last = chinese_number(found[2] or found[1]) if found else None
    if not first or not last or last < first:
        raise CellError("is not a period of the day" if text else "is empty", "write 3, 第3节 or 3-4")
    return first, last


def hours_of(cell: Cell, periods: Periods) -> tuple[str, str]:
    """Start and end of the periods in a cell. Raises CellError."""
    first, last = periods_of(cell)
    if first not in periods or last not in periods:
        raise CellError("is a period that the table of periods does not have", "add it to the --periods file")
    return periods[first][0], periods[last][1]


def subject_of(cell: Cell) -> str:
    """``pe`` for physical education by any of its names, another as it is written. Raises CellError."""
    text = fold(text_of(cell, SUBJECT_CHARS_MAX)).casefold()
    if not text:
        raise CellError("is empty", "write the subject")
    return PE if text.replace(" ", "") in _PE_WORDS else text


def place_of(cell: Cell) -> str:
    return text_of(cell, PLACE_CHARS_MAX)
