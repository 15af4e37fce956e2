"""API tokens as a page lists them: one's own, and those of somebody else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import Path

from collector.accounts.model import Token
from collector.text import Language, Text
from collector.web.api.parameters import ID_MAX
from collector.web.parts import WebParts
from collector.web.signing.wording import PERMISSION_WORDS
from collector.web.wording import clock_text, listed

TokenId = Annotated[int, Path(ge=1, le=ID_MAX)]
NO_SUCH_TOKEN: Final = Text("这个账号没有这个令牌", "this account has no such token")


def token_rows(tokens: Iterable[Token], parts: WebParts, language: Language) -> list[dict[str, object]]:
    """For token_rows.html: all but those that were revoked."""
    return [_row(one, parts, language) for one in tokens if one.revoked_ms is None]


def _row(one: Token, parts: WebParts, language: Language) -> dict[str, object]:
    now_ms = parts.now_ms()
    return {
        "id": one.id,
        "name": one.name,
        "scopes": listed((PERMISSION_WORDS[scope].in_(language) for scope in one.scopes), language),
        "made": clock_text(one.created_ms, now_ms, parts.time_zone),
        "expires": clock_text(one.expires_ms, now_ms, parts.time_zone),
        "is_over": one.expires_ms <= now_ms,
        "used": "" if one.used_ms is None else clock_text(one.used_ms, now_ms, parts.time_zone),
    }
