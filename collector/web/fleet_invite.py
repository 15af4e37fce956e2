"""Pages that let a gateway in by a code, and that end one."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from collector.accounts.principal import Principal
from collector.text import Language, Text
from collector.web.access import allow
from collector.web.api.configurations import GatewayId, School
from collector.web.api.enrolment import InvitationItem, invite, revoke, unknown_gateway
from collector.web.parts import Parts, WebParts
from collector.web.problems import ProblemError
from collector.web.rendering import Lang, answer, fill, language_of, remember_language
from collector.web.signing.forms import Form, Sent
from collector.web.signing.visitor import visitor_of
from telemetry.enrolment import CODE_LIFE_MS

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Manager = Annotated[Principal, allow("gateways.manage")]
_Id = Annotated[str, Query(max_length=63)]

_ELSEWHERE: Final = Text("这所学校不归您管理。", "This school is not yours to manage.")


@router.get("/fleet/invite")
async def invitation_form(
    request: Request,
    parts: Parts,
    asker: Manager,
    lang: Lang = None,
    school: _Id = "",
    gateway: _Id = "",
    *,
    replace: bool = False,
) -> Response:
    language = language_of(request, lang)
    fields = {"school": [school or await _usual_school(parts, asker)], "gateway": [gateway]}
    form = Form(fields | ({"replace": ["yes"]} if replace else {}))
    response = await _page(request, parts, language, form)
    remember_language(response, lang)
    return response


@router.post("/fleet/invite")
async def invite_gateway(request: Request, parts: Parts, asker: Manager, sent: Sent) -> Response:
    """Answered with the code itself and not with another page: it is shown this once."""
    language = language_of(request)
    school, gateway = sent.text("school"), sent.text("gateway")
    if not asker.sees_school(school):
        return await _page(request, parts, language, sent, trouble=_ELSEWHERE)
    try:
        made = await invite(parts, asker, school, gateway, replaces=sent.text("replace") == "yes")
    except ProblemError as error:
        return await _page(request, parts, language, sent, trouble=error.detail)
    return await _page(request, parts, language, sent, made=made)


@router.get("/fleet/{school}/{gateway}/revoke")
async def revocation_form(
    request: Request, parts: Parts, asker: Manager, school: School, gateway: GatewayId, lang: Lang = None
) -> Response:
    known = await parts.records.gateways()
    if not asker.sees_school(school) or (school, gateway) not in {
        (one.school, one.id) for one in known if one.state == "active"
    }:
        raise unknown_gateway(school, gateway)
    language = language_of(request, lang)
    here = f"/fleet/{school}/{gateway}"
    html = fill(
        "fleet_revoke.html",
        language,
        title=parts.title,
        path=f"{here}/revoke",
        who=await visitor_of(request, language),
        school=school,
        gateway=gateway,
        here=here,
    )
    response = answer(html)
    remember_language(response, lang)
    return response


@router.post("/fleet/{school}/{gateway}/revoke")
async def revoke_gateway(parts: Parts, asker: Manager, school: School, gateway: GatewayId) -> Response:
    await revoke(parts, asker, school, gateway)
    return RedirectResponse(f"/fleet/{school}/{gateway}", 303)


async def _page(
    request: Request,
    parts: WebParts,
    language: Language,
    form: Form,
    *,
    made: InvitationItem | None = None,
    trouble: Text | None = None,
) -> Response:
    until = dt.datetime.fromtimestamp((made.expires_ms if made else 0) / 1000, parts.time_zone)
    html = fill(
        "enrolment.html",
        language,
        title=parts.title,
        path="/fleet/invite",
        who=await visitor_of(request, language),
        can_enrol=parts.registrar is not None,
        made=made,
        until=until.strftime("%H:%M"),
        minutes=CODE_LIFE_MS // 60_000,
        typed=form.text,
        trouble=trouble.in_(language) if trouble else "",
    )
    return answer(html, 422 if trouble else 200)


async def _usual_school(parts: WebParts, asker: Principal) -> str:
    """The one there is, if there is only one."""
    schools = {one.school for one in await parts.records.gateways()} | set(asker.schools or ())
    mine = {school for school in schools if asker.sees_school(school)}
    return mine.pop() if len(mine) == 1 else ""
