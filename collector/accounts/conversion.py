"""From what is stored to what the rooms around see."""

from __future__ import annotations

from typing import cast

import msgspec

from collector.accounts.model import Account, State, Step, Token
from collector.accounts.permissions import (
    OF_ALL_SCHOOLS,
    PERMISSIONS,
    ROLE_PERMISSIONS,
    SECOND_FACTOR_ROLES,
    Permission,
    Role,
)
from collector.accounts.principal import Principal, Way
from collector.records.accounts import StoredAccount
from collector.records.sessions import StoredToken


def role_of(account: StoredAccount) -> Role:
    """Raises KeyError for a role that this program does not know: it may nothing."""
    return {role: role for role in ROLE_PERMISSIONS}[cast("Role", account.role)]


def account_of(stored: StoredAccount) -> Account:
    return Account(
        id=stored.id,
        username=stored.username,
        display_name=stored.display_name,
        role=role_of(stored),
        schools=stored.schools,
        classes=stored.classes,
        state=cast("State", stored.state),
        must_change=stored.must_change,
        has_password=stored.password is not None,
        has_totp=stored.totp_secret is not None,
        oidc_subject=stored.oidc_subject,
        locked_until_ms=stored.locked_until_ms,
        created_ms=stored.created_ms,
        changed_ms=stored.changed_ms,
    )


def principal_of(stored: StoredAccount, way: Way, session: str = "") -> Principal:
    """All that the account's role may; in some schools no more than what can be kept to those."""
    role = role_of(stored)
    return Principal(
        stored.username,
        role,
        ROLE_PERMISSIONS[role] - (OF_ALL_SCHOOLS if stored.schools is not None else frozenset()),
        None if stored.schools is None else frozenset(stored.schools),
        stored.classes,
        session,
        way,
    )


def token_of(stored: StoredToken) -> Token:
    """Of its scopes those that this program knows."""
    wanted = set(msgspec.json.decode(stored.scopes, type=list[str]))
    scopes: tuple[Permission, ...] = tuple(one for one in PERMISSIONS if one in wanted)
    return Token(**{**vars(stored), "scopes": scopes})


def next_step(account: StoredAccount, *, code_given: bool, by_service: bool = False) -> Step:
    """Where a signing-in stands whose password was right, or that came from the sign-in service: who does
    without the password need not have the one that somebody else made.
    """
    if account.totp_secret is not None and not code_given:
        return "external" if by_service else "password"
    if account.must_change and account.password is not None and not by_service:
        return "change"
    if account.totp_secret is None and account.role in SECOND_FACTOR_ROLES:
        return "setup"
    return "full"
