"""One's own account: /account."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from collector.accounts.errors import (
    AccountError,
    AccountsBusyError,
    ChangeRefusedError,
    NoSuchAccountError,
    NotRecentError,
    PasswordRefusedError,
    SessionEndedError,
    SignInRefusedError,
    TooManyError,
)
from collector.accounts.model import Account, NewToken
from collector.accounts.passwords import CHARS_MIN
from collector.accounts.permissions import SECOND_FACTOR_ROLES, Permission
from collector.accounts.tokens import SCOPES
from collector.classes import short
from collector.text import Language, Text
from collector.web.access import PUBLIC, address_of
from collector.web.cookies import clear_session, set_session
from collector.web.parts import WebParts
from collector.web.problems import ProblemError
from collector.web.rendering import Lang, language_of, remember_language
from collector.web.roles import ROLE_WORDS
from collector.web.signing.forms import Sent
from collector.web.signing.sign_in import begin_again, change_password, said_again, with_status
from collector.web.signing.token_rows import NO_SUCH_TOKEN, TokenId, token_rows
from collector.web.signing.visitor import Open, SignedInHere, accounts_of, page, step_path
from collector.web.signing.wording import PERMISSION_WORDS
from collector.web.wording import listed

router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])

TOKEN_DAYS: Final = (30, 90, 365)
PATH: Final = "/account"
_TOKEN_REFUSED: Final = Text(
    "令牌没有建立：请写名称（1 至 64 个字符），并至少选一项", "No token was made: give it a name (1 to 64 characters) and tick at least one box"
)  # fmt: skip
_DONE: Final = {
    "password": Text("密码已修改，其他设备上的登录已结束。", "The password is changed; other sessions have ended."),
    "revoked": Text("令牌已撤销。", "The token is revoked."),
}  # fmt: skip
_EXPECTED: Final = (
    SignInRefusedError, NotRecentError, PasswordRefusedError, TooManyError, AccountsBusyError,
)  # fmt: skip


@router.get(PATH)
async def own_page(request: Request, me: SignedInHere, lang: Lang = None, done: str = "") -> Response:
    response = await _page(request, me, language_of(request, lang), done=done)
    remember_language(response, lang)
    return response


@router.post(f"{PATH}/password")
async def change_own_password(request: Request, me: SignedInHere, form: Sent) -> Response:
    try:
        signed = await change_password(request, me, form)
    except SessionEndedError:
        return begin_again(request, PATH)
    except _EXPECTED as error:
        return await _page(request, me, language_of(request), error=error, at="password")
    response = RedirectResponse(f"{PATH}?done=password", 303)
    set_session(request, response, signed.secret)
    return response


@router.post(f"{PATH}/second-factor/remove")
async def remove_second_factor(request: Request, me: SignedInHere, form: Sent) -> Response:
    try:
        signed = await accounts_of(request).remove_totp(
            me.secret, form.secret("password"), address_of(request)
        )
    except SessionEndedError:
        return begin_again(request, PATH)
    except _EXPECTED as error:
        return await _page(request, me, language_of(request), error=error, at="factor")
    response = RedirectResponse(step_path(signed.step, PATH), 303)
    set_session(request, response, signed.secret)
    return response


@router.post(f"{PATH}/sign-out-everywhere")
async def sign_out_everywhere(request: Request, me: SignedInHere) -> Response:
    await accounts_of(request).sign_out_all(me.secret)
    response = RedirectResponse("/sign-in", 303)
    clear_session(request, response)
    return response


@router.post(f"{PATH}/tokens")
async def make_token(request: Request, me: SignedInHere, form: Sent) -> Response:
    """The token, which no other answer ever shows."""
    scopes: list[Permission] = [one for one in SCOPES if one in form.all("scope")]
    days = int(form.text("days")) if form.text("days") in map(str, TOKEN_DAYS) else TOKEN_DAYS[0]
    try:
        made = await accounts_of(request).make_token(
            me.secret, form.secret("password"), address_of(request), form.text("name"), scopes, days
        )
    except SessionEndedError:
        return begin_again(request, PATH)
    except (ChangeRefusedError, *_EXPECTED) as error:
        return await _page(request, me, language_of(request), error=error, at="tokens")
    return await _page(request, me, language_of(request), made=made)


@router.post(f"{PATH}/tokens/{{token_id}}/revoke")
async def revoke_token(request: Request, me: SignedInHere, token_id: TokenId) -> Response:
    account = me.session.account
    try:
        await accounts_of(request).tokens.revoke(account.id, token_id, account.username)
    except NoSuchAccountError:
        raise ProblemError(404, NO_SUCH_TOKEN) from None
    return RedirectResponse(f"{PATH}?done=revoked", 303)


async def _page(
    request: Request,
    me: Open,
    language: Language,
    *,
    error: AccountError | None = None,
    at: str = "",
    made: NewToken | None = None,
    done: str = "",
) -> Response:
    """`error`: what was wrong with the form `at`, which is open then."""
    parts: WebParts = request.app.state.parts
    account, principal = me.session.account, me.session.principal
    tokens = await accounts_of(request).tokens.of(account.id)
    response = await page(
        request,
        language,
        "account.html",
        PATH,
        account=account,
        role=ROLE_WORDS[account.role].in_(language),
        schools=_listed(account.schools, language),
        classes=_classes(account, parts, language),
        trouble=_trouble(error, language) if error else "",
        at=at,
        done=_DONE[done].in_(language) if done in _DONE else "",
        password_chars_min=CHARS_MIN,
        needs_second_factor=account.role in SECOND_FACTOR_ROLES,
        tokens=token_rows(tokens, parts, language),
        made=made.secret if made else "",
        scopes=[(one, PERMISSION_WORDS[one].in_(language)) for one in SCOPES if principal.may(one)],
        token_days=TOKEN_DAYS,
    )
    return with_status(response, error) if error else response


def _trouble(error: AccountError, language: Language) -> str:
    if isinstance(error, ChangeRefusedError):
        return _TOKEN_REFUSED.in_(language)
    return said_again(error, language)


def _listed(names: tuple[str, ...] | None, language: Language) -> str:
    everything = Text("全部", "all").in_(language)
    return everything if names is None else listed(names, language) or "–"


def _classes(account: Account, parts: WebParts, language: Language) -> str:
    if account.classes is None:
        return _listed(None, language)
    codes = short(account.classes, account.schools)
    words = [parts.labels.class_(one.school, one.code) for one in account.classes]
    named = (one.in_(language) if one else code for one, code in zip(words, codes, strict=True))
    return _listed(tuple(named), language)
