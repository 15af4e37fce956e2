"""What is wrong with a file somebody wants to import: place, cause, remedy, never the value itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

SHOWN_MAX: Final = 50
KEPT_MAX: Final = 10_000


class RowProblem(NamedTuple):
    """One thing wrong. row: as a spreadsheet counts, from 1; 0 where the file as a whole is meant.

    column: its title in the file, empty for the row as a whole. No field holds what a cell said.
    """

    file: str
    row: int
    column: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.row}" if self.row else self.file
        column = f" {self.column}" if self.column else ""
        return f"{place}{column}: {self.cause}; {self.remedy}"


class CellError(ValueError):
    """A cell that says nothing we understand; the message does not repeat it."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.cause = cause
        self.remedy = remedy


class ImportProblems(Exception):  # noqa: N818  # read as "the problems of an import"
    """An import that cannot be done, with everything wrong with it. Nothing of it was imported.

    count: of all problems, also those beyond the bound of what is kept.
    """

    def __init__(self, problems: Sequence[RowProblem], count: int = 0) -> None:
        self.problems = tuple(problems)
        self.count = max(count, len(problems))
        super().__init__(f"{self.count} problems; nothing was imported")


class Problems:
    """Collects problems; of more than KEPT_MAX the count only."""

    def __init__(self) -> None:
        self.found: list[RowProblem] = []
        self.count = 0

    def add(self, file: str, row: int, column: str, error: CellError) -> None:
        self.count += 1
        if len(self.found) < KEPT_MAX:
            self.found.append(RowProblem(file, row, column, error.cause, error.remedy))

    def extend(self, problems: Sequence[RowProblem]) -> None:
        self.count += len(problems)
        self.found += problems[: KEPT_MAX - len(self.found)]

    def raise_if_any(self) -> None:
        """Raises ImportProblems."""
        if self.found:
            files = list(dict.fromkeys(problem.file for problem in self.found))
            in_order = sorted(self.found, key=lambda problem: (files.index(problem.file), problem.row))
            raise ImportProblems(in_order, self.count)


def whole_file(file: str, cause: str, remedy: str) -> ImportProblems:
    """The problem of a file of which no row can be read."""
    return ImportProblems([RowProblem(file, 0, "", cause, remedy)])
