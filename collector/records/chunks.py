"""Databases bound the parameters of a statement: long lists go in parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final, TypeVar

AT_ONCE: Final = 500

Item = TypeVar("Item")


def chunks(items: Collection[Item]) -> Iterator[list[Item]]:
    """The items in lists of `AT_ONCE` at most."""
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some
