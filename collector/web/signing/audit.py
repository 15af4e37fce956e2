"""Who did what with accounts and personal data: /audit."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from collector.accounts.model import AuditRow
from collector.accounts.trail import Problem
from collector.text import Language, Text
from collector.times import iso
from collector.web.access import allow
from collector.web.api.parameters import ID_MAX
from collector.web.parts import WebParts
from collector.web.rendering import Lang, language_of, remember_language
from collector.web.signing.visitor import accounts_of, page
from collector.web.signing.wording import ACTION_WORDS, detail_words
from collector.web.wording import clock_text

router = APIRouter(include_in_schema=False)

PATH: Final = "/audit"
ROWS: Final = 50
PROBLEMS_SHOWN: Final = 10


@router.get(PATH, dependencies=[allow("audit.read")])
async def audit_page(
    request: Request,
    before: Annotated[int | None, Query(ge=1, le=ID_MAX)] = None,
    check: Annotated[str, Query(max_length=1)] = "",
    lang: Lang = None,
) -> Response:
    """`check`: read the whole chain first, which takes a second for some hundred thousand rows."""
    parts: WebParts = request.app.state.parts
    language, trail = language_of(request, lang), accounts_of(request).trail
    rows = await trail.find(before, ROWS + 1)
    verified = await trail.verify() if check else None
    response = await page(
        request,
        language,
        "audit.html",
        PATH,
        rows=[_row(one, parts, language) for one in rows[:ROWS]],
        older=rows[ROWS - 1].id if len(rows) > ROWS else None,
        is_newest=before is None,
        verified=verified,
        problems=[_wrong(one, language) for one in verified.problems[:PROBLEMS_SHOWN]] if verified else [],
    )
    remember_language(response, lang)
    return response


def _wrong(one: Problem, language: Language) -> str:
    numbers = f"{one.first}" if one.first == one.last else f"{one.first} 至 {one.last}"
    what = "被删除" if one.what == "removed" else "对不上：这一条或上一条被改过"
    return Text(f"第 {numbers} 条{what}", str(one)).in_(language)


def _row(one: AuditRow, parts: WebParts, language: Language) -> dict[str, str]:
    action = ACTION_WORDS.get(one.action)
    return {
        "at": iso(one.at_ms),
        "time": clock_text(one.at_ms, parts.now_ms(), parts.time_zone),
        "actor": one.actor or Text("（未登录）", "(nobody)").in_(language),
        "action": action.in_(language) if action else one.action,
        "subject": detail_words(one.subject, language) if one.subject != one.actor else "",
        "detail": detail_words(one.detail, language),
    }
