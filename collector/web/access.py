"""Which route needs which permission. A route that says nothing is refused to everybody.

Use it as a dependency: ``Asker = Annotated[Principal, allow("series.read")]`` or, where the route has no
use for who asks, ``dependencies=[allow("series.read")]``. `PUBLIC` marks what anybody may read.
`undeclared` finds the routes that have neither; the application does not start with one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from collector.accounts.errors import TooManyError
from collector.accounts.permissions import PERMISSIONS, Permission
from collector.accounts.principal import Principal
from collector.accounts.rates import Kind, Rates, key_of_address
from collector.text import Text
from collector.web.problems import ProblemError
from collector.web.roles import ROLE_WORDS

Identify = Callable[[Request], Awaitable[Principal | None]]
"""Who sends a request, from its cookie or its token; None: nobody we know."""


def open_to_all(role_name: str = "console") -> Principal:
    """Who asks where accounts are switched off: anybody on this machine may everything."""
    return Principal(role_name, "admin", frozenset(PERMISSIONS), way="open")


def allow(*permissions: Permission, rate: Kind = "api") -> Any:
    """A dependency that gives the route its `Principal`, who has at least one of these permissions. Raises
    ProblemError 401 for nobody we know, 403 for somebody who may not and 429 for who asks beyond `rate`.
    """
    assert permissions, "name at least one permission"

    async def ask(request: Request) -> Principal:
        principal = await asker(request)
        if principal is None:
            count(request, "stranger", key_of_address(address_of(request)))
            raise ProblemError(
                401,
                Text("没有登录", "nobody is signed in"),
                remedy=Text(
                    "请到 /sign-in 登录，或者带上令牌：Authorization: Bearer。",
                    "Sign in at /sign-in, or send a token as Authorization: Bearer.",
                ),
                headers={"WWW-Authenticate": "Bearer"},
            )
        if principal.way != "open":
            count(request, rate, principal.session or f"{principal.way} {principal.name}")
        if not any(map(principal.may, permissions)):
            if principal.way == "token":
                raise ProblemError(403, Text("这个令牌没有这项权限", "this token may not do this"))
            role = principal.role
            raise ProblemError(
                403, Text(f"“{ROLE_WORDS[role].zh}”岗位没有这项权限", f"the role {role} may not do this")
            )
        return principal

    ask.permissions = permissions  # type: ignore[attr-defined]  # read by the test that walks over the routes
    return Depends(ask)


async def _anybody() -> None:
    """Marks a route that needs nobody to be signed in."""


PUBLIC: Final = Depends(_anybody)


async def asker(request: Request) -> Principal | None:
    """Who sends a request; also for a public route that tells more to some."""
    # Several dependencies of one request ask.
    if not hasattr(request.state, "asker"):
        request.state.asker = await asker_now(request)
    found: Principal | None = request.state.asker
    return found


async def asker_now(request: Request) -> Principal | None:
    """The same, asked anew: a request may last for hours."""
    identify: Identify | None = request.app.state.identify
    return open_to_all() if identify is None else await identify(request)


def count(request: Request, kind: Kind, key: str) -> None:
    """Raises ProblemError 429."""
    rates: Rates = request.app.state.rates
    try:
        rates.take(kind, key)
    except TooManyError as error:
        raise ProblemError(
            429,
            Text("操作太频繁", "too many requests"),
            remedy=Text(f"请过 {error.retry_after_s} 秒再试。", f"Try again in {error.retry_after_s} s."),
            headers={"Retry-After": str(error.retry_after_s)},
        ) from None


def address_of(request: Request) -> str:
    """Where a request comes from; behind a proxy as that says (collector.web.proxies)."""
    return request.client.host if request.client else ""


class Declared(NamedTuple):
    """A route, and one of which permissions it needs: none for a public one, None where it says neither."""

    path: str
    methods: frozenset[str]
    permissions: tuple[Permission, ...] | None


def declared(app: FastAPI) -> Iterator[Declared]:
    """Every route of an application."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        permissions = _permissions(dependant) if isinstance(dependant, Dependant) else None
        yield Declared(route.path or "", frozenset(getattr(route, "methods", None) or ()), permissions)


def undeclared(app: FastAPI, others: Iterable[str]) -> list[str]:
    """Routes that name neither a permission nor `PUBLIC`. others: paths of what is no route of ours: files
    and the description of the API.
    """
    known = set(others)
    return [one.path for one in declared(app) if one.permissions is None and one.path not in known]


def _permissions(dependant: Dependant) -> tuple[Permission, ...] | None:
    found: tuple[Permission, ...] | None = None
    for dependency in _all(dependant):
        if dependency.call is _anybody:
            found = found or ()
        found = getattr(dependency.call, "permissions", found)
    return found


def _all(dependant: Dependant) -> Iterator[Dependant]:
    for one in dependant.dependencies:
        yield one
        yield from _all(one)
