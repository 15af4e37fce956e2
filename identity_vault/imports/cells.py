"""Reads the cells of one row by the meanings of its columns; what cannot be read is a problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from identity_vault.imports.headers import Content
from identity_vault.imports.problems import CellError, Problems
from identity_vault.imports.tables import Cell, Row

Value = TypeVar("Value")


class Cells:
    """One row of a table whose columns have one meaning each."""

    def __init__(self, content: Content, row: Row, problems: Problems) -> None:
        self._content, self._row, self._problems = content, row, problems
        self._before = problems.count

    @property
    def are_sound(self) -> bool:
        """Whether the row has had no problem so far."""
        return self._problems.count == self._before

    def has(self, meaning: str) -> bool:
        """Whether there is such a column, and something in its cell."""
        return self._cell(meaning) is not None

    def read(self, meaning: str, parse: Callable[[Cell], Value]) -> Value | None:
        """None for a problem; an absent column reads as an empty cell."""
        try:
            return parse(self._cell(meaning))
        except CellError as error:
            self.add(meaning, error.cause, error.remedy)
            return None

    def read_if_any(self, meaning: str, parse: Callable[[Cell], Value]) -> Value | None:
        """None for an empty cell too."""
        return self.read(meaning, parse) if self.has(meaning) else None

    def add(self, meaning: str, cause: str, remedy: str) -> None:
        title = self._content.title_of(meaning) if meaning else ""
        self._problems.add(self._content.file, self._row.number, title, CellError(cause, remedy))

    def _cell(self, meaning: str) -> Cell:
        at = next((column.at for column in self._content.columns if column.meaning == meaning), None)
        return self._row.cells[at] if at is not None and at < len(self._row.cells) else None
