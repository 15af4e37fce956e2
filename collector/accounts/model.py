"""What the rooms around see of accounts, sessions and tokens: no password, no secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from collector.accounts.permissions import Permission, Role
from collector.accounts.principal import Principal
from collector.classes import SchoolClass

State = Literal["active", "disabled"]
Step = Literal["password", "external", "change", "setup", "full"]
"""How far a signing-in has come. ``password``: the code of the second factor is missing; ``external``: the
same of somebody whom the sign-in service vouches for. ``change``: the password was made by somebody else,
choose another. ``setup``: the role needs a second factor and the account has none. Only ``full`` may do
anything else.
"""


@dataclass(frozen=True)
class Account:
    """Somebody who may sign in. schools, classes: their data only; None: all. oidc_subject: issuer and
    subject of the sign-in service, a space between; None: not linked. Times are ms UTC.
    """

    id: int
    username: str
    display_name: str
    role: Role
    schools: tuple[str, ...] | None
    classes: tuple[SchoolClass, ...] | None
    state: State
    must_change: bool
    has_password: bool
    has_totp: bool
    oidc_subject: str | None
    locked_until_ms: int | None
    created_ms: int
    changed_ms: int


@dataclass(frozen=True)
class NewAccount:
    """What an administrator writes of somebody new. classes: codes, or school/code where that does not say
    which school is meant.
    """

    username: str
    display_name: str
    role: Role
    schools: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SignedIn:
    """A session that has just begun or come a step further. secret: for the cookie; it replaces the one
    before, which is worth nothing from now on.
    """

    secret: str = field(repr=False)
    step: Step


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in, as far as `step` says. principal: may nothing before ``full``."""

    account: Account
    step: Step
    principal: Principal
    expires_ms: int


@dataclass(frozen=True)
class TotpOffer:
    """A second factor to set up: an otpauth:// address for a QR code, and its secret to type, in groups.
    The same for the whole session, so that a page can be shown again.
    """

    uri: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True)
class TotpDone:
    """The second factor is set up. recovery_codes: shown this once, each good once in its place."""

    signed_in: SignedIn
    recovery_codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Token:
    """An API token without its secret."""

    id: int
    account: int
    name: str
    scopes: tuple[Permission, ...]
    created_ms: int
    expires_ms: int
    used_ms: int | None
    revoked_ms: int | None


@dataclass(frozen=True)
class NewToken:
    """A token that was just made. secret: shown this once."""

    secret: str = field(repr=False)
    token: Token


@dataclass(frozen=True)
class AuditRow:
    """Who did what to whom or what, when (ms UTC)."""

    id: int
    at_ms: int
    actor: str
    action: str
    subject: str
    detail: str
