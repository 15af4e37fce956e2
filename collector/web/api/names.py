"""POST /api/v1/resolve-token: lets the page in front of a person ask the vault for names.

The names themselves never come here: the browser asks the vault and paints them.
"""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response

from collector.accounts.permissions import Role
from collector.accounts.principal import Principal
from collector.text import Text
from collector.vault.settings import ROLE_BREAK_GLASS, ROLE_PURPOSES
from collector.web.access import allow
from collector.web.api.models import BreakGlassWord, ResolveToken, TokenWish
from collector.web.names import no_vault
from collector.web.parts import Parts
from collector.web.problems import ProblemError, describe_guarded
from collector.web.roles import ROLE_WORDS
from telemetry.purposes import PURPOSES, Purpose
from telemetry.resolve_token import LIFE_MS_MAX

router = APIRouter(tags=["names"])

Asker = Annotated[Principal, allow("names.ask")]
BROWSER_COOKIE: Final = "session"
_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{22}")


@router.post(
    "/resolve-token",
    response_model=ResolveToken,
    responses=describe_guarded(400, 404, 413, 422),
    summary="A token for the vault",
)
async def make_token(
    parts: Parts, asker: Asker, request: Request, response: Response, wish: TokenWish
) -> ResolveToken:
    """Good for five minutes and one purpose. Only the console's own page may ask.

    A role also gets a token for what it may have by break-glass only: the page asks the vault for that
    with it, and the vault gives no name before.
    """
    names = parts.names
    if names is None:
        raise no_vault()
    if not names.may_ask(asker):
        raise ProblemError(
            403,
            Text("这里的身份库是别的学校的", "the vault here is another school's"),
        )
    role, _ = names.asked_for(asker)
    break_glass = _break_glass(role, wish.purpose)
    if break_glass is None:
        raise ProblemError(
            403,
            Text(
                f"“{ROLE_WORDS[role].zh}”岗位不能为“{PURPOSES[wish.purpose].zh}”查询姓名",
                f"the role {role} gets no names for {wish.purpose}",
            ),
        )
    session = asker.session or _browser_session(request, response)
    token = names.token(wish.purpose, asker, session, parts.now_ms())
    return ResolveToken(token=token, expires_in_s=LIFE_MS_MAX // 1_000, break_glass=break_glass)


def _browser_session(request: Request, response: Response) -> str:
    """Where nobody signs in, a browser is told from the next by a cookie of its own."""
    session = request.cookies.get(BROWSER_COOKIE, "")
    if not _SESSION.fullmatch(session):
        session = secrets.token_urlsafe(16)
        response.set_cookie(
            BROWSER_COOKIE, session, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
    return session


def _break_glass(role: Role, purpose: Purpose) -> BreakGlassWord | None:
    """None: the role gets no names for this purpose in any way."""
    is_open = purpose in ROLE_BREAK_GLASS[role]
    if purpose in ROLE_PURPOSES[role]:
        return "possible" if is_open else "none"
    return "required" if is_open else None
