"""On which line of a TOML text a setting stands; tomllib does not tell.

The text is cut into statements by a small scanner that knows strings, comments and brackets; what
a statement defines, tomllib itself says.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Location = Sequence[str | int]
"""Keys and, within arrays, indices from 0: ``("driver", 1, "port")``."""

_TOKEN = re.compile(
    r"#[^\n]*"
    r'|"""(?:\\.|[^\\])*?"{3,5}(?!")|' + r"'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'|[\[\]{},\n]|[^\[\]{},\n\"'#\s]+",
    re.DOTALL,
)


_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}


class _Token(NamedTuple):
    sign: str
    start: int
    end: int
    line: int


class _Statement(NamedTuple):
    """A header or a key with its value; `elements`: the lines of the elements of an array."""

    text: str
    line: int
    elements: list[int]


def find_line(text: str, location: Location) -> int:
    """The line, from 1, on which a location stands, or the nearest thing above it that is there.

    `text` must be TOML.
    """
    return LineIndex(text).line(location)


def headers(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Of every table and every table of a list, in the order of the file: line, from 1, and names.

    `text` must be TOML.
    """
    return [(one.line, _header_names(one.text)) for one in _statements(text) if one.text.startswith("[")]


class LineIndex:
    """The lines of all settings of a TOML text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str | int, ...], int] = {}
        self._arrays: dict[tuple[str | int, ...], int] = {}
        table: tuple[str | int, ...] = ()
        for statement in _statements(text):
            if statement.text.startswith("["):
                table = self._header(statement)
            else:
                self._key(table, statement)

    def line(self, location: Location) -> int:
        for depth in range(len(location), 0, -1):
            found = self._lines.get(tuple(location[:depth]))
            if found is not None:
                return found
        return 1

    def _header(self, statement: _Statement) -> tuple[str | int, ...]:
        is_array = statement.text.startswith("[[")
        path: tuple[str | int, ...] = ()
        names = _header_names(statement.text)
        for at, name in enumerate(names):
            path += (name,)
            if at == len(names) - 1 and is_array:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            self._lines.setdefault(path, statement.line)
            if path in self._arrays:
                path += (self._arrays[path],)
                self._lines.setdefault(path, statement.line)
        return path

    def _key(self, table: tuple[str | int, ...], statement: _Statement) -> None:
        path = table
        for name in _names(statement.text):
            path += (name,)
            self._lines.setdefault(path, statement.line)
        for index, line in enumerate(statement.elements):
            self._lines[(*path, index)] = line


def _header_names(header: str) -> tuple[str, ...]:
    is_array = header.startswith("[[")
    inner = header[2 if is_array else 1 :].rpartition("]]" if is_array else "]")[0]
    return tuple(_names(f"{inner} = 0"))


def _names(statement: str) -> list[str]:
    """The keys that a statement goes through: ``a."b.c" = …`` gives a and b.c."""
    content: object = tomllib.loads(statement)
    names: list[str] = []
    while isinstance(content, dict) and len(content) == 1:
        (name,) = content
        names.append(name)
        content = content[name]
    return names


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for found in _TOKEN.finditer(text):
        sign = found[0]
        if not sign.startswith("#"):
            yield _Token(sign, found.start(), found.end(), line)
        line += sign.count("\n")


def _statements(text: str) -> Iterator[_Statement]:
    tokens: list[_Token] = []
    depth = 0
    for token in _tokens(text):
        if token.sign != "\n":
            tokens.append(token)
            depth += _DEPTH.get(token.sign, 0)
        elif tokens and not depth:
            yield _statement(text, tokens)
            tokens = []
    if tokens:
        yield _statement(text, tokens)


def _statement(text: str, tokens: Sequence[_Token]) -> _Statement:
    return _Statement(text[tokens[0].start : tokens[-1].end], tokens[0].line, _elements(tokens))


def _elements(tokens: Sequence[_Token]) -> list[int]:
    """The lines of the elements, if the value is an array."""
    signs = [token.sign for token in tokens]
    if signs[0] == "[" or signs[-1] != "]" or next(sign for sign in signs if sign in _DEPTH) != "[":
        return []
    lines: list[int] = []
    depth, expected = 0, False
    for token in tokens:
        if expected and depth == 1 and token.sign not in "],":
            lines.append(token.line)
            expected = False
        depth += _DEPTH.get(token.sign, 0)
        expected = expected or (depth == 1 and token.sign in "[,")
    return lines
