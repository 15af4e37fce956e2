"""Setting up a second factor: /sign-in/second-factor."""

from __future__ import annotations

import io

import segno
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from collector.accounts.errors import (
    AccountError,
    AccountsBusyError,
    CodeRefusedError,
    NotRecentError,
    SessionEndedError,
    SignInRefusedError,
    TooManyError,
)
from collector.accounts.permissions import SECOND_FACTOR_ROLES
from collector.web.access import PUBLIC, address_of
from collector.web.cookies import set_session
from collector.web.rendering import Lang, language_of, remember_language
from collector.web.signing.forms import Sent, own_path, with_next
from collector.web.signing.sign_in import Next, begin_again, said_again, with_status
from collector.web.signing.visitor import Open, accounts_of, open_session, page, step_path

router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])

PATH = "/sign-in/second-factor"
_EXPECTED = CodeRefusedError, SignInRefusedError, NotRecentError, TooManyError, AccountsBusyError


@router.get(PATH)
async def second_factor_page(request: Request, next_path: Next = "/", lang: Lang = None) -> Response:
    return await _page(request, own_path(next_path), lang)


@router.post(PATH)
async def finish(request: Request, form: Sent) -> Response:
    """The recovery codes, which no other answer ever shows."""
    next_path, found = own_path(form.text("next")), await open_session(request)
    if found is None:
        return begin_again(request, next_path)
    try:
        done = await accounts_of(request).finish_totp(
            found.secret, form.text("code"), form.secret("password"), address_of(request)
        )
    except SessionEndedError:
        return begin_again(request, next_path)
    except _EXPECTED as error:
        return await _page(request, next_path, None, error)
    response = await page(
        request,
        language_of(request),
        "recovery_codes.html",
        "/account",
        codes=done.recovery_codes,
        username=found.session.account.username,
        next=step_path(done.signed_in.step, next_path),
    )
    set_session(request, response, done.signed_in.secret)
    return response


async def _page(
    request: Request, next_path: str, lang: str | None, error: AccountError | None = None
) -> Response:
    found = await open_session(request)
    if found is None:
        return begin_again(request, next_path)
    if not _may_begin(found):
        return RedirectResponse(step_path(found.session.step, next_path), 303)
    offer = await accounts_of(request).begin_totp(found.secret)
    language = language_of(request, lang)
    response = await page(
        request,
        language,
        "second_factor.html",
        with_next(PATH, next_path),
        next=next_path,
        trouble=said_again(error, language) if error else "",
        asks_again=found.session.step == "full",
        account=found.session.account,
        required=found.session.account.role in SECOND_FACTOR_ROLES,
        qr=qr_code(offer.uri),
        secret_text=offer.text,
    )
    remember_language(response, lang)
    return with_status(response, error) if error else response


def _may_begin(found: Open) -> bool:
    session = found.session
    return session.step == "setup" or (session.step == "full" and not session.account.has_totp)


def qr_code(text: str) -> Markup:
    """As SVG to stand in a page; without style attributes, which the page's policy forbids."""
    file = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        file, kind="svg", xmldecl=False, svgns=True, svgclass=None, lineclass=None, omitsize=True,
        border=2, dark="#000", light="#fff", nl=False,
    )  # fmt: skip
    return Markup(file.getvalue().decode())  # noqa: S704  # numbers and paths of the library
