"""Forms as browsers send them, and where a form may lead to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import Depends, Request

from collector.text import Text
from collector.web.problems import ProblemError

MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 80
PATH_CHARS_MAX: Final = 500
_OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_NOWHERE: Final = ("/sign-in", "/sign-out", "/api/", "/parts/", "/static/")
"""Where nobody is led to after signing in."""


class Form:
    """The fields of a form; one that was not sent is empty."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """What people type and read, without spaces around it."""
        return self.secret(name).strip()

    def secret(self, name: str) -> str:
        """Exactly as it was typed: a password may begin with a space."""
        return self._fields.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        """Of boxes that share a name, those that were ticked."""
        return self._fields.get(name, [])


async def _read(request: Request) -> Form:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise ProblemError(
            400,
            Text("提交的内容不是表单", "the body is no form"),
            remedy=Text(f"请以 {MEDIA_TYPE} 提交。", f"Send it as {MEDIA_TYPE}."),
        )
    body = await request.body()
    try:
        return Form(parse_qs(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        # Without its cause: that would quote what somebody typed.
        raise ProblemError(
            400,
            Text("表单无法读取", "the form cannot be read"),
            remedy=Text(
                "请返回后重新填写并提交。", "Go back and fill it in again: UTF-8 text and few fields."
            ),
        ) from None


Sent = Annotated[Form, Depends(_read)]
"""A route's parameter of this type receives the form that was sent."""


def own_path(text: str) -> str:
    """`text` where it is a page of this server to go to after signing in, else the first page."""
    if len(text) > PATH_CHARS_MAX or not _OWN_PATH.fullmatch(text) or text.startswith(_NOWHERE):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else text


def with_next(path: str, next_path: str) -> str:
    """A page that leads on to another."""
    return path if next_path == "/" else f"{path}?next={quote(next_path, safe='/')}"
