"""What an administrator writes of an account: its name, its role, and whose data it sees."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from collector.accounts.errors import ChangeRefusedError
from collector.accounts.permissions import ROLES
from collector.classes import SchoolClass, in_school
from telemetry.topics import IDENTIFIER

DISPLAY_NAME_CHARS_MAX: Final = 120
LIST_MAX: Final = 50
"""Schools or classes of one account; schools written out fit their column."""


def rights_of(
    display_name: str,
    role: str,
    schools: tuple[str, ...] | None,
    classes: tuple[str, ...] | None,
    known: Collection[str],
) -> dict[str, Any]:
    """As it is stored. classes: codes, or school/code; known: the schools that there are, for an account of all.
    Raises ChangeRefusedError.
    """
    if not (
        display_name.strip() and display_name.isprintable() and len(display_name) <= DISPLAY_NAME_CHARS_MAX
    ):
        raise ChangeRefusedError(f"a name has 1 to {DISPLAY_NAME_CHARS_MAX} characters")
    if role not in ROLES:
        raise ChangeRefusedError(f"the roles are: {', '.join(ROLES)}")
    if schools is not None and (
        not 0 < len(schools) <= LIST_MAX or not all(IDENTIFIER.fullmatch(one) for one in schools)
    ):
        raise ChangeRefusedError(
            f"schools are 1 to {LIST_MAX} ids as gateways have them, or left out for all"
        )
    return {
        "display_name": display_name.strip(),
        "role": role,
        "schools": None if schools is None else tuple(sorted(set(schools))),
        "classes": None if classes is None else _classes(classes, schools, known),
    }


def in_words(rights: dict[str, Any]) -> str:
    """For the audit."""
    schools, classes = rights["schools"], rights["classes"]
    return (
        f"{rights['role']}; schools: {'all' if schools is None else ', '.join(schools)}; "
        f"classes: {'not limited' if classes is None else ', '.join(map(str, classes))}"
    )


def _classes(
    typed: tuple[str, ...], schools: tuple[str, ...] | None, known: Collection[str]
) -> tuple[SchoolClass, ...]:
    if not 0 < len(typed) <= LIST_MAX:
        raise ChangeRefusedError(f"classes are 1 to {LIST_MAX}, or left out")
    possible = known if schools is None else set(schools)
    try:
        found = {in_school(one, possible) for one in typed}
    except ValueError as error:
        raise ChangeRefusedError(str(error)) from None
    if schools is not None and not {one.school for one in found} <= set(schools):
        raise ChangeRefusedError("a class is of a school that the account does not have")
    return tuple(sorted(found))
