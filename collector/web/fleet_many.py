"""The page that changes the configurations of many gateways at once: chosen, looked at, then sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from collector.accounts.principal import Principal
from collector.fleet.difference import SectionDifference, compare
from collector.fleet.many import Wish, read_wish
from collector.fleet.reading import TextProblem, TextProblemsError
from collector.records import RecordsUnavailableError
from collector.records.configurations import NOTE_CHARS_MAX, GatewayKey
from collector.text import Language, Text
from collector.web.configuring import Configured, configured, make_version
from collector.web.fleet_gateway import Manager, changes_in_words, text_field
from collector.web.fleet_page import FilterWords
from collector.web.fleet_views import Show, shared_rows
from collector.web.parts import Parts, WebParts
from collector.web.problems import ProblemError
from collector.web.rendering import Lang, answer, fill, language_of, path_of, remember_language
from collector.web.signing.visitor import visitor_of
from telemetry.configuration import BYTES_MAX, ConfigurationError

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

PATH: Final = "/fleet/many"
GATEWAYS_MAX: Final = 200
"""At once; a preview of more nobody reads."""
_CHANGED_MEANWHILE: Final = 412
_NONE_CHOSEN: Final = TextProblem(None, Text("没有选择网关", "no gateway is chosen"))
_TOO_MANY: Final = TextProblem(
    None, Text(f"一次最多 {GATEWAYS_MAX} 台网关", f"at most {GATEWAYS_MAX} gateways at once")
)
_SAVED: Final = Text("已保存为第 {} 版，正在下发", "saved as version {}; it is on its way")
_SAME: Final = Text("内容没有变化，没有产生新版本", "nothing changes there, so no version was made")
_MEANWHILE: Final = Text(
    "预览以后别人保存了新的版本，这一台没有修改", "somebody saved another version since the preview; it was left as it is"
)  # fmt: skip
_REVOKED: Final = Text("已吊销", "it is revoked")
_AWAY: Final = Text("数据库暂时没有回应，没有保存", "the database does not answer now; not saved")


@dataclass(frozen=True)
class _Draft:
    """What somebody chose and wrote. digests: what each gateway should run now, as the preview showed it."""

    gateways: list[str] = field(default_factory=list)
    toml: str = ""
    removed: str = ""
    note: str = ""
    digests: dict[str, str] = field(default_factory=dict)


class _Group(NamedTuple):
    """Gateways at which the same changes."""

    gateways: list[str]
    changes: Sequence[object]


class _Outcome(NamedTuple):
    gateway: str
    kind: Literal["done", "same", "failed"]
    words: str


@router.get(PATH)
async def choose(
    request: Request,
    parts: Parts,
    principal: Manager,
    lang: Lang = None,
    words: FilterWords = "",
    show: Show = "all",
    gateway: Annotated[list[str], Query(max_length=GATEWAYS_MAX)] = [],  # noqa: B006  # FastAPI copies it
) -> Response:
    language = language_of(request, lang)
    draft = _Draft(gateway)
    response = await _page(request, parts, principal, language, draft, words=words, show=show)
    remember_language(response, lang)
    return response


@router.post(PATH)
async def change(request: Request, parts: Parts, principal: Manager) -> Response:
    """The three buttons: look at it, go back to the form, send it."""
    language = language_of(request)
    form = await request.form(max_files=0, max_fields=2 * GATEWAYS_MAX + 8, max_part_size=BYTES_MAX)
    draft, action = _read(form), text_field(form, "action")
    if action == "edit":
        return await _page(request, parts, principal, language, draft)
    try:
        wish = await asyncio.to_thread(read_wish, draft.toml, draft.removed)
        problems: tuple[TextProblem, ...] = ()
    except TextProblemsError as error:
        problems = error.problems
    if not draft.gateways:
        problems = (_NONE_CHOSEN, *problems)
    if len(draft.gateways) > GATEWAYS_MAX:
        problems = (_TOO_MANY, *problems)
    if problems:
        return await _page(request, parts, principal, language, draft, problems=problems)
    if action == "send":
        return await _send(request, parts, principal, language, draft, wish)
    return await _preview(request, parts, principal, language, draft, wish)


async def _page(
    request: Request,
    parts: WebParts,
    principal: Principal,
    language: Language,
    draft: _Draft,
    *,
    problems: tuple[TextProblem, ...] = (),
    words: str = "",
    show: Show = "all",
) -> Response:
    chosen, wanted = set(draft.gateways), words.lower().split()
    rows = [
        row
        for row in await shared_rows(request, parts, principal, language)
        if row.active and (f"{row.school}/{row.id}" in chosen or row.is_shown(show, wanted))
    ]
    rows.sort(key=lambda row: (row.school, row.id))
    html = fill(
        "fleet_many.html",
        language,
        **await _frame(request, parts, language),
        rows=rows,
        schools=len({row.school for row in rows}),
        chosen=chosen,
        draft=draft,
        problems=problems,
        note_chars_max=NOTE_CHARS_MAX,
    )
    return answer(html, 422 if problems else 200)


async def _preview(
    request: Request, parts: WebParts, principal: Principal, language: Language, draft: _Draft, wish: Wish
) -> Response:
    groups: dict[str, _Group] = {}
    digests: dict[str, str] = {}
    same: list[str] = []
    failed: list[_Outcome] = []
    for name in draft.gateways:
        try:
            now, after = await _wished(parts, principal, name, wish)
        except (ProblemError, ConfigurationError) as error:
            failed.append(_Outcome(name, "failed", _why(error, language)))
            continue
        digests[name] = now.digest
        found: list[SectionDifference] = await asyncio.to_thread(compare, now.sections, after)
        if found:
            shown = changes_in_words(found, language)
            groups.setdefault(repr(found), _Group([], shown)).gateways.append(name)
        else:
            same.append(name)
    html = fill(
        "fleet_many_preview.html",
        language,
        **await _frame(request, parts, language),
        groups=list(groups.values()),
        same=same,
        failed=failed,
        digests=digests,
        count=sum(len(one.gateways) for one in groups.values()),
        draft=draft,
    )
    return answer(html)


async def _send(
    request: Request, parts: WebParts, principal: Principal, language: Language, draft: _Draft, wish: Wish
) -> Response:
    """One after the other, each by itself: what goes wrong at one keeps no other from its change."""
    outcomes = [await _send_one(parts, principal, language, draft, wish, name) for name in draft.gateways]
    html = fill(
        "fleet_many_done.html",
        language,
        **await _frame(request, parts, language),
        outcomes=sorted(outcomes, key=lambda one: ("failed", "done", "same").index(one.kind)),
        counts={kind: sum(one.kind == kind for one in outcomes) for kind in ("done", "same", "failed")},
        draft=draft,
    )
    return answer(html)


async def _send_one(
    parts: WebParts, principal: Principal, language: Language, draft: _Draft, wish: Wish, name: str
) -> _Outcome:
    try:
        now, after = await _wished(parts, principal, name, wish)
        seen = draft.digests.get(name)
        if seen != now.digest:
            return _Outcome(name, "failed", _MEANWHILE.in_(language))
        made, new = await make_version(
            parts, principal, _key(name), after, note=draft.note, expected=now.digest
        )
    except (ProblemError, ConfigurationError, RecordsUnavailableError) as error:
        return _Outcome(name, "failed", _why(error, language))
    if not new:
        return _Outcome(name, "same", _SAME.in_(language))
    return _Outcome(name, "done", _SAVED.in_(language).format(made.version))


async def _wished(
    parts: WebParts, principal: Principal, name: str, wish: Wish
) -> tuple[Configured, dict[str, str]]:
    """A gateway as it stands, and what it should run then. Raises ProblemError, ConfigurationError and
    RecordsUnavailableError.
    """
    now = await configured(parts, principal, _key(name))
    if now.gateway.state != "active":
        raise ProblemError(409, _REVOKED)
    return now, await asyncio.to_thread(wish.applied, now.sections)


def _why(error: Exception, language: Language) -> str:
    if isinstance(error, ProblemError):
        words = _MEANWHILE if error.status == _CHANGED_MEANWHILE else error.detail
    elif isinstance(error, ConfigurationError):
        words = Text(f"内容太多：{error}", str(error))
    else:
        words = _AWAY
    return words.in_(language)


async def _frame(request: Request, parts: WebParts, language: Language) -> dict[str, object]:
    path = path_of(request) if request.method == "GET" else PATH
    return {"title": parts.title, "path": path, "who": await visitor_of(request, language)}


def _read(form: FormData) -> _Draft:
    gateways = [one for one in form.getlist("gateway") if isinstance(one, str)]
    seen = [one.partition(" ") for one in form.getlist("seen") if isinstance(one, str)]
    return _Draft(
        list(dict.fromkeys(gateways)),
        text_field(form, "toml"),
        text_field(form, "removed"),
        text_field(form, "note")[:NOTE_CHARS_MAX],
        {name: digest for name, _, digest in seen},
    )


def _key(name: str) -> GatewayKey:
    school, _, gateway = name.partition("/")
    return school, gateway
