"""Who looks at a page, and what happens to whoever may not."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from collector.accounts.model import Session, SignedIn, Step
from collector.accounts.principal import Principal
from collector.accounts.service import Accounts
from collector.records import RecordsUnavailableError
from collector.text import Language, Text
from collector.web.cookies import session_secret, set_session
from collector.web.parts import WebParts
from collector.web.problems import ProblemError, trouble_page
from collector.web.rendering import answer, fill, is_for_people, language_of
from collector.web.roles import ROLE_WORDS
from collector.web.signing.forms import own_path, with_next

STEP_PATHS: Final[dict[Step, str]] = {
    "password": "/sign-in/code",
    "external": "/sign-in/code",
    "change": "/sign-in/password",
    "setup": "/sign-in/second-factor",
}


@dataclass(frozen=True)
class Visitor:
    """Who is signed in, as a page shows them."""

    name: str
    role: str
    principal: Principal


@dataclass(frozen=True)
class Open:
    """A session and the secret of its cookie."""

    secret: str
    session: Session


def accounts_of(request: Request) -> Accounts:
    """Raises ProblemError where accounts are switched off."""
    parts: WebParts = request.app.state.parts
    if parts.accounts is None:
        raise ProblemError(
            404,
            Text("这里没有启用账号", "this collector has no accounts"),
            kind="no-accounts",
            remedy=Text("请在 collector.toml 中写 [accounts]。", "Write [accounts] in collector.toml."),
        )
    return parts.accounts


def no_sign_in_service() -> ProblemError:
    return ProblemError(
        404,
        Text("这里没有接入统一身份认证", "this collector has no sign-in service"),
        kind="no-sign-in-service",
        remedy=Text("请在 collector.toml 中写 [accounts.oidc]。", "Write [accounts.oidc]."),
    )


async def open_session(request: Request) -> Open | None:
    """The session of this browser, however far it has come. A program, which says who it is in another way
    and is not asked for its origin, has none.
    """
    accounts = accounts_of(request)
    secret = "" if "authorization" in request.headers else session_secret(request)
    session = await accounts.session(secret) if secret else None
    return None if session is None else Open(secret, session)


async def visitor_of(request: Request, language: Language) -> Visitor | None:
    """None: nobody is signed in, or there are no accounts."""
    parts: WebParts = request.app.state.parts
    found = await open_session(request) if parts.accounts is not None else None
    if found is None or found.session.step != "full":
        return None
    account = found.session.account
    return Visitor(account.display_name, ROLE_WORDS[account.role].in_(language), found.session.principal)


async def page(request: Request, language: Language, template: str, path: str, **values: object) -> Response:
    """A page in the common frame. path: its own, for the links to the other language and to the other pages."""
    parts: WebParts = request.app.state.parts
    who = await visitor_of(request, language)
    return answer(fill(template, language, title=parts.title, who=who, path=path, **values))


async def _signed_in(request: Request) -> Open:
    found = await open_session(request)
    if found is None or found.session.step != "full":
        raise ProblemError(
            401,
            Text("没有登录", "nobody is signed in"),
            remedy=Text("请到 /sign-in 登录。", "Sign in at /sign-in."),
        )
    return found


SignedInHere = Annotated[Open, Depends(_signed_in)]
"""A route's parameter of this type: a browser whose user has signed in, whatever their role."""


def go_on(request: Request, signed: SignedIn, next_path: str) -> Response:
    """To where a signing-in is continued, or is over."""
    response = RedirectResponse(step_path(signed.step, next_path), 303)
    set_session(request, response, signed.secret)
    return response


def step_path(step: Step, next_path: str) -> str:
    return with_next(STEP_PATHS[step], next_path) if step in STEP_PATHS else next_path


async def for_people(request: Request, error: ProblemError) -> Response | None:
    """To the sign-in page (401), or a page that says who is signed in and may not (403), how long to wait
    (429), or what else is wrong. None for programs and scripts.
    """
    if not is_for_people(request):
        return None
    parts: WebParts = request.app.state.parts
    if parts.accounts is not None:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            return await _wait(request, error)
        if error.status == HTTPStatus.UNAUTHORIZED:
            here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(
                with_next("/sign-in", own_path(here if request.method == "GET" else "/")), 303
            )
        if error.status == HTTPStatus.FORBIDDEN:
            return await _not_allowed(request)
    try:
        who = await visitor_of(request, language_of(request))
    except RecordsUnavailableError:
        who = None
    return trouble_page(request, error, parts.title, who)


async def _not_allowed(request: Request) -> Response:
    found = await open_session(request)
    if found is not None and found.session.step != "full":
        return RedirectResponse(step_path(found.session.step, "/"), 303)
    response = await page(request, language_of(request), "not_allowed.html", "")
    response.status_code = HTTPStatus.FORBIDDEN
    return response


async def _wait(request: Request, error: ProblemError) -> Response:
    language, headers = language_of(request), error.headers or {}
    wait_s = int(headers.get("Retry-After", "60"))
    minutes = -(-wait_s // 60)
    words = Text(f"{wait_s} 秒", f"{wait_s} s") if wait_s < 60 else Text(f"{minutes} 分钟", f"{minutes} min")
    response = await page(request, language, "too_many.html", "", wait=words.in_(language))
    response.status_code = error.status
    response.headers.update(headers)
    return response
