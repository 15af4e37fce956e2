"""Whether somebody may have names for a purpose now, and of which classes."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from identity_vault.names import grants
from identity_vault.names.lessons import classes_in_pe
from identity_vault.names.roles import Role
from identity_vault.vault import Vault
from telemetry.purposes import Purpose
from telemetry.resolve_token import Claims


class Permission(NamedTuple):
    """classes: only pupils of these; None: of all. grant: the break-glass grant it rests on, if any."""

    classes: frozenset[str] | None
    grant: str | None


class NotPermittedError(Exception):
    """Not for this role, or not now; says which, for the page."""


def permission(
    vault: Vault, connection: Connection, claims: Claims, role: Role, purpose: Purpose
) -> Permission:
    """Raises NotPermittedError."""
    classes = None if claims.classes is None else frozenset(claims.classes)
    if role.own_classes and not classes:
        raise NotPermittedError("the token names no class")
    now_ms = vault.now_ms()
    if purpose not in role.purposes or purpose != claims.purpose:
        grant = grants.active(connection, claims, purpose, now_ms)
        if grant is None:
            raise NotPermittedError("this role may not have names for this purpose")
        return Permission(classes, grant)
    if not role.lesson_only:
        return Permission(classes, None)
    in_lesson = frozenset(classes_in_pe(vault, connection, now_ms)).intersection(classes or ())
    if in_lesson:
        return Permission(in_lesson, None)
    grant = grants.active(connection, claims, purpose, now_ms)
    if grant is None:
        raise NotPermittedError("only while a class of yours has PE, and 5 minutes before and after")
    return Permission(classes, grant)
