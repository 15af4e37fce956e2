"""Which column of a school's file is which: the table ``headers.toml``, and a school's own additions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import Field

from foundation.tomlfile import FileProblems, Problem, StrictModel, load
from identity_vault.imports.folding import fold
from identity_vault.imports.problems import whole_file
from identity_vault.imports.tables import Row, Table, as_text

BUNDLED: Final = Path(__file__).with_name("headers.toml")
HEADER_WITHIN_ROWS: Final = 10
"""Above the titles a school's list has its name, a date, a remark."""
_SHOWN_CHARS_MAX: Final = 30
_SEVERAL: Final = frozenset({"card", "band"})
"""A pupil may have a column for each of several."""
_BRACKETS: Final = re.compile(r"\(.*?\)")
_NUMBERED: Final = re.compile(r"(?P<before>.*?)(?P<number>[0-9]{1,2})(?P<after>.*)", re.DOTALL)

Titles = dict[str, tuple[str, ...]]


class HeaderFile(StrictModel):
    """Titles by meaning, for each kind of file."""

    roster: Titles = Field(default_factory=dict)
    timetable: Titles = Field(default_factory=dict)
    periods: Titles = Field(default_factory=dict)
    calendar: Titles = Field(default_factory=dict)
    bookings: Titles = Field(default_factory=dict)


class Column(NamedTuple):
    """A column we use. title: as in the file. number: of 监护人2姓名, 0 for none. part: after a colon.

    rank: of its title among those for one meaning, 0 is the first.
    """

    at: int
    title: str
    meaning: str
    number: int = 0
    part: str = ""
    rank: int = 0

    @property
    def what(self) -> tuple[str, int, str]:
        """What only one column of a file may be."""
        return self.meaning, self.number, self.part


class Content(NamedTuple):
    """A table with known columns and the rows below their titles. unused: titles of other columns."""

    file: str
    columns: list[Column]
    unused: list[str]
    rows: list[Row]
    unread_sheets: int

    def title_of(self, meaning: str) -> str:
        """The title of the first column of a meaning, in this file; the meaning where it has none."""
        return next((column.title for column in self.columns if column.meaning == meaning), meaning)


class Headers:
    """The titles of one kind of file."""

    def __init__(self, titles: Mapping[str, Sequence[str]]) -> None:
        self._meanings = {
            _key(title): (meaning, rank)
            for meaning, of_meaning in titles.items()
            for rank, title in enumerate(of_meaning)
        }
        self._titles = titles

    def find(self, at: int, title: str) -> Column | None:
        """What a title means, None when nothing we know."""
        before, colon, part = fold(title).partition(":")
        for name in (_key(before), _key(_BRACKETS.sub("", before))):
            if name in self._meanings:
                meaning, rank = self._meanings[name]
                return Column(at, title, meaning, 0, part.strip() if colon else "", rank)
            numbered = _NUMBERED.fullmatch(name)
            found = numbered and self._meanings.get(f"{numbered['before']}{{n}}{numbered['after']}")
            if numbered and found and not colon:
                return Column(at, title, found[0], int(numbered["number"]), "", found[1])
        return None

    def locate(self, tables: Sequence[Table], needed: Sequence[str]) -> Content:
        """The table whose titles are known best, cut into titles and rows. needed: meanings without
        which it is not the file we take it for; a|b: one of the two. Raises ImportProblems, which does
        not quote the file: its first row may be somebody's.
        """
        located = [(self._locate(table, needed), table.problem) for table in tables]
        best, problem = max(located, key=lambda one: _known(one[0]))
        problem = problem if best else next((one for _, one in located if one), None)
        if problem is not None:
            raise problem
        if best is None:
            wanted = "、".join(
                " / ".join(self._best_known(one) for one in name.split("|")) for name in needed
            )
            raise whole_file(
                tables[0].file,
                f"none of its first {HEADER_WITHIN_ROWS} rows has the columns {wanted}",
                "check the titles and that the file is saved as UTF-8 or GB18030, or map them with --headers",
            )
        twice = _twice(best.columns)
        if twice:
            raise whole_file(best.file, f"has two columns {twice}", "take one of them out")
        return best

    def _locate(self, table: Table, needed: Sequence[str]) -> Content | None:
        for at, row in enumerate(table.rows[:HEADER_WITHIN_ROWS]):
            titles = [cell if isinstance(cell, str) else "" for cell in row.cells]
            columns = _preferred(
                [found for place, title in enumerate(titles) if title and (found := self.find(place, title))]
            )
            meanings = {column.meaning for column in columns}
            if all(meanings & set(name.split("|")) for name in needed):
                used = {column.at for column in columns}
                unused = [_shown(title) for place, title in enumerate(titles) if title and place not in used]
                return Content(table.file, columns, unused, table.rows[at + 1 :], table.unread_sheets)
        return None

    def _best_known(self, meaning: str) -> str:
        """The first Chinese title, with ours."""
        zh = next((title for title in self._titles[meaning] if not title.isascii()), meaning)
        return f"{zh} ({meaning})"


def load_headers(own: Path | None = None) -> dict[str, Headers]:
    """Headers by kind of file, with a school's own titles added. Raises FileProblems."""
    bundled = load(BUNDLED, HeaderFile)
    added = load(own, HeaderFile) if own else HeaderFile()
    found = {}
    for kind in HeaderFile.model_fields:
        titles: Titles = getattr(bundled, kind)
        more: Titles = getattr(added, kind)
        if unknown := sorted(set(more) - set(titles)):
            raise FileProblems(
                [Problem(str(own), f"{kind}.{unknown[0]} is no column of ours; ours are {', '.join(titles)}")]
            )
        # A school's own title wins over what the table says of it.
        claimed = {_key(title) for of_meaning in more.values() for title in of_meaning}
        found[kind] = Headers(
            {
                meaning: (
                    *more.get(meaning, ()),
                    *(title for title in of_meaning if _key(title) not in claimed),
                )
                for meaning, of_meaning in titles.items()
            }
        )
    return found


def text_at(row: Row, column: Column) -> str:
    """The cell's text, empty for an empty one. Raises CellError."""
    return as_text(row.cells[column.at]) if column.at < len(row.cells) else ""


def _key(title: str) -> str:
    return re.sub(r"[\s*()_]", "", fold(title)).casefold()


def _shown(title: str) -> str:
    return title if len(title) <= _SHOWN_CHARS_MAX else f"{title[:_SHOWN_CHARS_MAX]}…"


def _known(content: Content | None) -> int:
    return len(content.columns) if content else 0


def _preferred(columns: Sequence[Column]) -> list[Column]:
    """Of two titles for one meaning the one that the table names first: 学籍号 before 学号."""
    best: dict[tuple[str, int, str], int] = {}
    for column in columns:
        best[column.what] = min(best.get(column.what, column.rank), column.rank)
    return [column for column in columns if column.meaning in _SEVERAL or column.rank == best[column.what]]


def _twice(columns: Sequence[Column]) -> str:
    """The title of a column that is there twice; empty where none is."""
    seen: set[tuple[str, int, str]] = set()
    for column in columns:
        if column.what in seen and column.meaning not in _SEVERAL:
            return column.title
        seen.add(column.what)
    return ""
