"""Two versions side by side, for people: which sections differ, and in which lines."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple

from collector.fleet.reading import section_toml
from telemetry.configuration import Sections

LINES_MATCHED_MAX: Final = 2_000
"""A longer section is shown as taken away and put there: to match lines takes time with their square."""
CONTEXT_LINES: Final = 3

Sign = Literal[" ", "-", "+", "…"]
Change = Literal["changed", "added", "removed"]


class Line(NamedTuple):
    """sign: kept, gone, new, or a place where kept lines are left out."""

    sign: Sign
    text: str


class SectionDifference(NamedTuple):
    """How one section differs."""

    name: str
    change: Change
    lines: list[Line]


def compare(before: Sections, after: Sections, context_lines: int = CONTEXT_LINES) -> list[SectionDifference]:
    """The sections that differ, by name."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        change: Change = "added" if old is None else "removed" if new is None else "changed"
        lines = _lines(_toml_lines(name, old), _toml_lines(name, new))
        found.append(SectionDifference(name, change, list(_shortened(lines, context_lines))))
    return found


def _toml_lines(name: str, text: str | None) -> list[str]:
    return [] if text is None else section_toml(name, text).splitlines()


def _lines(old: list[str], new: list[str]) -> list[Line]:
    if max(len(old), len(new)) > LINES_MATCHED_MAX:
        return [*(Line("-", text) for text in old), *(Line("+", text) for text in new)]
    found: list[Line] = []
    # Lines that stand everywhere are no anchors for it: that keeps the time in bounds.
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new).get_opcodes():
        if kind == "equal":
            found += [Line(" ", text) for text in old[old_from:old_to]]
        else:
            found += [Line("-", text) for text in old[old_from:old_to]]
            found += [Line("+", text) for text in new[new_from:new_to]]
    return found


def _shortened(lines: list[Line], context_lines: int) -> Iterator[Line]:
    """Kept lines only near those that differ."""
    changed = [at for at, line in enumerate(lines) if line.sign != " "]
    shown = {
        near
        for at in changed
        for near in range(max(0, at - context_lines), min(len(lines), at + context_lines + 1))
    }
    left_out = False
    for at, line in enumerate(lines):
        if at in shown:
            yield line
        elif not left_out:
            yield Line("…", "")
        left_out = at not in shown
