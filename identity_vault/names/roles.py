"""What each role may have names for, read from ``roles.toml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, Literal

from foundation.tomlfile import StrictModel, load
from telemetry.purposes import Purpose

FILE: Final = Path(__file__).with_name("roles.toml")


class Role(StrictModel):
    """One role; the fields are explained in the file."""

    zh: str
    en: str
    purposes: tuple[Purpose, ...]
    shows: tuple[Literal["name", "class"], ...]
    own_classes: bool = False
    lesson_only: bool = False
    break_glass: tuple[Purpose, ...] = ()


class _Roles(StrictModel):
    roles: dict[str, Role]


@cache
def default_roles() -> dict[str, Role]:
    return load(FILE, _Roles).roles
