"""Signing in with a password, and out: /sign-in, /sign-in/code, /sign-in/password, /sign-out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from collector.accounts.errors import (
    AccountError,
    AccountsBusyError,
    CodeRefusedError,
    NotRecentError,
    PasswordRefusedError,
    SessionEndedError,
    SignInRefusedError,
    TooManyError,
)
from collector.accounts.model import SignedIn, Step
from collector.accounts.opening import FIRST_COMMAND
from collector.accounts.passwords import CHARS_MIN
from collector.text import Language, Text
from collector.web.access import PUBLIC, address_of
from collector.web.cookies import clear_session
from collector.web.parts import WebParts
from collector.web.rendering import Lang, language_of, remember_language
from collector.web.signing.forms import Form, Sent, own_path, with_next
from collector.web.signing.visitor import (
    STEP_PATHS,
    Open,
    accounts_of,
    go_on,
    open_session,
    page,
    step_path,
)

router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])

Next = Annotated[str, Query(alias="next", max_length=2_000)]
_SAYS: Final = {
    SignInRefusedError: Text(
        "用户名或密码不对；错了多次的账号会锁定几分钟", "Wrong username or password; after several wrong tries an account waits some minutes"
    ),
    CodeRefusedError: Text(
        "验证码不对，或已经用过；请等下一个", "That code is wrong or was used before; wait for the next one"
    ),
    AccountsBusyError: Text("同时登录的人太多，请过几秒再试", "Too many are signing in at the moment; try again in some seconds"),
    SessionEndedError: Text("登录已结束，请重新登录", "That took too long; sign in again"),
    NotRecentError: Text(
        "请先退出，再登录一次，然后在 10 分钟内操作", "Sign out and in again first, and do it within 10 minutes"
    ),
}  # fmt: skip
_STATUS: Final = {SignInRefusedError: 401, CodeRefusedError: 401, AccountsBusyError: 503, NotRecentError: 403}
_TEMPLATES: Final[dict[Step, str]] = {"password": "sign_in_code.html", "change": "sign_in_password.html"}
_WRONG_PASSWORD: Final = Text("现在的密码不对", "The password you have now is wrong")
_NOT_THE_SAME: Final = Text("两次输入的新密码不一样", "The two new passwords differ")


@router.get("/sign-in")
async def sign_in_page(
    request: Request, next_path: Next = "/", lang: Lang = None, ended: str = ""
) -> Response:
    """Whoever is signed in already is led on."""
    found = await open_session(request)
    next_path = own_path(next_path)
    if found is not None:
        return RedirectResponse(step_path(found.session.step, next_path), 303)
    language = language_of(request, lang)
    trouble = _SAYS[SessionEndedError].in_(language) if ended else ""
    response = await sign_in_form(request, language, next_path, trouble)
    remember_language(response, lang)
    return response


@router.post("/sign-in")
async def sign_in(request: Request, form: Sent) -> Response:
    next_path, username = own_path(form.text("next")), form.text("username")
    try:
        signed = await accounts_of(request).sign_in(username, form.secret("password"), address_of(request))
    except (SignInRefusedError, TooManyError, AccountsBusyError) as error:
        language = language_of(request)
        response = await sign_in_form(request, language, next_path, said(error, language), username)
        return with_status(response, error)
    return go_on(request, signed, next_path)


@router.get("/sign-in/code")
async def code_page(request: Request, next_path: Next = "/", lang: Lang = None) -> Response:
    found = await _at(request, "password", own_path(next_path))
    return found if isinstance(found, Response) else await _page(request, "password", next_path, lang)


@router.post("/sign-in/code")
async def confirm_code(request: Request, form: Sent) -> Response:
    next_path = own_path(form.text("next"))
    found = await _at(request, "password", next_path)
    if isinstance(found, Response):
        return found
    try:
        signed = await accounts_of(request).confirm_code(found.secret, form.text("code"), address_of(request))
    except SessionEndedError:
        return begin_again(request, next_path)
    except (CodeRefusedError, TooManyError) as error:
        return await _page(request, "password", next_path, None, error)
    return go_on(request, signed, next_path)


@router.get("/sign-in/password")
async def first_password_page(request: Request, next_path: Next = "/", lang: Lang = None) -> Response:
    found = await _at(request, "change", own_path(next_path))
    return found if isinstance(found, Response) else await _page(request, "change", next_path, lang)


@router.post("/sign-in/password")
async def choose_password(request: Request, form: Sent) -> Response:
    next_path = own_path(form.text("next"))
    found = await _at(request, "change", next_path)
    if isinstance(found, Response):
        return found
    try:
        signed = await change_password(request, found, form)
    except SessionEndedError:
        return begin_again(request, next_path)
    except (SignInRefusedError, PasswordRefusedError, TooManyError, AccountsBusyError) as error:
        return await _page(request, "change", next_path, None, error)
    return go_on(request, signed, next_path)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    found = await open_session(request)
    if found is not None:
        await accounts_of(request).sign_out(found.secret)
    response = RedirectResponse("/sign-in", 303)
    clear_session(request, response)
    return response


async def change_password(request: Request, found: Open, form: Form) -> SignedIn:
    """By the three fields of password_fields.html. Raises what `Accounts.change_password` does."""
    if form.secret("new") != form.secret("again"):
        raise PasswordRefusedError(*_NOT_THE_SAME)
    return await accounts_of(request).change_password(
        found.secret, form.secret("old"), form.secret("new"), address_of(request)
    )


def said(error: AccountError, language: Language) -> str:
    """What is wrong, for the person who did it."""
    if isinstance(error, PasswordRefusedError):
        return Text(error.zh, error.en).in_(language)
    if isinstance(error, TooManyError):
        minutes = -(-error.retry_after_s // 60)
        return Text(
            f"试得太多了，请过 {minutes} 分钟再试", f"Too many tries; wait {minutes} min and try again"
        ).in_(language)
    return _SAYS[type(error)].in_(language)


def said_again(error: AccountError, language: Language) -> str:
    """The same for somebody who is signed in and was asked for the password once more."""
    if isinstance(error, SignInRefusedError):
        return _WRONG_PASSWORD.in_(language)
    return said(error, language)


def with_status(response: Response, error: AccountError) -> Response:
    """The page with the status that programs understand."""
    if isinstance(error, TooManyError):
        response.status_code = 429
        response.headers["Retry-After"] = str(error.retry_after_s)
    else:
        response.status_code = _STATUS.get(type(error), 422)
    return response


def begin_again(request: Request, next_path: str) -> Response:
    path = with_next("/sign-in", next_path)
    response = RedirectResponse(f"{path}{'&' if '?' in path else '?'}ended=1", 303)
    clear_session(request, response)
    return response


async def _at(request: Request, step: Step, next_path: str) -> Open | Response:
    """The session at the page of this step; else where the browser has to go."""
    found = await open_session(request)
    if found is None:
        return begin_again(request, next_path)
    if STEP_PATHS.get(found.session.step) != STEP_PATHS[step]:
        return RedirectResponse(step_path(found.session.step, next_path), 303)
    return found


async def _page(
    request: Request, step: Step, next_path: str, lang: str | None, error: AccountError | None = None
) -> Response:
    language, next_path = language_of(request, lang), own_path(next_path)
    response = await page(
        request,
        language,
        _TEMPLATES[step],
        step_path(step, next_path),
        next=next_path,
        trouble=said(error, language) if error else "",
        password_chars_min=CHARS_MIN,
    )
    remember_language(response, lang)
    return with_status(response, error) if error else response


async def sign_in_form(
    request: Request, language: Language, next_path: str, trouble: str = "", username: str = ""
) -> Response:
    parts: WebParts = request.app.state.parts
    return await page(
        request,
        language,
        "sign_in.html",
        with_next("/sign-in", next_path),
        next=next_path,
        trouble=trouble,
        username=username,
        is_empty=await accounts_of(request).is_empty(),
        first_command=FIRST_COMMAND,
        oidc_name=parts.oidc.name if parts.oidc else "",
        oidc_path=with_next("/sign-in/oidc", next_path),
    )
