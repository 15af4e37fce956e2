"""The fleet: all gateways by who needs somebody, and a page for each."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from collector.accounts.principal import Principal
from collector.text import Language
from collector.web.access import allow
from collector.web.fleet_views import SHOWS, FleetRow, Show, shared_rows
from collector.web.parts import Parts, WebParts
from collector.web.rendering import Lang, answer, fill, language_of, path_of, remember_language
from collector.web.signing.visitor import visitor_of

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ROWS_SHOWN: Final = 100
ROWS_MAX: Final = 2_000

Reader = Annotated[Principal, allow("gateways.read")]
FilterWords = Annotated[str, Query(alias="filter", max_length=100)]
_Rows = Annotated[int, Query(ge=1, le=ROWS_MAX)]


@router.get("/fleet")
async def fleet(
    request: Request,
    parts: Parts,
    principal: Reader,
    lang: Lang = None,
    words: FilterWords = "",
    show: Show = "all",
    rows: _Rows = ROWS_SHOWN,
) -> Response:
    language = language_of(request, lang)
    html = fill(
        "fleet.html",
        language,
        title=parts.title,
        path=path_of(request),
        who=await visitor_of(request, language),
        may_invite=principal.may("gateways.manage"),
        may_change=principal.may("configurations.manage"),
        filter=words,
        show=show,
        rows_max=rows,
        rows=await _rows(request, parts, principal, language, words, show, rows),
    )
    response = answer(html)
    remember_language(response, lang)
    return response


@router.get("/parts/fleet")
async def fleet_part(
    request: Request,
    parts: Parts,
    principal: Reader,
    lang: Lang = None,
    words: FilterWords = "",
    show: Show = "all",
    rows: _Rows = ROWS_SHOWN,
) -> Response:
    return answer(await _rows(request, parts, principal, language_of(request, lang), words, show, rows))


async def _rows(
    request: Request,
    parts: WebParts,
    principal: Principal,
    language: Language,
    words: str,
    show: Show,
    rows_max: int,
) -> Markup:
    found = await shared_rows(request, parts, principal, language)
    wanted = words.lower().split()
    shown = [row for row in found if row.is_shown(show, wanted)]
    return fill(
        "fleet_rows.html",
        language,
        rows=shown[:rows_max],
        rows_left=max(0, len(shown) - rows_max),
        rows_more=min(ROWS_MAX, rows_max * 4),
        counts={one: _count(found, one) for one in SHOWS},
        total=len(found),
        schools=len({row.school for row in found}),
        filter=words,
        show=show,
        now_ms=parts.now_ms(),
    )


def _count(rows: list[FleetRow], show: Show) -> int:
    return sum(row.is_shown(show, ()) for row in rows)
