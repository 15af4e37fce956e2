"""/api/v1/gateways/{school}/{gateway}: invitations for a gateway, its certificates, and its end."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Query
from pydantic import Field

from collector.accounts.principal import Principal
from collector.enrolment.registrar import InvitationError, Registrar, Why
from collector.records import enrolment
from collector.text import Text
from collector.times import iso
from collector.web.access import allow
from collector.web.api.configurations import GatewayId, School
from collector.web.api.models import Model
from collector.web.parts import Parts, WebParts
from collector.web.problems import ProblemError, describe
from foundation.oserrors import why

router = APIRouter(tags=["gateways"], prefix="/gateways/{school}/{gateway}")

Reader = Annotated[Principal, allow("gateways.read")]
Manager = Annotated[Principal, allow("gateways.manage")]

_TROUBLES: Final[dict[Why, Text]] = {
    "ids": Text(
        "编号只能用小写字母、数字、- 和 _，例如 gw-301；学校和网关编号合起来最多 63 个字符。",
        "Ids have lower-case letters, digits, - and _, such as gw-301; school and gateway together 63 at most.",
    ),
    "clock": Text(
        "采集端还不知道现在的时间，请先校准时钟。", "The collector does not know the time yet; set its clock."
    ),
    "registered": Text(
        "这个编号已经注册。换新设备，或让原设备重新注册，请选择“替换”。",
        "This id is registered. For another box in its place, or the same one anew, choose to replace it.",
    ),
    "unregistered": Text("没有这个网关，不需要替换。", "There is no such gateway to replace."),
    "many": Text(
        "未使用的注册码太多，请先用完，或等它们过期（15 分钟）。",
        "Too many codes are open; use them, or wait until they have ended (15 minutes).",
    ),
}

log = structlog.get_logger(__name__)


class InvitationItem(Model):
    """A code, shown this once."""

    school: str
    gateway: str
    code: str = Field(description="For the installer; works once.", examples=["K7QM-3XWD"])
    expires: str
    expires_ms: int
    command: str = Field(
        description="What the installer types at the gateway.",
        examples=["campus gateway enrol https://pulse.campus.example:8421 --code K7QM-3XWD"],
    )


class CertificateItem(Model):
    """A certificate that a gateway may show."""

    serial: str = Field(description="Hexadecimal.")
    fingerprint: str = Field(description="SHA-256, hexadecimal.")
    issued: str
    issued_ms: int
    ends: str
    ends_ms: int


class CertificateList(Model):
    """Of one gateway, those not revoked, the newest last."""

    items: list[CertificateItem]


@router.post(
    "/invitations",
    response_model=InvitationItem,
    status_code=201,
    responses=describe(401, 403, 404, 409, 422, 429, 503),
    summary="Make a code with which a gateway enrols",
)
async def make_invitation(
    parts: Parts,
    asker: Manager,
    school: School,
    gateway: GatewayId,
    *,
    replace: Annotated[
        bool, Query(description="In the place of a gateway that is registered; it ends once this one enrols.")
    ] = False,
) -> InvitationItem:
    """The code works once and for 15 minutes, and is told this once. A new one for the same gateway ends the
    older.
    """
    return await invite(parts, asker, school, gateway, replaces=replace)


@router.delete(
    "",
    status_code=204,
    responses=describe(401, 403, 404, 422, 429, 503),
    summary="Revoke a gateway",
)
async def revoke_gateway(parts: Parts, asker: Manager, school: School, gateway: GatewayId) -> None:
    """It is refused from now on, with its keys and certificates. What it has sent stays."""
    await revoke(parts, asker, school, gateway)


@router.get(
    "/certificates",
    response_model=CertificateList,
    responses=describe(401, 403, 404, 422, 429, 503),
    summary="The certificates of a gateway",
)
async def list_certificates(
    parts: Parts, asker: Reader, school: School, gateway: GatewayId
) -> CertificateList:
    """None for a gateway that was registered by hand. Two while the newer has not been seen in use."""
    _require_sight(asker, school, gateway)
    known = await parts.records.look(partial(enrolment.find_gateway, school=school, id_=gateway))
    if known is None:
        raise unknown_gateway(school, gateway)
    found = await parts.records.look(partial(enrolment.certificates, school=school, gateway=gateway))
    return CertificateList(
        items=[
            CertificateItem(
                serial=one.serial,
                fingerprint=one.fingerprint,
                issued=iso(one.issued_ms),
                issued_ms=one.issued_ms,
                ends=iso(one.not_after_ms),
                ends_ms=one.not_after_ms,
            )
            for one in found
        ]
    )


async def invite(
    parts: WebParts, asker: Principal, school: str, gateway: str, *, replaces: bool
) -> InvitationItem:
    """For the page too. Raises ProblemError, 409 where no invitation can be made."""
    _require_sight(asker, school, gateway)
    registrar = _registrar(parts)
    try:
        # In a thread: making the code's key takes 50 ms.
        invited, add = await asyncio.to_thread(
            registrar.invite, school, gateway, replaces=replaces, by=asker.name, now_ms=parts.now_ms()
        )
        await parts.records.run(add)
    except InvitationError as error:
        raise ProblemError(409, _TROUBLES[error.why], kind="invitation-refused") from None
    return InvitationItem(
        school=school,
        gateway=gateway,
        code=invited.code,
        expires=iso(invited.expires_ms),
        expires_ms=invited.expires_ms,
        command=f"campus gateway enrol {registrar.url} --code {invited.code}",
    )


async def revoke(parts: WebParts, asker: Principal, school: str, gateway: str) -> None:
    """For the page too. Raises ProblemError 404 where there is no such active gateway."""
    _require_sight(asker, school, gateway)
    now_ms, registrar = parts.now_ms(), parts.registrar
    if registrar is None:
        work = partial(enrolment.revoke_gateway, school=school, id_=gateway, at_ms=now_ms)
    else:
        work = partial(registrar.revoke, school=school, gateway=gateway, by=asker.name, now_ms=now_ms)
    if not await parts.records.run(work):
        raise unknown_gateway(school, gateway)
    if registrar is None:
        if parts.accounts is not None:
            await parts.accounts.trail.note(asker.name, "gateway.revoke", f"{school}/{gateway}")
    else:
        try:
            await parts.records.run(partial(registrar.renew_crl, now_ms=now_ms))
        except OSError as error:  # the collector tries again; it refuses the gateway itself meanwhile
            log.error("the list of revoked certificates cannot be written", error=why(error))
    parts.hub.publish("gateways")


def _require_sight(asker: Principal, school: str, gateway: str) -> None:
    if not asker.sees_school(school):
        raise unknown_gateway(school, gateway)


def unknown_gateway(school: str, gateway: str) -> ProblemError:
    return ProblemError(
        404,
        Text(f"没有在用的网关 {school}/{gateway}", f"there is no active gateway {school}/{gateway}"),
    )


def _registrar(parts: WebParts) -> Registrar:
    if parts.registrar is None:
        raise ProblemError(
            409,
            Text("这里的网关是手工登记的", "gateways are registered by hand at this collector"),
            kind="enrolment-by-hand",
            remedy=Text(
                "请在采集端的配置中写 [enrolment]。", "Add [enrolment] to the collector's configuration."
            ),
        )
    return parts.registrar
