"""Signing in at the school's own sign-in service: /sign-in/oidc, and back."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from collector.accounts.errors import SignInRefusedError, TooManyError
from collector.accounts.oidc import Identity, OidcSignIn
from collector.accounts.oidc_settings import CALLBACK_PATH
from collector.accounts.oidc_state import LIFE_MS
from collector.accounts.oidc_wire import OidcError, OidcUnavailableError
from collector.accounts.rates import key_of_address
from collector.text import Text
from collector.web.access import PUBLIC, address_of, count
from collector.web.cookies import clear_journey, journey_cookie, set_journey
from collector.web.parts import WebParts
from collector.web.problems import ProblemError
from collector.web.rendering import language_of
from collector.web.signing.forms import own_path
from collector.web.signing.sign_in import Next, said, sign_in_form, with_status
from collector.web.signing.visitor import accounts_of, go_on, no_sign_in_service, page
from foundation.webboundary import is_same_origin

router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])

_AWAY: Final = Text(
    "{name}现在没有回应。请稍后再试，或者用密码登录。",
    "{name} does not answer now. Try again later, or sign in with a password.",
)
_NOT_BELIEVED: Final = Text(
    "{name}没有完成登录。请重新试一次，或者用密码登录。",
    "{name} did not complete the signing-in. Try once more, or sign in with a password.",
)


@router.get("/sign-in/oidc")
async def begin(request: Request, next_path: Next = "/") -> Response:
    """A link and no form: the page's policy lets a form lead to this server only."""
    service = _service(request)
    count(request, "stranger", key_of_address(address_of(request)))
    if not is_same_origin(request.headers):
        raise ProblemError(
            403,
            Text("请从本系统的登录页开始登录", "signing in begins on this server's own page"),
            kind="other-page",
        )
    try:
        url, cookie = await service.begin(own_path(next_path))
    except OidcError as error:
        return await _failed(request, service, error)
    response = RedirectResponse(url, 303)
    set_journey(request, response, cookie, LIFE_MS // 1_000)
    return response


@router.get(CALLBACK_PATH)
async def back(request: Request) -> Response:
    """With the answer of the sign-in service; it counts once, whatever it says."""
    service = _service(request)
    count(request, "stranger", key_of_address(address_of(request)))
    try:
        who = await service.finish(dict(request.query_params), journey_cookie(request))
    except OidcError as error:
        response = await _failed(request, service, error)
    else:
        response = await _enter(request, who)
    clear_journey(request, response)
    return response


async def _enter(request: Request, who: Identity) -> Response:
    accounts = accounts_of(request)
    if who.roles is not None:
        subject = f"{who.issuer} {who.subject}"
        linked = next((one for one in await accounts.staff.all() if one.oidc_subject == subject), None)
        if linked is not None and linked.role not in who.roles:
            await accounts.trail.note(linked.username, "role_refused", linked.username)
            return await _refused(request, "role")
    try:
        signed = await accounts.sign_in_external(who.issuer, who.subject, address_of(request))
    except SignInRefusedError:
        return await _refused(request, "unknown", who.subject)
    except TooManyError as error:
        language = language_of(request)
        return with_status(await sign_in_form(request, language, "/", said(error, language)), error)
    return go_on(request, signed, who.next_path)


async def _refused(request: Request, kind: str, subject: str = "") -> Response:
    """What to do now. The subject is said to nobody but the person whose it is."""
    response = await page(
        request, language_of(request), "external_refused.html", "/sign-in", kind=kind, subject=subject
    )
    response.status_code = 403
    return response


async def _failed(request: Request, service: OidcSignIn, error: OidcError) -> Response:
    """The sign-in page, where passwords still work, with what went wrong."""
    language, away = language_of(request), isinstance(error, OidcUnavailableError)
    service.log(error)
    words = (_AWAY if away else _NOT_BELIEVED).in_(language).format(name=service.name)
    response = await sign_in_form(request, language, "/", words)
    response.status_code = 503 if away else 403
    return response


def _service(request: Request) -> OidcSignIn:
    parts: WebParts = request.app.state.parts
    if parts.oidc is None or parts.accounts is None:
        raise no_sign_in_service()
    return parts.oidc
