"""Reads a TOML file into a pydantic model; errors name file, line, field and what was expected."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from foundation.tomllines import LineIndex, Location, find_line

__all__ = [
    "FileProblems",
    "Problem",
    "StrictModel",
    "dotted",
    "find_line",
    "load",
    "parse",
    "parse_part",
    "problems_in",
]

Model = TypeVar("Model", bound=BaseModel)
FILE_BYTES_MAX = 4 * 1024 * 1024
FOUND_CHARS_MAX = 80


class StrictModel(BaseModel):
    """Base of all configuration: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", arbitrary_types_allowed=True)


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
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
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
    except RecursionError:
        raise FileProblems([Problem(name, "is nested too deeply")]) from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        message = re.sub(r" \(at line \d+, column \d+\)$", "", str(error))
        if message == "Cannot overwrite a value":
            message += (
                "; is a table above it, such as [[serial]] before [[serial.devices]], missing or misspelt?"
            )
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise FileProblems([Problem(f"{name}:{line}", f"is not TOML: {message}")]) from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines, items = LineIndex(text), error.errors()
        raise FileProblems(
            [_problem(name, lines, content, item) for item in items if not _follows(item, items)]
        ) from error


def parse_part(
    text: str, location: Location, model: type[Model], name: str, *, without: Collection[str] = ()
) -> Model:
    """The table at a location of a TOML text that has been parsed before, as a model of somebody else's.

    without: keys of the table that are not the model's. What was found is not quoted: nobody here knows
    which of its settings is a secret. Raises FileProblems.
    """
    content = tomllib.loads(text)
    part: Any = content
    for step in location:
        part = part[step]
    if without:
        part = {key: value for key, value in part.items() if key not in without}
    try:
        return model.model_validate(part)
    except ValidationError as error:
        lines, items = LineIndex(text), error.errors(include_url=False, include_input=False)
        whole: list[Any] = [{**item, "loc": (*location, *item["loc"]), "input": None} for item in items]
        raise FileProblems(
            [_problem(name, lines, content, item) for item in whole if not _follows(item, whole)]
        ) from error
    except Exception as error:
        place = f"{name}:{find_line(text, location)}"
        message = f"{dotted(location)} cannot be checked: its settings raise {type(error).__name__}"
        raise FileProblems([Problem(place, message)]) from error


def _follows(item: Any, items: Sequence[Any]) -> bool:
    """A list is too short only because what stands in it is wrong, which is said by itself."""
    loc = item["loc"]
    return item["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in items
    )


def _problem(name: str, lines: LineIndex, content: dict[str, Any], item: Any) -> Problem:
    """One pydantic error in the words of the file."""
    location = _in_file(content, item["loc"])
    return Problem(f"{name}:{lines.line(location)}", _words(location, item, quoted=(str, int, float)))


def problems_in(content: Any, error: ValidationError) -> list[str]:
    """What is wrong with a table that came otherwise than in a file, each with its place in it. Texts that
    were found are not quoted: they may be somebody's.
    """
    items = error.errors()
    return [
        _words(_in_file(content, item["loc"]), item, quoted=(int, float))
        for item in items
        if not _follows(item, items)
    ]


def _words(location: Location, item: Any, *, quoted: tuple[type, ...]) -> str:
    """Place and trouble. quoted: what may be shown of what was found."""
    field = dotted(location)
    if item["type"] == "extra_forbidden":
        message = "is not a setting; check its spelling"
    elif item["type"] == "missing":
        message = "is missing"
    elif item["type"] == "too_short":
        message = f"needs at least {item['ctx']['min_length']} of its kind"
    else:
        message = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
        given = item["input"]
        if isinstance(given, quoted):
            message += f" (found {_short(repr(given))})"
    return f"{field} {message}" if field else message


def _short(shown: str) -> str:
    return shown if len(shown) <= FOUND_CHARS_MAX else f"{shown[:FOUND_CHARS_MAX]}…"


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
        elif part == "[key]":
            continue  # pydantic's way to say that the key is wrong, and not its value
        elif at < len(loc) - 1 or not isinstance(content, dict):
            continue
        path.append(part)
    return path


def _child(content: Any, part: str | int) -> Any:
    try:
        return content[part]
    except (KeyError, IndexError, TypeError):
        return None


def dotted(location: Location) -> str:
    """A place for people: ``devices[2].unit``, counted from 1."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text
