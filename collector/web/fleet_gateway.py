"""The page of one gateway: how it is, what it should run, an editor, and the history of its versions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from collector.accounts.principal import Principal
from collector.fleet.difference import SectionDifference, compare
from collector.fleet.reading import TextProblem, TextProblemsError, as_toml, read_toml
from collector.records import configurations
from collector.records.configurations import NOTE_CHARS_MAX, GatewayKey
from collector.text import Language, Text
from collector.web.access import allow
from collector.web.api.configurations import VERSION_MAX, GatewayId, School, VersionNumber
from collector.web.configuring import configured, find_gateway, find_version, make_version, restored_note
from collector.web.fleet_details import GatewayDetails, VersionRow, details, version_rows
from collector.web.fleet_page import Reader
from collector.web.fleet_words import CHANGES
from collector.web.parts import Parts, WebParts
from collector.web.problems import ProblemError
from collector.web.rendering import Lang, answer, fill, language_of, path_of, remember_language
from collector.web.signing.visitor import visitor_of
from telemetry.configuration import BYTES_MAX

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

PLACE: Final = "/fleet/{school}/{gateway}"
VERSIONS_SHOWN: Final = 30
_CHANGED_MEANWHILE: Final = 412

Manager = Annotated[Principal, allow("configurations.manage")]
_Saved = Annotated[int | None, Query(ge=0, le=VERSION_MAX)]
_Version = Annotated[int, Query(ge=1, le=VERSION_MAX)]
_SAVED: Final = Text("已保存为第 {} 版，正在下发。", "Saved as version {}; it is on its way.")
_SAME: Final = Text(
    "内容和现在的版本一样，没有产生新版本。",
    "It says the same as the newest version, so no new one was made.",
)
_MEANWHILE: Final = Text(
    "在您编辑的时候，别人保存了新的版本，您的内容还没有保存。请先在下面的历史里比较，再决定是否保存。",
    "Somebody saved another version while you wrote; yours is not saved. Compare in the history below, then "
    "save if you still want to.",
)


@dataclass(frozen=True)
class _Draft:
    """What is in the editor, and what is wrong with it."""

    text: str
    note: str = ""
    problems: list[TextProblem] = field(default_factory=list)
    trouble: str = ""


@router.get(PLACE)
async def gateway_page(
    request: Request,
    parts: Parts,
    principal: Reader,
    school: School,
    gateway: GatewayId,
    lang: Lang = None,
    saved: _Saved = None,
) -> Response:
    language = language_of(request, lang)
    done = "" if saved is None else _SAME.in_(language)
    if saved:
        done = _SAVED.in_(language).format(saved)
    response = await _page(request, parts, principal, (school, gateway), language, done=done)
    remember_language(response, lang)
    return response


@router.get(f"/parts{PLACE}")
async def gateway_part(
    request: Request, parts: Parts, principal: Reader, school: School, gateway: GatewayId, lang: Lang = None
) -> Response:
    language = language_of(request, lang)
    found = await details(parts, principal, (school, gateway), language)
    return answer(fill("fleet_status.html", language, one=found, now_ms=parts.now_ms()))


@router.post(f"{PLACE}/configuration")
async def save(
    request: Request, parts: Parts, principal: Manager, school: School, gateway: GatewayId
) -> Response:
    """The editor's button. What cannot be taken comes back in the editor, with what is wrong in which line."""
    key, language = (school, gateway), language_of(request)
    await find_gateway(parts, principal, key)
    form = await request.form(max_files=0, max_fields=8, max_part_size=BYTES_MAX)
    text, note = text_field(form, "toml"), text_field(form, "note")[:NOTE_CHARS_MAX]
    try:
        sections = await asyncio.to_thread(read_toml, text.encode("utf-8", "replace"))
        made, new = await make_version(
            parts, principal, key, sections, note=note, expected=text_field(form, "expected")
        )
    except TextProblemsError as error:
        draft = _Draft(text, note, list(error.problems))
        return await _page(request, parts, principal, key, language, draft=draft, status=422)
    except ProblemError as error:
        if error.status != _CHANGED_MEANWHILE:
            raise
        draft = _Draft(text, note, trouble=_MEANWHILE.in_(language))
        return await _page(request, parts, principal, key, language, draft=draft, status=error.status)
    return RedirectResponse(f"/fleet/{school}/{gateway}?saved={made.version if new else 0}", 303)


@router.post(PLACE + "/versions/{version}/restore")
async def restore(
    parts: Parts, principal: Manager, school: School, gateway: GatewayId, version: VersionNumber
) -> Response:
    key = (school, gateway)
    _, sections = await find_version(parts, principal, key, version)
    made, new = await make_version(parts, principal, key, sections, note=restored_note(version))
    return RedirectResponse(f"/fleet/{school}/{gateway}?saved={made.version if new else 0}", 303)


@router.get(PLACE + "/versions/{version}")
async def version_page(
    request: Request,
    parts: Parts,
    principal: Reader,
    school: School,
    gateway: GatewayId,
    version: VersionNumber,
    lang: Lang = None,
) -> Response:
    """All of a version, and what it changed."""
    key, language = (school, gateway), language_of(request, lang)
    found, sections = await find_version(parts, principal, key, version)
    before = await parts.records.look(
        lambda connection: configurations.sections_before(connection, key, version)
    )
    (row,) = version_rows([found], parts, language)
    html = fill(
        "fleet_version.html",
        language,
        **await _frame(request, parts, principal, key, language),
        version=row,
        toml=await asyncio.to_thread(as_toml, sections),
        changes=changes_in_words(await asyncio.to_thread(compare, before, sections), language),
    )
    response = answer(html)
    remember_language(response, lang)
    return response


@router.get(f"{PLACE}/difference")
async def difference_page(
    request: Request,
    parts: Parts,
    principal: Reader,
    school: School,
    gateway: GatewayId,
    before: _Version,
    after: _Version,
    lang: Lang = None,
) -> Response:
    key, language = (school, gateway), language_of(request, lang)
    (_, old), (_, new) = [await find_version(parts, principal, key, one) for one in (before, after)]
    html = fill(
        "fleet_difference.html",
        language,
        **await _frame(request, parts, principal, key, language),
        before=before,
        after=after,
        changes=changes_in_words(await asyncio.to_thread(compare, old, new), language),
    )
    response = answer(html)
    remember_language(response, lang)
    return response


async def _page(
    request: Request,
    parts: WebParts,
    principal: Principal,
    key: GatewayKey,
    language: Language,
    *,
    draft: _Draft | None = None,
    done: str = "",
    status: int = 200,
) -> Response:
    now = await configured(parts, principal, key)
    found: GatewayDetails = await details(parts, principal, key, language)
    history = await parts.records.look(
        lambda connection: configurations.history(connection, key, None, VERSIONS_SHOWN + 1)
    )
    shown: list[VersionRow] = version_rows(history[:VERSIONS_SHOWN], parts, language)
    html = fill(
        "fleet_gateway.html",
        language,
        **await _frame(request, parts, principal, key, language),
        one=found,
        now_ms=parts.now_ms(),
        draft=draft or _Draft(await asyncio.to_thread(as_toml, now.sections)),
        expected=now.digest,
        note_chars_max=NOTE_CHARS_MAX,
        history=shown,
        more=len(history) > VERSIONS_SHOWN,
        done=done,
    )
    return answer(html, status)


async def _frame(
    request: Request, parts: WebParts, principal: Principal, key: GatewayKey, language: Language
) -> dict[str, object]:
    """What every page of a gateway has."""
    return {
        "title": parts.title,
        "path": path_of(request) if request.method == "GET" else f"/fleet/{key[0]}/{key[1]}",
        "who": await visitor_of(request, language),
        "school": key[0],
        "gateway": key[1],
        "may_change": principal.may("configurations.manage"),
        "may_manage": principal.may("gateways.manage"),
    }


def changes_in_words(
    found: list[SectionDifference], language: Language
) -> list[tuple[str, Literal["changed", "added", "removed"], str, list[tuple[str, str]]]]:
    """For fleet_changes.html: name, kind and its word, and lines with the class by which they are coloured."""
    classes = {" ": "kept", "-": "gone", "+": "new", "…": "left-out"}
    return [
        (
            one.name,
            one.change,
            CHANGES[one.change].in_(language),
            [(classes[line.sign], f"{line.sign} {line.text}") for line in one.lines],
        )
        for one in found
    ]


def text_field(form: FormData, name: str) -> str:
    """Empty where it was not sent, or is a file."""
    value = form.get(name)
    return value if isinstance(value, str) else ""
