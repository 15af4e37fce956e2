"""A roster's table as typed rows: one row a pupil, each cell read or a problem. Nothing is looked up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from identity_vault.imports.cardnumbers import cards_of, hex_lengths
from identity_vault.imports.classes import SchoolClass, class_of
from identity_vault.imports.folding import fold
from identity_vault.imports.headers import Column, Content
from identity_vault.imports.problems import CellError, Problems
from identity_vault.imports.tables import Cell, Row
from identity_vault.imports.values import (
    DORMITORY_CHARS_MAX,
    EVIDENCE_CHARS_MAX,
    NAME_CHARS_MAX,
    NOTHING,
    SHORT_CHARS_MAX,
    allergen_of,
    band_of,
    date_of,
    list_of,
    phone_of,
    purpose_of,
    sex_of,
    station_of,
    student_number_of,
    text_of,
    yes_of,
)
from identity_vault.roster import GuardianDetails, age_on
from identity_vault.roster.people import CredentialKind, Sex
from telemetry.purposes import Purpose

AGES: Final = (5, 20)
"""Of pupils, in whole years, both included."""
NEEDED: Final = ("student_number", "name", "class|class_name")
_MS_PER_DAY: Final = 86_400_000

Value = TypeVar("Value")


class GivenConsent(NamedTuple):
    """A consent as the file has it. by: guardian or pupil. on: the day."""

    purpose: Purpose
    on: dt.date
    by: str
    evidence: str


class RosterRow(NamedTuple):
    """A pupil as the file has one. None: the file says nothing of it; () or "": that there is none.

    schemes: of which kinds of stations the file says something.
    """

    file: str
    number: int
    student_number: str
    name: str
    school_class: SchoolClass
    birth_date: str | None
    sex: Sex | None
    dormitory: str | None
    allergens: tuple[str, ...] | None
    cards: tuple[str, ...] | None
    bands: tuple[str, ...] | None
    stations: tuple[str, ...] | None
    schemes: frozenset[str]
    guardians: tuple[GuardianDetails, ...]
    consents: tuple[GivenConsent, ...]

    def __repr__(self) -> str:
        return f"RosterRow({self.file}:{self.number}, …)"


class Today(NamedTuple):
    """The day of the import: what is younger, older or later than it allows is a slip of the pen."""

    now_ms: int
    age_on: Callable[[str], int]
    date: dt.date


def read_rows(content: Content, today: Today, problems: Problems) -> Iterator[RosterRow]:
    """The rows of a roster; those with problems are left out and their problems added."""
    check_columns(content, problems)
    cards = [column for column in content.columns if column.meaning == "card"]
    lengths = hex_lengths(
        row.cells[one.at] for one in cards for row in content.rows if one.at < len(row.cells)
    )
    for row in content.rows:
        reader = _RowReader(content, row, problems)
        found = reader.pupil(lengths, today)
        if found is not None:
            yield found


def check_columns(content: Content, problems: Problems) -> None:
    """Columns that say for what in their title: a purpose, a scheme."""
    for column in content.columns:
        try:
            _check_part(column)
        except CellError as error:
            problems.add(content.file, 0, column.title, error)


def _check_part(column: Column) -> None:
    if column.meaning == "consent" or (column.meaning == "evidence" and column.part):
        purpose_of(column.part)
    elif column.meaning == "station" and column.part:
        station_of(column.part)("1")
    elif column.part:
        raise CellError("has a colon where this column has none", "take it out of the title")


class _RowReader:
    """Reads one row; every cell that cannot be read is one problem."""

    def __init__(self, content: Content, row: Row, problems: Problems) -> None:
        self._content, self._row, self._problems = content, row, problems
        self._before = problems.count

    def _cell(self, column: Column) -> Cell:
        return self._row.cells[column.at] if column.at < len(self._row.cells) else None

    def _columns(self, meaning: str) -> Iterator[Column]:
        return (column for column in self._content.columns if column.meaning == meaning)

    def _add(self, column: Column | None, error: CellError) -> None:
        self._problems.add(self._content.file, self._row.number, column.title if column else "", error)

    def _read(self, column: Column, parse: Callable[[Cell], Value]) -> Value | None:
        try:
            return parse(self._cell(column))
        except CellError as error:
            self._add(column, error)
            return None

    def _one(self, meaning: str, parse: Callable[[Cell], Value]) -> Value | None:
        column = next(self._columns(meaning), None)
        return self._read(column, parse) if column else None

    def _text(self, meaning: str, chars_max: int) -> str:
        return self._one(meaning, lambda cell: text_of(cell, chars_max)) or ""

    def _all(
        self, meaning: str, parse: Callable[[Column, Cell], tuple[str, ...] | None]
    ) -> tuple[str, ...] | None:
        """The values of every column of a meaning together; None where all are empty."""
        found = [self._read(column, partial(parse, column)) for column in self._columns(meaning)]
        said = [values for values in found if values is not None]
        return tuple(dict.fromkeys(value for values in said for value in values)) if said else None

    def pupil(self, lengths: frozenset[int], today: Today) -> RosterRow | None:
        number = self._one("student_number", student_number_of)
        name = self._one("name", _name_of)
        school_class = self._class()
        birth_date = self._one("birth_date", lambda cell: _birth_date_of(cell, today))
        sex = self._one("sex", sex_of)
        dormitory = self._dormitory()
        allergens = self._all("allergens", lambda _, cell: list_of(cell, allergen_of))
        cards = self._all("card", lambda _, cell: cards_of(cell, lengths))
        bands = self._all("band", lambda _, cell: list_of(cell, band_of))
        stations = self._all("station", lambda column, cell: list_of(cell, station_of(column.part)))
        guardians = tuple(self._guardians())
        consents = tuple(self._consents(today))
        if self._problems.count > self._before or not (number and name and school_class):
            return None
        return RosterRow(
            self._content.file,
            self._row.number,
            number,
            name,
            school_class,
            birth_date or None,
            sex,
            dormitory,
            allergens,
            cards,
            bands,
            stations,
            self._schemes(stations or ()),
            guardians,
            consents,
        )

    def _schemes(self, stations: Sequence[str]) -> frozenset[str]:
        told = {
            column.part.casefold() for column in self._columns("station") if self._cell(column) is not None
        }
        return frozenset(told | {value.partition(":")[0] for value in stations})

    def _class(self) -> SchoolClass | None:
        grade = self._text("grade", SHORT_CHARS_MAX)
        id_ = next(self._columns("class"), None)
        name = next(self._columns("class_name"), None)
        id_text = self._read(id_, lambda cell: text_of(cell, SHORT_CHARS_MAX)) if id_ else ""
        name_text = self._read(name, lambda cell: text_of(cell, SHORT_CHARS_MAX)) if name else ""
        if id_text is None or name_text is None:
            return None
        try:
            return (
                class_of(id_text, grade, name_text)
                if id_text
                else class_of(name_text, grade, may_be_id=False)
            )
        except CellError as error:
            self._add(id_ if id_text or name is None else name, error)
            return None

    def _dormitory(self) -> str | None:
        boards = self._one("boards", yes_of)
        if boards is False:
            return ""
        text = self._text("dormitory", DORMITORY_CHARS_MAX)
        return ("" if text.casefold() in NOTHING else text) if text else None

    def _guardians(self) -> Iterator[GuardianDetails]:
        numbers = {
            column.number for column in self._content.columns if column.meaning.startswith("guardian_")
        }
        for number in sorted(numbers):
            cells: dict[str, str] = {}
            named: Column | None = None
            for column in self._content.columns:
                if column.number != number or not column.meaning.startswith("guardian_"):
                    continue
                field = column.meaning.removeprefix("guardian_")
                cells[field] = self._read(column, _GUARDIAN_FIELDS[field]) or ""
                named = column if field == "name" or named is None else named
            if cells.get("name", "").casefold() in NOTHING:
                cells["name"] = ""
            if cells.get("name"):
                yield GuardianDetails(**cells)
            elif cells.get("phone"):
                self._add(
                    named, CellError("has a phone and no name of whose it is", "write the guardian's name")
                )

    def _consents(self, today: Today) -> Iterator[GivenConsent]:
        by = "pupil" if fold(self._text("consent_by", SHORT_CHARS_MAX)).casefold() in _OWN else "guardian"
        evidence = {
            column.part and purpose_of(column.part): self._read(column, _evidence_of) or ""
            for column in self._columns("evidence")
            if not column.part or _is_purpose(column.part)
        }
        for column, purpose, on in self._given(today):
            where = evidence.get(purpose) or evidence.get("", "")
            if where:
                yield GivenConsent(purpose, on, by, where)
            else:
                self._add(
                    column,
                    CellError("is a consent without evidence", "say in 同意凭证 where the signed form is"),
                )

    def _given(self, today: Today) -> Iterator[tuple[Column, Purpose, dt.date]]:
        for column in self._columns("consent"):
            if self._cell(column) is None or not _is_purpose(column.part):
                continue
            on = self._read(column, lambda cell: _consent_date_of(cell, today))
            if on is not None:
                yield column, purpose_of(column.part), on
        for column in self._columns("consents"):
            purposes = self._read(column, lambda cell: list_of(cell, purpose_of)) or ()
            dated = next(self._columns("consent_date"), None)
            if purposes and (dated is None or self._cell(dated) is None):
                self._add(
                    dated or column,
                    CellError("is missing for a consent", "write the day on which it was given"),
                )
            elif purposes and dated is not None:
                day = self._read(dated, lambda cell: _consent_date_of(cell, today))
                if day is not None:
                    yield from ((column, purpose, day) for purpose in purposes)


_OWN: Final = frozenset({"pupil", "本人", "学生", "学生本人", "self"})


def _name_of(cell: Cell) -> str:
    text = text_of(cell, NAME_CHARS_MAX)
    if not text:
        raise CellError("is empty", "write the pupil's name")
    return text


def _evidence_of(cell: Cell) -> str:
    return text_of(cell, EVIDENCE_CHARS_MAX)


def _birth_date_of(cell: Cell, today: Today) -> str:
    if cell is None:
        return ""
    born = date_of(cell).isoformat()
    if not AGES[0] <= today.age_on(born) <= AGES[1]:
        raise CellError(f"makes an age outside {AGES[0]} to {AGES[1]} years", "correct the date of birth")
    return born


def _consent_date_of(cell: Cell, today: Today) -> dt.date:
    given = date_of(cell)
    if not dt.date(2000, 1, 1) <= given <= today.date:
        raise CellError(
            "is not a day on which a consent can have been given", "correct the date; it may not lie ahead"
        )
    return given


def _is_purpose(word: str) -> bool:
    try:
        purpose_of(word)
    except CellError:
        return False
    return True


_GUARDIAN_FIELDS: Final[dict[str, Callable[[Cell], str]]] = {
    "name": lambda cell: text_of(cell, NAME_CHARS_MAX),
    "phone": phone_of,
    "relation": lambda cell: text_of(cell, SHORT_CHARS_MAX),
}


def check_rows(rows: Sequence[RosterRow], problems: Problems, titles: Callable[[str, str], str]) -> None:
    """Student numbers and credentials of two rows. titles: the title of a column in a file by meaning."""
    numbers: dict[str, RosterRow] = {}
    owners: dict[tuple[str, str], RosterRow] = {}
    for row in rows:
        first = numbers.setdefault(row.student_number, row)
        if first is not row:
            error = CellError(f"is the student number of {first.file}:{first.number} too", "take one row out")
            problems.add(row.file, row.number, titles(row.file, "student_number"), error)
        for kind, value in credentials_of_row(row):
            owner = owners.setdefault((kind, value), row)
            if owner is not row:
                error = CellError(f"is in {owner.file}:{owner.number} too", "give it to one pupil")
                problems.add(row.file, row.number, titles(row.file, kind), error)


def credentials_of_row(row: RosterRow) -> Iterator[tuple[CredentialKind, str]]:
    """Kind and value of every credential of a row."""
    told: dict[CredentialKind, tuple[str, ...] | None] = {
        "card": row.cards,
        "band": row.bands,
        "station": row.stations,
    }
    for kind, values in told.items():
        yield from ((kind, value) for value in values or ())


def day_ms(day: dt.date, zone: ZoneInfo) -> int:
    """Local midnight at which a day begins, ms UTC."""
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1_000)


def today_of(now_ms: int, zone: ZoneInfo) -> Today:
    """The day of an import by the school's calendar."""
    local = dt.datetime.fromtimestamp(now_ms / 1_000, dt.UTC).astimezone(zone)
    return Today(now_ms, lambda born: age_on(born, now_ms, zone), local.date())
