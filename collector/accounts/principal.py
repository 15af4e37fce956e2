"""Who asks: somebody who is signed in, a program with a token, or anybody where accounts are switched off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from collector.accounts.permissions import ROLE_PERMISSIONS, Permission, Role
from collector.classes import SchoolClass

Way = Literal["session", "token", "open"]


@dataclass(frozen=True)
class Principal:
    """One asker and what they may.

    name: of the account, for audit and acknowledgements. schools, classes: only data of these; None:
    all. session: names the signing-in towards the vault, is no secret and lets nobody in; empty without one.
    """

    name: str
    role: Role
    permissions: frozenset[Permission]
    schools: frozenset[str] | None = None
    classes: tuple[SchoolClass, ...] | None = None
    session: str = ""
    way: Way = "session"

    @classmethod
    def of_role(cls, name: str, role: Role) -> Principal:
        """Somebody with all that a role may, in all schools."""
        return cls(name, role, ROLE_PERMISSIONS[role])

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def sees_school(self, school: str) -> bool:
        return self.schools is None or school in self.schools

    def narrowed(self, permissions: Iterable[Permission]) -> Principal:
        """The same with only these of the permissions, as a token's scopes say."""
        return replace(self, permissions=self.permissions & frozenset(permissions))
