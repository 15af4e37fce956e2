"""One change for many gateways: sections that all of them get, and sections that none of them keeps."""

from __future__ import annotations

from typing import Final, NamedTuple

from collector.fleet.reading import TextProblem, TextProblemsError, read_toml
from collector.text import Text
from telemetry.configuration import REMOTE_TABLES, SOURCE_TABLES, Sections, join, split

_BOTH: Final = Text("{} 又要写入又要删除", "{} is to be written and to be removed")
_NOTHING: Final = Text("没有写任何修改", "there is no change in it")
_NO_SECTION: Final = Text(
    "没有 {} 这种段；应写成 batch，或 modbus/名称", "{} is no section; write batch, or modbus/NAME"
)


class Wish(NamedTuple):
    """changed: sections that take the place of those of the same name; removed: names of those that go."""

    changed: Sections
    removed: frozenset[str]

    def applied(self, before: Sections) -> dict[str, str]:
        """What a gateway should run then. Raises ConfigurationError where that is more than can be sent."""
        after = {name: text for name, text in before.items() if name not in self.removed} | dict(self.changed)
        split(join(after))
        return after


def read_wish(toml: str, removed: str) -> Wish:
    """toml: the sections to write; removed: a name in each line. Raises TextProblemsError."""
    changed = read_toml(toml.encode("utf-8", "replace"))
    names = frozenset(filter(None, map(str.strip, removed.splitlines())))
    problems = [_said(_NO_SECTION, name) for name in sorted(names) if not _is_section(name)]
    problems += [_said(_BOTH, name) for name in sorted(names & changed.keys())]
    if not names and not changed:
        problems.append(TextProblem(None, _NOTHING))
    if problems:
        raise TextProblemsError(problems)
    return Wish(changed, names)


def _is_section(name: str) -> bool:
    table, slash, source = name.partition("/")
    return table in REMOTE_TABLES and bool(slash) == (table in SOURCE_TABLES) == bool(source)


def _said(words: Text, name: str) -> TextProblem:
    return TextProblem(None, Text(*(text.format(name[:80]) for text in words)))
