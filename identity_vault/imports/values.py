"""What a cell of a roster says: dates, sex, phones, identifiers. None of the messages repeats a value."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Final, TypeVar

from identity_vault.imports.allergens import ALLERGENS, allergen_code
from identity_vault.imports.folding import fold
from identity_vault.imports.problems import CellError
from identity_vault.imports.tables import Cell, as_text
from identity_vault.roster.people import Sex
from telemetry.credential_map import normalise_band, normalise_identifier
from telemetry.purposes import PURPOSES, Purpose

NAME_CHARS_MAX: Final = 60
NUMBER_CHARS_MAX: Final = 32
SHORT_CHARS_MAX: Final = 30
DORMITORY_CHARS_MAX: Final = 60
EVIDENCE_CHARS_MAX: Final = 200
NOTHING: Final = frozenset({"无", "-", "/", "none", "没有", "否认"})
"""Says that there is none; an empty cell says nothing."""

_DATE: Final = re.compile(
    r"([0-9]{4})([-/.年])([0-9]{1,2})[-/.月]([0-9]{1,2})日?(?:[ T]00:00(?::00)?)?"
).fullmatch
_DATE_DIGITS: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})").fullmatch
_PHONE: Final = re.compile(r"\+?[0-9]{5,20}").fullmatch
_BETWEEN: Final = re.compile(r"[;、|\n]+")
_WITHIN: Final = re.compile(r"[;、|\n,]+")
_TEXT: Final = re.compile(r"[^\r\n\t]+").fullmatch

_MALE: Final = frozenset({"男", "男性", "男生", "1", "m", "male", "boy"})
_FEMALE: Final = frozenset({"女", "女性", "女生", "2", "f", "female", "girl"})
_UNKNOWN_SEX: Final = frozenset({"0", "9", "未知", "未说明"})
_EXCEL_DAYS: Final = (20_000, 80_000)
"""A date as the number of days that Excel keeps: of the years 1954 to 2119."""
YEARS: Final = (1900, 2119)
_EXCEL_ZERO: Final = dt.date(1899, 12, 30)

Value = TypeVar("Value")


def text_of(cell: Cell, chars_max: int) -> str:
    """One line of text, empty for an empty cell. Raises CellError."""
    text = " ".join(as_text(cell).split())
    if len(text) > chars_max:
        raise CellError(f"has more than {chars_max} characters", "shorten it")
    return text


def date_of(cell: Cell) -> dt.date:
    """A day: 2014-03-05, 2014/3/5, 20140305, 2014年3月5日 or a spreadsheet's date. Raises CellError."""
    if isinstance(cell, dt.datetime):
        return cell.date()
    if isinstance(cell, dt.date):
        return cell
    if isinstance(cell, int) and _EXCEL_DAYS[0] <= cell <= _EXCEL_DAYS[1]:
        return _EXCEL_ZERO + dt.timedelta(days=cell)
    text = fold(as_text(cell))
    found = _DATE(text)
    digits = _DATE_DIGITS(text)
    parts = (found[1], found[3], found[4]) if found else digits.groups() if digits else None
    if parts is None:
        raise CellError("is not a date", "write it as 2014-03-05")
    try:
        day = dt.date(*map(int, parts))
    except ValueError:
        raise CellError("is a date that no calendar has", "write it as 2014-03-05") from None
    if not YEARS[0] <= day.year <= YEARS[1]:
        raise CellError(f"is a date outside the years {YEARS[0]} to {YEARS[1]}", "correct the year")
    return day


def sex_of(cell: Cell) -> Sex | None:
    """GB/T 2261.1: 1 is male, 2 female; None where it is unknown. Raises CellError."""
    word = fold(as_text(cell)).casefold()
    if word in _MALE:
        return "male"
    if word in _FEMALE:
        return "female"
    if word in _UNKNOWN_SEX or not word:
        return None
    raise CellError("is not a sex", "write 男 or 女, or leave it empty")


def yes_of(cell: Cell) -> bool | None:
    """None for an empty cell. Raises CellError."""
    word = fold(as_text(cell)).casefold()
    if word in {"是", "住宿", "住校", "寄宿", "1", "y", "yes", "true", "√", "✓"}:
        return True
    if word in {"否", "走读", "不住宿", "0", "2", "n", "no", "false", *NOTHING}:
        return False
    if not word:
        return None
    raise CellError("is neither yes nor no", "write 是 or 否")


def phone_of(cell: Cell) -> str:
    """Digits, of a foreign number with a plus; empty for an empty cell. Raises CellError."""
    digits = re.sub(r"[\s()\-.]", "", fold(as_text(cell)))
    if not digits or digits.casefold() in NOTHING:
        return ""
    if re.fullmatch(r"(\+|00)?861[0-9]{10}", digits):
        digits = digits[-11:]
    if not _PHONE(digits):
        raise CellError("is not a phone number", "write 5 to 20 digits, one number a cell")
    return digits


def student_number_of(cell: Cell) -> str:
    """Letters in capitals. Raises CellError; also for a number that a spreadsheet has rounded."""
    if isinstance(cell, float) or (isinstance(cell, int) and cell >= 10**15):
        raise CellError("is a number that Excel has rounded", "format the column as text and enter it again")
    text = fold(text_of(cell, NUMBER_CHARS_MAX)).upper()
    if not re.fullmatch(r"[0-9A-Z][0-9A-Z_\-]*", text):
        raise CellError("is not a student number" if text else "is empty", "write digits and letters only")
    return text


def list_of(
    cell: Cell, parse: Callable[[str], Value], *, with_commas: bool = True
) -> tuple[Value, ...] | None:
    """The values in a cell, between ``;``, ``、``, ``|`` or line breaks; without doubles, in order.

    None: the cell is empty. (): it says that there is none. Raises CellError.
    """
    text = fold(as_text(cell))
    if not text:
        return None
    if text.casefold() in NOTHING:
        return ()
    pieces = (_WITHIN if with_commas else _BETWEEN).split(text)
    return tuple(dict.fromkeys(parse(piece.strip()) for piece in pieces if piece.strip()))


def allergen_of(word: str) -> str:
    """The code of a group of GB 7718. Raises CellError."""
    code = allergen_code(word)
    if code is None:
        raise CellError(
            "names an allergen that no group of GB 7718 has",
            f"use {'、'.join(words[0] for words in ALLERGENS.values())}; 无 where there is none",
        )
    return code


def band_of(text: str) -> str:
    """Normalised. Raises CellError."""
    try:
        return normalise_band(text)
    except ValueError:
        raise CellError(
            "is not a band's address", "write twelve hexadecimal digits: A4:C1:38:00:00:01"
        ) from None


def station_of(scheme: str) -> Callable[[str], str]:
    """Reads numbers of one scheme; with an empty one ``scheme:number``. The reader raises CellError."""

    def read(text: str) -> str:
        name, number = (scheme, text) if scheme else map(str.strip, text.partition(":")[::2])
        try:
            return normalise_identifier(name.casefold(), number)
        except ValueError:
            raise CellError(
                "is not a station's number of a person",
                "write it without blanks, and whose it is in the title, such as 站点编号:hikvision",
            ) from None

    return read


def purpose_of(word: str) -> Purpose:
    """By its name in either language or its code. Raises CellError, also for one without consent."""
    plain = fold(word).casefold()
    for purpose, info in PURPOSES.items():
        if plain in {purpose, info.zh.casefold(), info.en.casefold()} and info.needs_consent:
            return purpose
    known = "、".join(f"{info.zh} ({purpose})" for purpose, info in PURPOSES.items() if info.needs_consent)
    raise CellError("names no purpose that consent is asked for", f"use {known}")


def relation_of(cell: Cell) -> str:
    return text_of(cell, SHORT_CHARS_MAX)
