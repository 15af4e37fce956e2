"""Who sends a request: a program with a token, or a browser with the cookie of a session."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from collector.accounts.principal import Principal
from collector.accounts.service import Accounts
from collector.web.access import Identify
from collector.web.cookies import session_secret
from foundation.webboundary import SAFE_METHODS

RESOLVE_TOKEN: Final = "/api/v1/resolve-token"  # noqa: S105  # a path
"""A page that shows names asks there by itself."""


def identify_with(accounts: Accounts) -> Identify:
    """A token counts alone: with one the cookie is not looked at, so that who sends both is not somebody
    else than they think, and a page of another site, whose request the browser gives no token, is nobody.
    """

    async def identify(request: Request) -> Principal | None:
        authorization = request.headers.get("authorization")
        if authorization is not None:
            scheme, _, secret = authorization.partition(" ")
            return await accounts.tokens.principal(secret.strip()) if scheme.lower() == "bearer" else None
        session = await accounts.session(session_secret(request), by_person=_is_by_person(request))
        return session.principal if session is not None and session.step == "full" else None

    return identify


def _is_by_person(request: Request) -> bool:
    """Whether somebody has turned a page or pressed a button; what a page's scripts fetch by themselves would
    keep a session alive for as long as a forgotten tab is open.
    """
    if request.method not in SAFE_METHODS:
        return request.url.path != RESOLVE_TOKEN
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate"
