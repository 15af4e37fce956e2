"""What every request of the guardians' pages goes through: errors in words, form, language, safe answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from identity_vault.database.engine import VaultUnavailableError
from identity_vault.rights.orders import OrdersFullError
from identity_vault.rights.views import Reader, render
from identity_vault.rights.wording import Language, Text

Handler = Callable[[Request], Awaitable[Response]]

LANGUAGE_COOKIE: Final = "lang"
LANGUAGE_COOKIE_AGE_S: Final = 365 * 86_400
FORM_BYTES_MAX: Final = 8 * 1024
FORM_FIELDS_MAX: Final = 20
RETRY_AFTER_S: Final = 60
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": browsers would then send "Origin: null" with a form of our own.
    "Referrer-Policy": "same-origin",
}


class PageError(Exception):
    """Ends a request with a page that says what is wrong and what helps. back: where to go on."""

    def __init__(self, status: int, heading: Text, *lines: Text, back: str = "") -> None:
        super().__init__(heading.en)
        self.status, self.heading, self.lines, self.back = status, heading, lines, back


_NEW_LINK: Final = Text(
    "请向班主任或校医要一个新的链接。", "Please ask the class teacher or the nurse for a new link."
)
LINK_ERRORS: Final = {
    "unknown": (
        Text("链接无效", "This link opens nothing"),
        Text("它可能没有复制完整，或者已经换成了新的。", "Part of it may be missing, or a newer one has taken its place."),
    ),
    "expired": (
        Text("链接已过期", "This link has expired"),
        Text("链接只在 7 天内有效。", "A link is good for 7 days."),
    ),
    "used": (
        Text("链接已经用过", "This link has been used"),
        Text("每个链接只能打开一次。如果不是您打开的，请告诉学校。", "Each link opens once. If it was not you, please tell the school."),
    ),
}  # fmt: skip


def link_error(reason: str) -> PageError:
    heading, line = LINK_ERRORS[reason]
    return PageError(410 if reason != "unknown" else 404, heading, line, _NEW_LINK)


def no_session() -> PageError:
    return PageError(
        401,
        Text("页面已关闭", "This page is closed"),
        Text("为了安全，打开 30 分钟后会自动关闭。", "To keep it safe, it closes 30 minutes after it was opened."),
        _NEW_LINK,
    )  # fmt: skip


def not_here() -> PageError:
    return PageError(404, Text("这里没有内容", "There is nothing here"), back="/g/")


def bad_form() -> PageError:
    return PageError(
        400,
        Text("没有提交成功", "This was not taken"),
        Text("请返回后再试一次。", "Please go back and try again."),
        back="/g/",
    )


def too_often() -> PageError:
    return PageError(
        429,
        Text("请求太频繁", "Too many requests"),
        Text("请过一会儿再试。", "Please try again in a while."),
        back="/g/",
    )


def _unavailable() -> PageError:
    return PageError(
        503,
        Text("暂时无法处理", "This cannot be done now"),
        Text("什么都没有改变，请过几分钟再试。", "Nothing was changed; please try again in a few minutes."),
        back="/g/",
    )


def guarded(work: Handler, zone: ZoneInfo) -> Handler:
    """`work` whose errors become pages, and whose every answer is safe to show."""

    async def handler(request: Request) -> Response:
        try:
            response = await work(request)
        except PageError as error:
            response = _error_page(error, reader_of(request, zone))
        except (VaultUnavailableError, OrdersFullError):
            response = _error_page(_unavailable(), reader_of(request, zone))
        for name, value in _HEADERS.items():
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", "no-store")
        asked = request.query_params.get("lang")
        if asked in {"zh", "en"}:
            response.set_cookie(
                LANGUAGE_COOKIE, asked, LANGUAGE_COOKIE_AGE_S, path="/g", httponly=True, samesite="lax"
            )
        return response

    return handler


def page(template: str, reader: Reader, status: int = 200, **values: object) -> HTMLResponse:
    return HTMLResponse(render(template, reader, **values), status)


def message(
    reader: Reader,
    status: int,
    heading: str,
    *lines: str,
    back: str = "",
    code: str = "",
    wrong: bool = False,
) -> HTMLResponse:
    """A page of a few words for somebody who has no session, or needs none here."""
    tone = "wrong" if wrong else "calm"
    return page(
        "message.html", reader, status, heading=heading, lines=lines, back=back, code=code, tone=tone,
        visitor=None, here="/g/",
    )  # fmt: skip


def _error_page(error: PageError, reader: Reader) -> HTMLResponse:
    lines = [reader.word(line) for line in error.lines]
    wrong = error.status not in {401, 410}
    response = message(reader, error.status, reader.word(error.heading), *lines, back=error.back, wrong=wrong)
    if error.status in {429, 503}:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def reader_of(request: Request, zone: ZoneInfo) -> Reader:
    """The language asked for, else the one chosen before, else the browser's; Chinese otherwise."""
    return Reader(_language(request), zone)


def _language(request: Request) -> Language:
    for choice in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if choice in {"zh", "en"}:
            return "zh" if choice == "zh" else "en"
    for part in request.headers.get("accept-language", "").lower().split(","):
        if part.strip().startswith("zh"):
            return "zh"
        if part.strip().startswith("en"):
            return "en"
    return "zh"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, of each name the last. Raises PageError for anything else."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise bad_form()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise bad_form()
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX
        )
    except ValueError:
        raise bad_form() from None
    return dict(pairs)
