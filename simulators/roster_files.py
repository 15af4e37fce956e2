"""Writes the roster of a simulated school as the files that a vault imports.

Three files tell of the same pupils: a CSV with our own columns, one as a school's office exports it
(GB18030, Chinese headers after JY/T 0633), and an Excel sheet. Several values in one cell stand with ``;``
between them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from simulators.pupils import class_label
from simulators.roster import CONSENT_DATE, SCHOOL_YEAR, Entry, roster
from simulators.school import School
from telemetry.purposes import PURPOSES

GUARDIANS_MAX: Final = 2
EVIDENCE: Final = "示例家长同意书"

COLUMNS: Final[dict[str, str]] = {
    "student_number": "学籍号",
    "name": "姓名",
    "sex": "性别",
    "birth_date": "出生日期",
    "class": "班号",
    "class_name": "班级名称",
    "dormitory": "宿舍",
    "allergens": "过敏原",
    "card": "卡号",
    "band": "手环地址",
    "station:hikvision": "站点编号:hikvision",
    "station:wecom": "站点编号:wecom",
    "guardian1_name": "监护人1姓名",
    "guardian1_relation": "监护人1关系",
    "guardian1_phone": "监护人1电话",
    "guardian2_name": "监护人2姓名",
    "guardian2_relation": "监护人2关系",
    "guardian2_phone": "监护人2电话",
    **{f"consent:{one}": f"同意:{info.zh}" for one, info in PURPOSES.items() if info.needs_consent},
    "evidence": "同意凭证",
}
"""Our own columns and what the Chinese files call them; a consent is the date on which it was given."""

_ZH: Final = {
    "male": "男",
    "female": "女",
    "father": "父亲",
    "mother": "母亲",
    "grandparent": "祖父母",
}
_WEEKDAYS: Final = range(1, 8)
_HOLIDAYS: Final = (
    (date(2026, 9, 25), 3, "中秋节"),
    (date(2026, 10, 1), 7, "国庆节"),
    (date(2027, 1, 1), 1, "元旦"),
)
"""First day, number of days, name: of the example's calendar, not of any real notice."""
_MADE_UP: Final = ((date(2026, 9, 20), 5, "国庆节调休"), (date(2026, 10, 10), 3, "国庆节调休"))
"""A day of school at a weekend, and whose timetable it follows."""


def write_all(school: School, folder: Path, *, agreed_on: date = CONSENT_DATE) -> tuple[Path, ...]:
    """Writes every file into a folder, which is made; what stood there under these names is replaced.

    agreed_on: the day on which everybody agreed who did.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = roster(school)
    english = [list(COLUMNS), *(_row(entry, agreed_on) for entry in entries)]
    chinese = [list(COLUMNS.values()), *(_row_zh(entry, agreed_on) for entry in entries)]
    return (
        _csv(folder / "roster.csv", english, "utf-8"),
        _csv(folder / "roster-gb18030.csv", chinese, "gb18030"),
        _xlsx(folder / "roster.xlsx", chinese),
        _csv(
            folder / "timetable.csv",
            [["class", "weekday", "starts", "ends", "subject", "place"], *_lessons(school)],
            "utf-8",
        ),
        _csv(
            folder / "calendar.csv",
            [["date", "to_date", "kind", "follows", "note"], *_calendar()],
            "utf-8",
        ),
    )


def _row(entry: Entry, agreed_on: date) -> list[str]:
    guardians = [cell for one in entry.guardians for cell in (one.name, _ZH[one.relation], one.phone)]
    return [
        entry.student_number,
        entry.name,
        entry.sex,
        entry.birth_date.isoformat(),
        entry.pupil.class_id,
        class_label(entry.pupil.class_id),
        entry.dormitory,
        ";".join(entry.allergens),
        ";".join(entry.cards),
        ";".join(entry.bands),
        *(one.partition(":")[2] for one in entry.station_ids),
        *guardians,
        *[""] * (3 * GUARDIANS_MAX - len(guardians)),
        *(
            agreed_on.isoformat() if one in entry.consents else ""
            for one, info in PURPOSES.items()
            if info.needs_consent
        ),
        EVIDENCE if entry.consents else "",
    ]


def _row_zh(entry: Entry, agreed_on: date) -> list[str]:
    """As an office writes it: words instead of codes, dates without signs between."""
    cells = dict(zip(COLUMNS, _row(entry, agreed_on), strict=True))
    cells["sex"] = _ZH[cells["sex"]]
    cells["birth_date"] = cells["birth_date"].replace("-", "")
    return list(cells.values())


def _lessons(school: School) -> Iterator[list[str]]:
    """The lessons that a class has elsewhere; nothing else is of interest to a gateway."""
    lessons = [one for one in school.plan.timetable.day if one.phase == "lesson"]
    for one in school.plan.classes:
        for away in one.away:
            period = lessons[away.lesson - 1]
            times = [_time(period.start_min), _time(period.end_min)]
            yield [one.id, str(_WEEKDAYS[away.day]), *times, away.subject, away.place]


def _time(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _calendar() -> Iterator[list[str]]:
    """The days that differ from the week's habit."""
    for first, days, name in _HOLIDAYS:
        yield [first.isoformat(), (first + timedelta(days=days - 1)).isoformat(), "holiday", "", name]
    for made_up, follows, name in _MADE_UP:
        yield [made_up.isoformat(), made_up.isoformat(), "school", str(follows), name]


def _csv(file: Path, rows: Sequence[Sequence[str]], encoding: str) -> Path:
    with file.open("w", encoding=encoding, newline="") as out:
        csv.writer(out).writerows(rows)
    return file


def _xlsx(file: Path, rows: Sequence[Sequence[str]]) -> Path:
    """All cells are text: a number of a card must not lose its zeros."""
    from openpyxl import Workbook  # noqa: PLC0415  # of the extra "simulators", and slow to load

    book = Workbook(write_only=True)
    sheet = book.create_sheet(f"{SCHOOL_YEAR} 学年")
    for row in rows:
        sheet.append(list(row))
    book.save(file)
    return file
