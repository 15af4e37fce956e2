"""A configuration as somebody hands it in: TOML or JSON, checked as far as the collector can.

What a setting means only the gateway knows; what it cannot apply it refuses with its reason.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict

from device_profiles.labels import quantities_of
from foundation.tomlfile import FileProblems, parse
from foundation.tomllines import LineIndex, Location
from foundation.tomltext import toml_text
from telemetry.configuration import SOURCE_TABLES, ConfigurationError, Sections, join, split
from telemetry.worn import is_worn

PROBLEMS_SHOWN_MAX: Final = 20
DEPTH_MAX: Final = 16
"""Beyond what any table of a gateway needs."""
_FIRST: Final = ("name", "id", "profile", "place")
"""People look for these first in a table."""
_WORN: Final = (
    "is worn by somebody, and its address must not be kept here: write this device into the gateway's own "
    "gateway.toml, or use bands = [{ profile = …, place = … }], which need no addresses"
)


class TextProblem(NamedTuple):
    """What is wrong. line: from 1; None where it has none, as in JSON."""

    line: int | None
    message: str

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


class TextProblemsError(ValueError):
    """A text that is no configuration for a gateway, with what is wrong with it."""

    def __init__(self, problems: list[TextProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems[:PROBLEMS_SHOWN_MAX])


class _Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


def read_toml(data: bytes) -> dict[str, str]:
    """The sections of a TOML text. Raises TextProblemsError."""
    try:
        parse(data, _Anything, "")
    except FileProblems as error:
        found = [(one.place.rpartition(":")[2], one.message) for one in error.problems]
        raise TextProblemsError(
            [TextProblem(int(line) if line else None, message) for line, message in found]
        ) from None
    text = data.decode("utf-8-sig")
    lines: list[LineIndex] = []

    def line_of(location: Location) -> int:
        if not lines:
            lines.append(LineIndex(text))
        return lines[0].line(location)

    return _checked(tomllib.loads(text), line_of)


def read_json(data: bytes) -> dict[str, str]:
    """The sections of the same as JSON. Raises TextProblemsError."""
    try:
        document = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        problem = "is no JSON object with the tables of gateway.toml"
        raise TextProblemsError([TextProblem(None, problem)]) from None
    return _checked(document, lambda _: None)


def as_document(sections: Sections) -> dict[str, Any]:
    """What the sections say, as JSON has it."""
    return join(sections)


def as_toml(sections: Sections) -> str:
    """The sections for people. Comments and the order in which somebody wrote them are not kept."""
    return toml_text(join(sections), _FIRST)


def section_toml(name: str, text: str) -> str:
    """One section by itself."""
    return as_toml({name: text})


def _checked(document: Mapping[str, Any], line_of: Callable[[Location], int | None]) -> dict[str, str]:
    if trouble := _unwritable(document):
        raise TextProblemsError([TextProblem(None, trouble)])
    problems = [
        TextProblem(line_of(location), message)
        for table, value in document.items()
        for location, message in _problems(table, value)
    ]
    if problems:
        raise TextProblemsError(sorted(problems, key=lambda one: one.line or 0))
    try:
        return split(document)
    except ConfigurationError as error:
        raise TextProblemsError([TextProblem(None, str(error))]) from None


def _problems(table: str, value: Any) -> Iterator[tuple[Location, str]]:
    try:
        split({table: value})
    except ConfigurationError as error:
        yield _where(table, value), str(error)
        return
    if table == "ble":
        for at, source in enumerate(value):
            devices = source.get("devices")
            for number, device in enumerate(devices if isinstance(devices, list) else ()):
                if isinstance(device, dict) and _is_worn(device.get("profile")):
                    yield (table, at, "devices", number), f"device {number + 1} of this table {_WORN}"


def _where(table: str, value: Any) -> Location:
    """The first source of a list with which it cannot be taken apart, else the table."""
    if table not in SOURCE_TABLES or not isinstance(value, list):
        return (table,)
    good, bad = 0, len(value)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            split({table: value[:middle]})
        except ConfigurationError:
            bad = middle
        else:
            good = middle
    return (table, max(bad - 1, 0))


def _unwritable(document: Mapping[str, Any]) -> str:
    """Why it could not be shown as TOML; empty where it can."""
    level: list[Any] = [document]
    for _ in range(DEPTH_MAX):
        level = [
            one
            for value in level
            for one in (
                value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            )
        ]
        if None in level:
            return "null is no value; leave the setting out"
        if not level:
            return ""
    return f"is nested deeper than {DEPTH_MAX} levels"


def _is_worn(profile: object) -> bool:
    """As far as it can be seen from here: a profile of the school's own is known to its gateways only."""
    return isinstance(profile, str) and is_worn(quantities_of(profile) or ())
