"""Writes TOML for people to read and change: Python has a reader only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def toml_text(document: Mapping[str, Any], first: Iterable[str] = ()) -> str:
    """A document whose tables and lists of tables stand under headers, what is deeper in them on one line.

    first: keys that stand before the others of their table, which keep their order. Values are text,
    numbers, truth values, lists and dicts, as `tomllib` gives them except for dates. Raises TypeError.
    """
    order = {key: at for at, key in enumerate(first)}
    plain, tables = _parted(document, order)
    parts = ["".join(f"{line}\n" for line in plain)] if plain else []
    parts += ["".join(f"{line}\n" for line in _lines(table, order)) for table in tables]
    return "\n".join(parts)


def toml_value(value: Any) -> str:
    """A value on one line. JSON writes text, numbers and truth values as TOML does, but for one sign."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(key)} = {toml_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if not isinstance(value, str | int | float):
        raise TypeError(f"TOML has no {type(value).__name__}")
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    return key if _BARE.fullmatch(key) else toml_value(key)


class _Table(NamedTuple):
    """A table that stands under a header of its own; is_listed: as one of a list."""

    name: str
    content: Mapping[str, Any]
    is_listed: bool


def _lines(table: _Table, order: Mapping[str, int]) -> Iterator[str]:
    yield f"[[{table.name}]]" if table.is_listed else f"[{table.name}]"
    plain, lists = _parted(table.content, order, lists_only=True)
    yield from plain
    for one in lists:
        yield ""
        yield from _lines(one._replace(name=f"{table.name}.{one.name}"), order)


def _parted(
    table: Mapping[str, Any], order: Mapping[str, int], *, lists_only: bool = False
) -> tuple[list[str], list[_Table]]:
    """Lines, and what stands under headers of its own."""
    plain: list[str] = []
    tables: list[_Table] = []
    for key in sorted(table, key=lambda one: order.get(one, len(order))):
        value = table[key]
        if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            tables += [_Table(toml_key(key), one, True) for one in value]
        elif isinstance(value, Mapping) and not lists_only:
            tables.append(_Table(toml_key(key), value, False))
        else:
            plain.append(f"{toml_key(key)} = {toml_value(value)}")
    return plain, tables
