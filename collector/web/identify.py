"""Who sends a request: a program with a token, or a browser with the cookie of a session."""

from __future__ import annotations

from fastapi import Request

from collector.accounts.principal import Principal
from collector.accounts.service import Accounts
from collector.web.access import Identify
from collector.web.cookies import session_secret


def identify_with(accounts: Accounts) -> Identify:
    """A token counts alone: with one the cookie is not looked at, so that who sends both is not somebody
    else than they think, and a page of another site, whose request the browser gives no token, is nobody.
    """

    async def find(request: Request) -> Principal | None:
        authorization = request.headers.get("authorization")
        if authorization is not None:
            scheme, _, secret = authorization.partition(" ")
            return await accounts.tokens.principal(secret.strip()) if scheme.lower() == "bearer" else None
        session = await accounts.session(session_secret(request))
        return session.principal if session is not None and session.step == "full" else None

    async def identify(request: Request) -> Principal | None:
        # Several dependencies of one request ask.
        if not hasattr(request.state, "principal"):
            request.state.principal = await find(request)
        found: Principal | None = request.state.principal
        return found

    return identify
