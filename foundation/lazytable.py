"""A table whose entries are loaded when they are asked for: a gateway has little memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class LazyTable(Mapping[str, T], Generic[T]):
    """Name → what stands at "module:name", or under a key of a table there, "module:TABLE/key". Which
    names there are is known without loading anything. `package`: where the modules are.

    A test asks for every entry: a wrong one is found there, not in a school.
    """

    def __init__(self, places: Mapping[str, str], *, package: str) -> None:
        self._places = dict(places)
        self._package = package
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Raises KeyError."""
        found = self._loaded.get(name)
        if found is None:
            module, _, place = self._places[name].partition(":")
            attribute, _, key = place.partition("/")
            there = getattr(import_module(f"{self._package}.{module}"), attribute)
            found = self._loaded[name] = cast("T", there[key] if key else there)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places
