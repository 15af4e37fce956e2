"""A configuration as somebody hands it in: TOML or JSON, checked as far as the collector can.

What a setting means only the gateway knows; what it cannot apply it refuses with its reason.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict

from collector.fleet.worn import find_identifying
from collector.text import Text
from foundation.tomlfile import FileProblems, parse
from foundation.tomllines import LineIndex, Location
from foundation.tomltext import toml_text
from telemetry.configuration import (
    NAME_CHARS_MAX,
    REMOTE_TABLES,
    SOURCE_TABLES,
    ConfigurationError,
    Sections,
    join,
    split,
)

PROBLEMS_SHOWN_MAX: Final = 20
_CHARS_MAX: Final = 1_000
DEPTH_MAX: Final = 16
"""Beyond what any table of a gateway needs."""
_FIRST: Final = ("name", "id", "profile", "place")
"""People look for these first in a table."""
_BROKEN: Final = {
    "Expected ']' at the end of a table declaration": "段名后面缺少 ]",
    "Expected ']]' at the end of an array declaration": "段名后面缺少 ]]",
    "Expected '=' after a key in a key/value pair": "设置名后面缺少 =",
    "Expected newline or end of document after a statement": "一行只能写一项设置",
    "Invalid statement": "这一行不是设置，也不是段名",
    "Invalid value": "等号后面的值不对；文字要加引号",
    "Unterminated string": "引号没有成对",
    "Illegal character '\\n'": "引号没有成对",
    "Unclosed array": "缺少 ]",
    "Unclosed inline table": "缺少 }",
}
"""What Python's tomllib says, where people write it most."""
_NO_JSON: Final = Text("不是 JSON 对象", "is no JSON object with the tables of gateway.toml")
_NULL: Final = Text("不能写 null；不需要的设置请删去", "null is no value; leave the setting out")
_TOO_DEEP: Final = Text(f"嵌套超过 {DEPTH_MAX} 层", f"is nested deeper than {DEPTH_MAX} levels")


class TextProblem(NamedTuple):
    """What is wrong. line: from 1; None where it has none, as in JSON."""

    line: int | None
    words: Text

    @property
    def zh(self) -> str:
        return self.words.zh if self.line is None else f"第 {self.line} 行：{self.words.zh}"

    def __str__(self) -> str:
        return self.words.en if self.line is None else f"line {self.line}: {self.words.en}"


class TextProblemsError(ValueError):
    """A text that is no configuration for a gateway, with what is wrong with it."""

    def __init__(self, problems: list[TextProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems[:PROBLEMS_SHOWN_MAX])

    @property
    def words(self) -> Text:
        """All of it in one line."""
        return Text(
            "；".join(one.zh for one in self.problems)[:_CHARS_MAX],
            "; ".join(map(str, self.problems))[:_CHARS_MAX],
        )


class _Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


def _no_toml(message: str) -> Text:
    what = message.removeprefix("is not TOML: ").removesuffix(" (at end of document)")
    return Text(f"不是有效的 TOML：{_BROKEN.get(what, what)}", message)


def read_toml(data: bytes) -> dict[str, str]:
    """The sections of a TOML text. Raises TextProblemsError."""
    for number, line in enumerate(data.splitlines(), 1):
        if _has_long_key(line):
            raise TextProblemsError([TextProblem(number, _TOO_DEEP)])
    try:
        parse(data, _Anything, "")
    except FileProblems as error:
        found = [(one.place.rpartition(":")[2], one.message) for one in error.problems]
        raise TextProblemsError(
            [TextProblem(int(line) if line else None, _no_toml(message)) for line, message in found]
        ) from None
    text = data.decode("utf-8-sig")
    lines: list[LineIndex] = []

    def line_of(location: Location) -> int:
        if not lines:
            lines.append(LineIndex(text))
        return lines[0].line(location)

    return _checked(tomllib.loads(text), line_of)


def _has_long_key(line: bytes) -> bool:
    """Whether a line begins with a key or a table's name of more parts than `DEPTH_MAX`: tomllib takes minutes
    for a long one.
    """
    head, sign, _ = line.partition(b"=")
    is_table = line.lstrip().startswith(b"[") and b"," not in line
    return head.count(b".") > DEPTH_MAX and (bool(sign) or is_table)


def read_json(data: bytes) -> dict[str, str]:
    """The sections of the same as JSON. Raises TextProblemsError."""
    try:
        document = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise TextProblemsError([TextProblem(None, _NO_JSON)]) from None
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
        TextProblem(line_of(location), words)
        for table, value in document.items()
        for location, words in _problems(table, value)
    ]
    if problems:
        raise TextProblemsError(sorted(problems, key=lambda one: one.line or 0))
    try:
        return split(document)
    except ConfigurationError as error:
        # Each table by itself is good: it is all of them together that are too large.
        raise TextProblemsError([TextProblem(None, Text(f"内容太多：{error}", str(error)))]) from None


def _problems(table: str, value: Any) -> Iterator[tuple[Location, Text]]:
    try:
        split({table: value})
    except ConfigurationError as error:
        location = _where(table, value)
        yield location, Text(_in_chinese(table, value, location), str(error))
        return
    yield from find_identifying(table, value)


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


def _in_chinese(table: str, value: Any, location: Location) -> str:
    """Why a table cannot be taken apart; the contract says it in English."""
    if table not in REMOTE_TABLES:
        return f"[{table}] 不能在这里设置；可以设置的有：{'、'.join(REMOTE_TABLES)}"
    if table in SOURCE_TABLES:
        if not isinstance(value, list):
            return f"{table} 要写成 [[{table}]]，每个来源一段"
        at = location[1]
        assert isinstance(at, int)
        name = value[at].get("name") if isinstance(value[at], dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARS_MAX:
            return f"[[{table}]] 每个来源要有自己的 name，最多 {NAME_CHARS_MAX} 个字"
        if any(one.get("name") == name for one in value[:at]):
            return f"[[{table}]] 有两个都叫 {name}"
    return "日期、无穷大、过多或过长的内容不能下发"


def _unwritable(document: Mapping[str, Any]) -> Text | None:
    """Why it could not be shown as TOML; None where it can."""
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
            return _NULL
        if not level:
            return None
    return _TOO_DEEP
