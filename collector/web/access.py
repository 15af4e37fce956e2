"""Which route needs which permission. A route that says nothing is refused to everybody.

Use it as a dependency: ``Asker = Annotated[Principal, allow("series.read")]`` or, where the route has no
use for who asks, ``dependencies=[allow("series.read")]``. `PUBLIC` marks what anybody may read.
A test walks over all routes and holds that each has one of the two.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import Depends, Request

from collector.accounts.permissions import PERMISSIONS, Permission
from collector.accounts.principal import Principal
from collector.web.problems import ProblemError

Identify = Callable[[Request], Awaitable[Principal | None]]
"""Who sends a request, from its cookie or its token; None: nobody we know."""


def open_to_all(role_name: str = "console") -> Principal:
    """Who asks where accounts are switched off: anybody on this machine may everything."""
    return Principal(role_name, "admin", frozenset(PERMISSIONS), way="open")


def allow(*permissions: Permission) -> Any:
    """A dependency that gives the route its `Principal`, who has at least one of these permissions. Raises
    ProblemError 401 for nobody we know and 403 for somebody who may not.
    """
    assert permissions, "name at least one permission"

    async def ask(request: Request) -> Principal:
        identify: Identify | None = request.app.state.identify
        principal = open_to_all() if identify is None else await identify(request)
        if principal is None:
            raise ProblemError(
                401,
                "nobody is signed in",
                remedy="Sign in at /sign-in, or send a token as Authorization: Bearer.",
            )
        if not any(map(principal.may, permissions)):
            raise ProblemError(403, f"the role {principal.role} may not do this")
        return principal

    ask.permissions = permissions  # type: ignore[attr-defined]  # read by the test that walks over the routes
    return Depends(ask)


async def _anybody() -> None:
    """Marks a route that needs nobody to be signed in."""


PUBLIC: Final = Depends(_anybody)
