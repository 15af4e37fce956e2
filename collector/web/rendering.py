"""Pages from templates, in the reader's language; every page is made here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from collector.text import Language

Lang = Annotated[str | None, Query(max_length=20)]
_COOKIE: Final = "lang"
_COOKIE_AGE_S: Final = 365 * 86_400
_NOT_FOR_PEOPLE: Final = ("/api/", "/parts/", "/static/", "/metrics", "/healthz")

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def language_of(request: Request, asked: str | None = None) -> Language:
    """The language asked for, else the one chosen before, else the browser's; Chinese otherwise."""
    for choice in (asked, request.cookies.get(_COOKIE)):
        if choice in {"zh", "en"}:
            return "zh" if choice == "zh" else "en"
    for part in request.headers.get("accept-language", "").lower().split(","):
        if part.strip().startswith("zh"):
            return "zh"
        if part.strip().startswith("en"):
            return "en"
    return "zh"


def path_of(request: Request) -> str:
    """Where a page is, for the link to the same in another language."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    return f"{request.url.path}?{urlencode(asked)}" if asked else request.url.path


def is_for_people(request: Request) -> bool:
    """Whether a browser shows the answer as a page, rather than a script or a program taking it."""
    return (
        "text/html" in request.headers.get("accept", "")
        and "hx-request" not in request.headers
        and not request.url.path.startswith(_NOT_FOR_PEOPLE)
    )


def remember_language(response: Response, asked: str | None) -> None:
    if asked in {"zh", "en"}:
        response.set_cookie(_COOKIE, asked, max_age=_COOKIE_AGE_S, httponly=True, samesite="lax")


def fill(template: str, language: Language, **values: object) -> Markup:
    def say(zh: str, en: str) -> str:
        return zh if language == "zh" else en

    return Markup(_templates.get_template(template).render(lang=language, say=say, **values))  # noqa: S704  # escaped by the template


def render(template: str, language: Language, **values: object) -> HTMLResponse:
    return answer(fill(template, language, **values))


def answer(html: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        html, status, headers={"Cache-Control": "no-store", "Vary": "Accept-Language, Cookie"}
    )
