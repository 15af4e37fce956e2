"""Classes as people write them, 三（2）班 or 三年级2班, and the ids by which everything else knows them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from identity_vault.imports.folding import DIGITS, chinese_number, fold
from identity_vault.imports.problems import CellError
from telemetry.topics import IDENTIFIER

CLASSES_MAX: Final = 99
_STAGES: Final = {"小": 0, "初": 6, "高": 9}
"""Grades count through from the first of primary school: 初一 is grade 7 here, 高一 grade 10."""
_PREPARATORY: Final = {"预初": 6, "预备": 6, "初预": 6}
"""Shanghai's lower secondary schools begin with grade 6."""
_GRADE: Final = r"(?P<grade>[0-9一二三四五六七八九十]{1,3}|[小初高][0-9一二三四五六]|预初|预备|初预)"
_NUMBER: Final = r"(?P<number>[0-9一二三四五六七八九十]{1,3})"
_CLASS: Final = re.compile(rf"{_GRADE}(?:年级|年)?\(?{_NUMBER}\)?班?").fullmatch
_WITH_GRADE: Final = re.compile(rf"\(?{_NUMBER}\)?班?").fullmatch
_GRADE_ALONE: Final = re.compile(rf"{_GRADE}(?:年级|年)?").fullmatch
_ID: Final = re.compile(r"(?P<grade>[0-9]{1,2})-(?P<number>[0-9]{1,2})").fullmatch
_REMEDY: Final = "write it as 三（2）班 or 3-2, or give its id in a column 班级编号"


class SchoolClass(NamedTuple):
    """id: "3-2". zh, en: what people call it. is_named: the file says so, it is not made from the id."""

    id: str
    zh: str
    en: str
    is_named: bool = False


def class_of(text: str, grade: str = "", name: str = "", *, may_be_id: bool = True) -> SchoolClass:
    """The class in a cell: an id or as people write it, with the grade perhaps in a cell of its own.

    name: what people call the class, where the file says so beside the id. may_be_id: False where the
    text is a name, and one that we do not understand makes no class. Raises CellError.
    """
    plain = fold(text).replace(" ", "")
    if found := _ID(plain):
        return _numbered(int(found["grade"]), int(found["number"]), name)
    if grade and (within := _WITH_GRADE(plain)):
        known = _GRADE_ALONE(fold(grade).replace(" ", ""))
        return _numbered(_grade(known["grade"]) if known else None, chinese_number(within["number"]), name)
    if found := _CLASS(plain):
        between = plain[found.end("grade") : found.start("number")]
        # 301 is no grade 30 and 十二班 no grade 10: without a sign between it takes a grade of one sign.
        if between or re.match(r"[一二三四五六七八九小初高预]", plain):
            return _numbered(_grade(found["grade"]), chinese_number(found["number"]), name)
    if may_be_id and IDENTIFIER.fullmatch(plain.casefold()):
        return SchoolClass(plain.casefold(), name or plain, f"Class {plain.casefold()}", bool(name))
    raise CellError("is not a class" if plain else "is empty", _REMEDY)


def _grade(text: str) -> int | None:
    if text in _PREPARATORY:
        return _PREPARATORY[text]
    if text[0] in _STAGES:
        within = chinese_number(text[1:])
        return None if within is None else _STAGES[text[0]] + within
    return chinese_number(text)


def _numbered(grade: int | None, number: int | None, name: str) -> SchoolClass:
    if grade is None or number is None or not 1 <= grade <= 12 or not 1 <= number <= CLASSES_MAX:
        raise CellError("is a class that no school has", _REMEDY)
    id_ = f"{grade}-{number}"
    in_words = DIGITS[grade] if grade < 10 else "十" + (DIGITS[grade - 10] if grade > 10 else "")
    return SchoolClass(id_, name or f"{in_words}（{number}）班", f"Class {id_}", bool(name))
