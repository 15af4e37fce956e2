"""The accounts of the school, for who manages them: /accounts."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse, Response

from collector.accounts.errors import (
    AccountError,
    AccountExistsError,
    AccountsBusyError,
    ChangeRefusedError,
    NoSuchAccountError,
)
from collector.accounts.lockout import is_locked
from collector.accounts.model import Account, NewAccount
from collector.accounts.permissions import ROLES, Role
from collector.accounts.principal import Principal
from collector.classes import short
from collector.text import Language, Text
from collector.web.access import allow
from collector.web.parts import WebParts
from collector.web.problems import ProblemError
from collector.web.rendering import Lang, language_of, remember_language
from collector.web.roles import ROLE_WORDS
from collector.web.signing.forms import Form, Sent
from collector.web.signing.token_rows import NO_SUCH_TOKEN, TokenId, token_rows
from collector.web.signing.visitor import accounts_of, no_sign_in_service, page
from collector.web.wording import clock_text, listed

router = APIRouter(include_in_schema=False)

PATH: Final = "/accounts"
_MAY: Final = allow("accounts.manage")
Admin = Annotated[Principal, _MAY]
Username = Annotated[str, Path(pattern=r"^[a-z0-9._@-]{1,64}$")]
_EXISTS: Final = Text(
    "已经有这个用户名，或者这个标识已关联别的账号", "That username, or that person, is somebody's already"
)
_ADD_REFUSED: Final = Text(
    "没有建立。用户名用小写字母、数字和 . _ @ -；姓名必填；学校和班级写代号，用逗号或空格分开；班级要写明学校：填一个学校代号，或写成 学校/班级",
    "Not made. A username has lower-case letters, digits and . _ @ -; a name is needed; schools and classes are ids with commas or spaces between, a class needs its school: one school's id, or school/class",
)  # fmt: skip
_CHANGE_REFUSED: Final = Text(
    "没有修改。请检查姓名、学校和班级（有几所学校时班级写成 学校/班级，且学校要在其范围内）；最后一个管理员不能改成别的岗位，也不能停用",
    "Not changed. Check name, schools and classes (school/class where there are several schools, of schools that the account has); the last administrator can be neither given another role nor disabled",
)  # fmt: skip
_LINK_REFUSED: Final = Text(
    "没有修改。标识不对，或者这个账号没有密码",
    "Not changed. The identifier is wrong, or the account has no password",
)
_BUSY: Final = Text("系统正忙，请过几秒再试", "Busy at the moment; try again in some seconds")
_DONE: Final = {
    "change": Text("已保存。", "Saved."),
    "disable": Text("账号已停用，登录和令牌已失效。", "The account is disabled, its sessions and tokens have ended."),
    "enable": Text("账号已启用。", "The account is enabled."),
    "unlock": Text("已解除锁定。", "The account is unlocked."),
    "second-factor": Text("两步验证已重置，下次登录时重新设置。", "The second factor is reset; it is set up anew at the next signing in."),
    "token": Text("令牌已撤销。", "The token is revoked."),
    "link": Text("已关联。", "Linked."),
    "unlink": Text("已取消关联。", "The link is removed."),
}  # fmt: skip


@router.get(PATH, dependencies=[_MAY])
async def list_page(request: Request, lang: Lang = None) -> Response:
    response = await _list(request, language_of(request, lang))
    remember_language(response, lang)
    return response


@router.post(PATH)
async def add(request: Request, me: Admin, form: Sent) -> Response:
    """The first password, which no other answer ever shows."""
    username = form.text("username").lower()
    new = NewAccount(
        username, form.text("display_name"), _role(form), _names(form, "schools"), _names(form, "classes")
    )
    language = language_of(request)
    try:
        password = await accounts_of(request).staff.add(new, me.name)
    except (AccountExistsError, ChangeRefusedError, AccountsBusyError) as error:
        return await _list(request, language, _said(error, _ADD_REFUSED, language), form)
    return await _one(request, username, language, password=password)


@router.get(f"{PATH}/{{username}}", dependencies=[_MAY])
async def one_page(request: Request, username: Username, lang: Lang = None, done: str = "") -> Response:
    response = await _one(request, username, language_of(request, lang), done=done)
    remember_language(response, lang)
    return response


@router.post(f"{PATH}/{{username}}/change")
async def change(request: Request, me: Admin, username: Username, form: Sent) -> Response:
    changing = accounts_of(request).staff.change(
        username,
        me.name,
        display_name=form.text("display_name"),
        role=_role(form),
        schools=_names(form, "schools"),
        classes=_names(form, "classes"),
    )
    return await _do(request, username, "change", changing)


@router.post(f"{PATH}/{{username}}/disable")
async def disable(request: Request, me: Admin, username: Username) -> Response:
    return await _do(request, username, "disable", accounts_of(request).staff.disable(username, me.name))


@router.post(f"{PATH}/{{username}}/enable")
async def enable(request: Request, me: Admin, username: Username) -> Response:
    return await _do(request, username, "enable", accounts_of(request).staff.enable(username, me.name))


@router.post(f"{PATH}/{{username}}/unlock")
async def unlock(request: Request, me: Admin, username: Username) -> Response:
    return await _do(request, username, "unlock", accounts_of(request).staff.unlock(username, me.name))


@router.post(f"{PATH}/{{username}}/second-factor")
async def reset_second_factor(request: Request, me: Admin, username: Username) -> Response:
    resetting = accounts_of(request).staff.reset_totp(username, me.name)
    return await _do(request, username, "second-factor", resetting)


@router.post(f"{PATH}/{{username}}/password")
async def reset_password(request: Request, me: Admin, username: Username) -> Response:
    """The new password, which no other answer ever shows."""
    language = language_of(request)
    try:
        password = await accounts_of(request).staff.reset_password(username, me.name)
    except NoSuchAccountError:
        raise _unknown() from None
    except AccountsBusyError as error:
        return await _one(request, username, language, trouble=_said(error, _CHANGE_REFUSED, language))
    return await _one(request, username, language, password=password)


@router.post(f"{PATH}/{{username}}/tokens/{{token_id}}/revoke")
async def revoke_token(request: Request, me: Admin, username: Username, token_id: TokenId) -> Response:
    accounts = accounts_of(request)
    owner = await accounts.staff.find(username)
    if owner is None:
        raise _unknown()
    try:
        await accounts.tokens.revoke(owner.id, token_id, me.name)
    except NoSuchAccountError:
        raise ProblemError(404, NO_SUCH_TOKEN) from None
    return RedirectResponse(f"{PATH}/{username}?done=token", 303)


@router.post(f"{PATH}/{{username}}/link")
async def link(request: Request, me: Admin, username: Username, form: Sent) -> Response:
    parts: WebParts = request.app.state.parts
    if parts.oidc is None:
        raise no_sign_in_service()
    staff, subject = accounts_of(request).staff, form.text("subject")
    if not subject:
        return await _do(request, username, "unlink", staff.unlink(username, me.name), _LINK_REFUSED)
    linking = staff.link(username, me.name, parts.oidc.issuer, subject)
    return await _do(request, username, "link", linking, _LINK_REFUSED)


async def _do(
    request: Request, username: str, done: str, work: Awaitable[object], refused: Text = _CHANGE_REFUSED
) -> Response:
    language = language_of(request)
    try:
        await work
    except NoSuchAccountError:
        raise _unknown() from None
    except (AccountExistsError, ChangeRefusedError) as error:
        return await _one(request, username, language, trouble=_said(error, refused, language))
    return RedirectResponse(f"{PATH}/{username}?done={done}", 303)


async def _list(
    request: Request, language: Language, trouble: str = "", form: Form | None = None
) -> Response:
    parts: WebParts = request.app.state.parts
    staff = accounts_of(request).staff
    people, schools = await staff.all(), await staff.schools()
    response = await page(
        request,
        language,
        "accounts.html",
        PATH,
        trouble=trouble,
        people=[_person(one, schools, parts, language) for one in people],
        roles=_roles(language),
        typed=(form or Form({})).text,
    )
    response.status_code = 422 if trouble else 200
    return response


async def _one(
    request: Request,
    username: Username,
    language: Language,
    *,
    trouble: str = "",
    done: str = "",
    password: str = "",
) -> Response:
    parts: WebParts = request.app.state.parts
    accounts = accounts_of(request)
    account = await accounts.staff.find(username)
    if account is None:
        raise _unknown()
    schools = await accounts.staff.schools()
    oidc = parts.oidc
    subject = account.oidc_subject or ""
    response = await page(
        request,
        language,
        "account_of.html",
        f"{PATH}/{username}",
        trouble=trouble,
        done=_DONE[done].in_(language) if done in _DONE else "",
        password=password,
        person=_person(account, schools, parts, language),
        account=account,
        tokens=token_rows(await accounts.tokens.of(account.id), parts, language),
        roles=_roles(language),
        schools=" ".join(account.schools or ()),
        classes=" ".join(short(account.classes or (), account.schools or schools)),
        oidc_name=oidc.name if oidc else "",
        subject=subject.removeprefix(f"{oidc.issuer} ") if oidc else "",
    )
    response.status_code = 422 if trouble else 200
    return response


def _person(one: Account, schools: set[str], parts: WebParts, language: Language) -> dict[str, Any]:
    now_ms = parts.now_ms()
    locked = one.locked_until_ms if is_locked(one.locked_until_ms, now_ms) else None
    return {
        "username": one.username,
        "name": one.display_name,
        "role": ROLE_WORDS[one.role].in_(language),
        "active": one.state == "active",
        "locked": "" if locked is None else clock_text(locked, now_ms, parts.time_zone),
        "must_change": one.must_change,
        "has_totp": one.has_totp,
        "classes": listed(short(one.classes or (), one.schools or schools), language),
    }


def _roles(language: Language) -> list[tuple[str, str]]:
    return [(one, ROLE_WORDS[one].in_(language)) for one in ROLES]


def _role(form: Form) -> Role:
    """What is no role is refused by the accounts themselves."""
    return cast("Role", form.text("role"))


def _names(form: Form, field: str) -> tuple[str, ...] | None:
    """Codes with commas or spaces between; none means all."""
    typed = form.text(field)
    for mark in "，、,;；":
        typed = typed.replace(mark, " ")
    return tuple(typed.split()) or None


def _said(error: AccountError, refused: Text, language: Language) -> str:
    words = {AccountExistsError: _EXISTS, AccountsBusyError: _BUSY}.get(type(error), refused)
    return words.in_(language)


def _unknown() -> ProblemError:
    return ProblemError(
        404,
        Text("没有这个用户名的账号", "there is no account of this username"),
        remedy=Text("请看账号列表 /accounts。", "See the list at /accounts."),
    )
