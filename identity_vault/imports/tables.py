"""Reads a table from the bytes of a CSV or Excel file, without knowing what its columns mean.

A cell is a text, stripped; what a spreadsheet holds as a number or a date keeps that type, for a
number that lost its leading zeros reads differently from a text.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from identity_vault.imports.problems import CellError, ImportProblems, RowProblem, whole_file

FILE_BYTES_MAX: Final = 32 * 1024 * 1024
UNPACKED_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of a workbook: 20,000 pupils take less, and a row of a million cells a gigabyte of memory."""
ROWS_MAX: Final = 20_000
COLUMNS_MAX: Final = 200
CELL_CHARS_MAX: Final = 1_000
DELIMITERS: Final = (",", ";", "\t")
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_USER_DEFINED: Final = frozenset(map(chr, range(0xE000, 0xE766)))
"""Where GB18030 puts its user-defined areas; the private signs after them stand for rare characters."""
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS: Final = "save it as CSV in UTF-8 or as an Excel workbook (.xlsx)"


class Formula(NamedTuple):
    """Stands for a cell whose value would have to be computed."""


class TooLong(NamedTuple):
    """Stands for a cell with more than CELL_CHARS_MAX characters, or with signs that are no text."""


Cell = str | int | float | dt.date | dt.time | Formula | TooLong | None
"""None: empty. A datetime of a spreadsheet becomes its date when it is midnight."""


class Row(NamedTuple):
    """number: as a spreadsheet counts; in a CSV file the line on which the row begins."""

    number: int
    cells: list[Cell]

    @property
    def is_empty(self) -> bool:
        return all(cell is None for cell in self.cells)


class Table(NamedTuple):
    """file: its name, for messages. unread_sheets: visible sheets of a workbook after the first. problem:
    why there are no rows after these; with another delimiter the same text may have none.
    """

    file: str
    rows: list[Row]
    unread_sheets: int = 0
    problem: ImportProblems | None = None


def read_tables(file: str, data: bytes) -> list[Table]:
    """The table of a file; for a CSV file one reading for each delimiter, for the columns' titles to
    decide between. Raises ImportProblems.
    """
    if len(data) > FILE_BYTES_MAX:
        raise whole_file(file, f"is larger than {FILE_BYTES_MAX >> 20} MB", "split it")
    if not data.strip():
        raise whole_file(file, "is empty", "export it again")
    if data.startswith(_OLE):
        raise whole_file(
            file,
            "has a password, or is a workbook of Excel 97 (.xls)",
            "open it in Excel and save it without a password as .xlsx",
        )
    found = [_workbook(file, data)] if data.startswith(_ZIP) else _texts(file, data)
    if all(table.problem is None and all(row.is_empty for row in table.rows) for table in found):
        raise whole_file(file, "has no rows", "export it again")
    return found


def decode(file: str, data: bytes) -> str:
    """UTF-8 with or without its mark, or GB18030. Raises ImportProblems."""
    if data.startswith(_UTF16):
        raise whole_file(file, "is UTF-16", _SAVE_AS)
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise ImportProblems([RowProblem(file, line, "", "holds a NUL, which no text has", _SAVE_AS)])
    has_mark = data.startswith(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
    try:
        text = "" if has_mark else data.decode("gb18030")
    except UnicodeDecodeError:
        text = ""
    # Bytes of another encoding often make GB18030 of some sort: signs that nobody has assigned.
    if not text or any(not is_text(sign) or sign in _USER_DEFINED for sign in set(text)):
        raise ImportProblems([RowProblem(file, line, "", "is neither UTF-8 nor GB18030", _SAVE_AS)])
    return text


def _texts(file: str, data: bytes) -> list[Table]:
    text = decode(file, data)
    delimiters = [delimiter for delimiter in DELIMITERS if delimiter in text]
    return [_text_table(file, text, delimiter) for delimiter in delimiters or DELIMITERS[:1]]


def _text_table(file: str, text: str, delimiter: str) -> Table:
    rows: list[Row] = []
    try:
        rows.extend(_csv_rows(file, text, delimiter))
    except ImportProblems as problem:
        return Table(file, rows, 0, problem)
    return Table(file, rows)


def _csv_rows(file: str, text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    while True:
        try:
            found = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise ImportProblems(
                [
                    RowProblem(
                        file, begins, "", "has a quotation mark without its other half", "correct the row"
                    )
                ]
            ) from None
        row = Row(begins, [_text(cell) for cell in found])
        begins = reader.line_num + 1
        if not row.is_empty:
            _check_size(file, row.number, len(row.cells))
            yield row


def _check_size(file: str, number: int, columns: int) -> None:
    if columns > COLUMNS_MAX:
        raise ImportProblems(
            [RowProblem(file, number, "", f"has more than {COLUMNS_MAX} columns", "take the others out")]
        )
    if number > ROWS_MAX:
        raise whole_file(file, f"has more than {ROWS_MAX} rows", "split it")


def _text(cell: str) -> Cell:
    if len(cell) > CELL_CHARS_MAX:
        return TooLong()
    stripped = cell.strip()
    return (stripped or None) if all(map(is_text, stripped)) else TooLong()


def is_text(sign: str) -> bool:
    """False for control characters and for what nobody has assigned.

    Planes 2 and 3 are ideographs; names are written with some that are younger than Python's table.
    """
    return (
        sign in "\n\r\t" or 0x20000 <= ord(sign) <= 0x3FFFF or unicodedata.category(sign) not in {"Cc", "Cn"}
    )


def _workbook(file: str, data: bytes) -> Table:
    damaged = whole_file(
        file, "is not a workbook that can be read", "open it in Excel and save it as .xlsx again"
    )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            unpacked_bytes = sum(one.file_size for one in packed.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise damaged from None
    if unpacked_bytes > UNPACKED_BYTES_MAX:
        raise whole_file(file, f"unpacks to more than {UNPACKED_BYTES_MAX >> 20} MB", "split it")
    # Its warnings are about looks we do not read, and some quote cells.
    with warnings.catch_warnings(action="ignore"):
        return _sheet(file, data, damaged)


def _sheet(file: str, data: bytes, damaged: ImportProblems) -> Table:
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
        try:
            sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
            if not sheets:
                raise whole_file(file, "has no visible sheet", "show the sheet with the list")
            sheets[0].reset_dimensions()
            return Table(file, list(_sheet_rows(file, sheets[0])), len(sheets) - 1)
        finally:
            book.close()
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        ParseError,
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        OSError,
        AttributeError,
        IndexError,
        zipfile.LargeZipFile,
        NotImplementedError,
    ):
        raise damaged from None


def _sheet_rows(file: str, sheet: Any) -> Iterator[Row]:
    for number, found in enumerate(sheet.iter_rows(max_col=COLUMNS_MAX + 1), start=1):
        row = Row(number, [_typed(cell) for cell in found])
        while row.cells and row.cells[-1] is None:
            row.cells.pop()
        if row.cells:
            _check_size(file, number, len(row.cells))
            yield row
        elif number > ROWS_MAX * 4:
            raise whole_file(file, "has a sheet of empty rows without end", "delete the rows below the list")


def _typed(cell: Any) -> Cell:
    value = cell.value
    if getattr(cell, "data_type", "n") == "f":
        return Formula()
    if isinstance(value, dt.datetime):
        value = value.date() if value.time() == dt.time() else value.isoformat(" ")
    elif isinstance(value, bool):
        value = str(value).upper()
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        return _text(value)
    return value if isinstance(value, int | float | dt.date | dt.time | None) else TooLong()


def as_text(cell: Cell) -> str:
    """A cell as its text, empty for an empty one. Raises CellError for what is none."""
    if cell is None:
        return ""
    if isinstance(cell, Formula):
        raise CellError("holds a formula", "copy the column and paste it as values")
    if isinstance(cell, TooLong):
        raise CellError(f"has more than {CELL_CHARS_MAX} characters, or signs that are no text", "shorten it")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)
