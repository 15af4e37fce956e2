"""Reads a TOML file into a pydantic model; errors name file, line, field and what was expected."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

Model = TypeVar("Model", bound=BaseModel)
Location = Sequence[str | int]

FILE_BYTES_MAX = 4 * 1024 * 1024


class StrictModel(BaseModel):
    """Base of all configuration: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file: where, and what was expected."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class FileProblems(Exception):  # noqa: N818  # read as "the problems of a file"
    """A file that cannot be used, with everything wrong with it, not only the first thing."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def load(path: Path, model: type[Model]) -> Model:
    """The file's content as a model. Raises FileProblems; never touches the network."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileProblems([Problem(str(path), f"cannot be read: {error.strerror}")]) from error
    return parse(data, model, str(path))


def parse(data: bytes, model: type[Model], name: str) -> Model:
    """TOML bytes as a model; `name` stands for the file in errors. Raises FileProblems."""
    if len(data) > FILE_BYTES_MAX:
        raise FileProblems([Problem(name, f"is larger than {FILE_BYTES_MAX} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileProblems([Problem(f"{name}:{line}", "is not UTF-8; save the file as UTF-8")]) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = re.sub(r" \(at line \d+, column \d+\)$", "", str(error))
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise FileProblems([Problem(f"{name}:{line}", f"is not TOML: {message}")]) from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise FileProblems([_problem(name, text, content, item) for item in error.errors()]) from error


def _problem(name: str, text: str, content: dict[str, Any], item: Any) -> Problem:
    """One pydantic error in the words of the file."""
    location = _in_file(content, item["loc"])
    line = find_line(text, location)
    field = _dotted(location)
    if item["type"] == "extra_forbidden":
        message = "is not a setting; check its spelling"
    elif item["type"] == "missing":
        message = "is missing"
    else:
        message = str(item["msg"]).removeprefix("Value error, ")
        given = item["input"]
        if isinstance(given, str | int | float | bool):
            message += f" (found {given!r})"
    return Problem(f"{name}:{line}", f"{field} {message}" if field else message)


def _in_file(root: dict[str, Any], loc: Location) -> list[str | int]:
    """The part of a pydantic location that exists in the file: tags of unions are left out, the
    last part is kept even where it is missing from the file.
    """
    path: list[str | int] = []
    content: Any = root
    for at, part in enumerate(loc):
        child = _child(content, part)
        if child is not None:
            content = child
        elif at < len(loc) - 1 or not isinstance(content, dict):
            continue
        path.append(part)
    return path


def _child(content: Any, part: str | int) -> Any:
    try:
        return content[part]
    except (KeyError, IndexError, TypeError):
        return None


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")


def find_line(text: str, location: Location) -> int:
    """The line, from 1, on which a location stands, or the nearest thing above it that is there."""
    best, best_depth = 1, 0
    table: list[str | int] = []
    counts: dict[tuple[str | int, ...], int] = {}
    for number, row in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(row):
            names = _split(header[2])
            table = []
            for at, part in enumerate(names):
                table.append(part)
                last = at == len(names) - 1
                if last and header[1] == "[[":
                    counts[tuple(table)] = counts.get(tuple(table), -1) + 1
                if tuple(table) in counts:
                    table.append(counts[tuple(table)])
            found = table
        elif key := _KEY.match(row):
            found = [*table, *_split(key[1])]
        else:
            continue
        depth = len(found)
        if depth > best_depth and list(location[:depth]) == found:
            best, best_depth = number, depth
    return best


def _split(dotted: str) -> list[str]:
    return [part.strip("\"' ") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", dotted)]
