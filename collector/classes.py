"""A class of a school. Schools number their classes alike, so a code alone says nothing where there are several."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple, Self

from telemetry.topics import IDENTIFIER

_CODE: Final = re.compile(r"[^\"\\\\]{1,64}")


class SchoolClass(NamedTuple):
    """Written ``example-primary/3-2``: no school's id has a slash."""

    school: str
    code: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what is no class of a school."""
        school, _, code = text.partition("/")
        if not (IDENTIFIER.fullmatch(school) and _CODE.fullmatch(code) and code.isprintable()):
            raise ValueError("a class is written school/class, such as example-primary/3-2")
        return cls(school, code)

    def __str__(self) -> str:
        return f"{self.school}/{self.code}"


def in_school(typed: str, schools: Collection[str]) -> SchoolClass:
    """The class that somebody means. Without a school it is that of the only one among `schools`. Raises
    ValueError.
    """
    if "/" not in typed and len(schools) == 1:
        return SchoolClass.parse(f"{next(iter(schools))}/{typed}")
    return SchoolClass.parse(typed)


def codes_of(classes: Iterable[SchoolClass] | None, school: str) -> tuple[str, ...] | None:
    """The codes of one school's classes; None: all."""
    return None if classes is None else tuple(one.code for one in classes if one.school == school)


def by_school(classes: Iterable[SchoolClass]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for school, code in sorted(classes):
        found.setdefault(school, []).append(code)
    return found


def short(classes: Iterable[SchoolClass], schools: Collection[str] | None) -> list[str]:
    """As people write them: without the school where there is only one to choose from."""
    only = next(iter(schools)) if schools is not None and len(schools) == 1 else None
    return [one.code if one.school == only and "/" not in one.code else str(one) for one in classes]
