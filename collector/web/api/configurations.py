"""/api/v1/gateways/{school}/{gateway}/configuration and …/configurations."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from collector.accounts.principal import Principal
from collector.fleet.difference import SectionDifference, compare
from collector.fleet.reading import TextProblemsError, as_document, as_toml, read_json, read_toml
from collector.records import configurations
from collector.records.configurations import NOTE_CHARS_MAX, Version
from collector.text import Text
from collector.times import iso
from collector.web.access import allow
from collector.web.api.configuration_models import (
    ConfigurationNow,
    DifferenceAnswer,
    SectionChange,
    VersionDetail,
    VersionMade,
    VersionPage,
    refusal,
    version_item,
)
from collector.web.api.parameters import Cursor
from collector.web.configuring import configured, find_gateway, find_version, make_version, restored_note
from collector.web.parts import Parts
from collector.web.problems import ProblemError, Wrong, describe_guarded
from telemetry.configuration import Sections
from telemetry.topics import IDENTIFIER

router = APIRouter(tags=["configurations"], prefix="/gateways/{school}/{gateway}")

VERSION_MAX: Final = 2**31 - 1
_TOML: Final = ("application/toml", "text/plain")
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/toml": {"schema": {"type": "string"}, "example": "[batch]\ninterval_s = 5\n"},
            "text/plain": {"schema": {"type": "string"}, "example": "[batch]\ninterval_s = 5\n"},
            "application/json": {"schema": {"type": "object"}, "example": {"batch": {"interval_s": 5}}},
        },
    }
}

Reader = Annotated[Principal, allow("gateways.read")]
Manager = Annotated[Principal, allow("configurations.manage")]
School = Annotated[
    str, Path(pattern=f"^{IDENTIFIER.pattern}$", description="Id of a school.", examples=["example-primary"])
]
GatewayId = Annotated[
    str, Path(pattern=f"^{IDENTIFIER.pattern}$", description="Id of a gateway.", examples=["gw-north"])
]
VersionNumber = Annotated[int, Path(ge=1, le=VERSION_MAX, description="Number of a version.", examples=[1])]
Note = Annotated[
    str, Query(max_length=NOTE_CHARS_MAX, description="Why, for those who read the history.", examples=["…"])
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=300,
        description='The ETag that was read; `""` where there was no version. Left out: whatever there is.',
    ),
]


class HistoryParameters(BaseModel):
    """Parameters of a history."""

    model_config = ConfigDict(extra="forbid")

    cursor: Cursor = None
    limit: int = Field(default=50, ge=1, le=200, description="Versions on one page.")


@router.get(
    "/configuration",
    response_model=ConfigurationNow,
    responses=describe_guarded(404, 422, 503),
    summary="What a gateway should run, and what it runs",
)
async def read_configuration(
    parts: Parts, principal: Reader, school: School, gateway: GatewayId, response: Response
) -> ConfigurationNow:
    """The ETag of the answer is the digest of what it should run, for `If-Match`."""
    found = await configured(parts, principal, (school, gateway))
    how = found.standing
    response.headers["ETag"] = f'"{found.digest}"'
    return ConfigurationNow(
        school=school,
        gateway=gateway,
        state=how.word,
        wanted=None if how.wanted is None else await asyncio.to_thread(_detail, how.wanted, found.sections),
        running=how.running,
        refused=refusal(how),
        reported=None if how.reported_ms is None else iso(how.reported_ms),
        reported_ms=how.reported_ms,
    )


@router.put(
    "/configuration",
    response_model=VersionMade,
    responses=describe_guarded(404, 412, 413, 415, 422, 503),
    summary="Make a new version",
    openapi_extra=_BODY,
)
async def write_configuration(
    parts: Parts,
    principal: Manager,
    school: School,
    gateway: GatewayId,
    request: Request,
    response: Response,
    note: Note = "",
    if_match: IfMatch = None,
) -> VersionMade:
    """The whole of it: the tables of gateway.toml that a collector may set, as TOML or the same as JSON.

    What equals the newest version makes no new one, unless the gateway has refused that: then it is sent
    again. What the gateway cannot apply it refuses with its reason, and goes on with what it runs.
    """
    key = (school, gateway)
    await find_gateway(parts, principal, key)
    kind, body = request.headers.get("content-type", ""), await request.body()
    sections = await asyncio.to_thread(_read, kind, body)
    expected = _expected(if_match)
    return _made(await make_version(parts, principal, key, sections, note=note, expected=expected), response)


@router.get(
    "/configurations",
    response_model=VersionPage,
    responses=describe_guarded(404, 422, 503),
    summary="All versions, newest first",
)
async def list_versions(
    parts: Parts,
    principal: Reader,
    school: School,
    gateway: GatewayId,
    query: Annotated[HistoryParameters, Query()],
) -> VersionPage:
    """Versions are kept for ever."""
    key = (school, gateway)
    await find_gateway(parts, principal, key)
    before = min(int(query.cursor), VERSION_MAX) if query.cursor else None
    found = await parts.records.look(
        lambda connection: configurations.history(connection, key, before, query.limit + 1)
    )
    page = found[: query.limit]
    return VersionPage.model_validate(
        {
            "items": [version_item(one) for one in page],
            "next_cursor": str(page[-1].version) if len(found) > query.limit else None,
        }
    )


@router.get(
    "/configurations/{version}",
    response_model=VersionDetail,
    responses=describe_guarded(404, 422, 503),
    summary="One version",
)
async def read_version(
    parts: Parts, principal: Reader, school: School, gateway: GatewayId, version: VersionNumber
) -> VersionDetail:
    """Comments and order of what was once handed in are not kept."""
    found, sections = await find_version(parts, principal, (school, gateway), version)
    return await asyncio.to_thread(_detail, found, sections)


@router.get(
    "/configurations/{before}/difference/{after}",
    response_model=DifferenceAnswer,
    responses=describe_guarded(404, 422, 503),
    summary="What differs between two versions",
)
async def read_difference(
    parts: Parts,
    principal: Reader,
    school: School,
    gateway: GatewayId,
    before: VersionNumber,
    after: VersionNumber,
) -> DifferenceAnswer:
    """In the sections and in their lines, for people."""
    key = (school, gateway)
    (_, old), (_, new) = [await find_version(parts, principal, key, one) for one in (before, after)]
    found = await asyncio.to_thread(compare, old, new)
    return DifferenceAnswer(before=before, after=after, sections=list(map(_change, found)))


@router.post(
    "/configurations/{version}/restore",
    response_model=VersionMade,
    responses=describe_guarded(404, 412, 422, 503),
    summary="Make a new version that equals an old one",
)
async def restore_version(
    parts: Parts,
    principal: Manager,
    school: School,
    gateway: GatewayId,
    version: VersionNumber,
    response: Response,
    note: Note = "",
    if_match: IfMatch = None,
) -> VersionMade:
    """Of the newest version: nothing, or, where the gateway has refused it, sends it again."""
    key = (school, gateway)
    _, sections = await find_version(parts, principal, key, version)
    note = note or restored_note(version)
    expected = _expected(if_match)
    return _made(await make_version(parts, principal, key, sections, note=note, expected=expected), response)


def _read(content_type: str, data: bytes) -> dict[str, str]:
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind in _TOML:
            return read_toml(data)
        if kind == "application/json":
            return read_json(data)
    except TextProblemsError as error:
        errors = tuple(
            Wrong("body" if one.line is None else f"line {one.line}", "body", one.words)
            for one in error.problems
        )
        raise ProblemError(
            422,
            error.words,
            remedy=Text(
                "请提交 gateway.toml 中可以远程设置的各段，照文件里的写法。",
                "Send the tables of gateway.toml that a collector may set, each as it stands there.",
            ),
            errors=errors,
        ) from None
    raise ProblemError(
        415,
        Text("配置应为 TOML 或 JSON", "a configuration is TOML or JSON"),
        remedy=Text(
            "请求头写 Content-Type: application/toml 或 application/json。",
            "Send Content-Type: application/toml or application/json.",
        ),
    )


def _expected(if_match: str | None) -> str | None:
    """The digest; None: any. What is no ETag of ours fits none."""
    text = "*" if if_match is None else if_match.strip()
    return None if text == "*" else text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else "?"


def _made(made: tuple[Version, bool], response: Response) -> VersionMade:
    version, new = made
    response.headers["ETag"] = f'"{version.digest}"'
    return VersionMade(**version_item(version), new=new)


def _detail(version: Version, sections: Sections) -> VersionDetail:
    return VersionDetail(**version_item(version), toml=as_toml(sections), configuration=as_document(sections))


def _change(one: SectionDifference) -> SectionChange:
    text = "".join(f"{line.sign} {line.text}".rstrip() + "\n" for line in one.lines)
    return SectionChange(name=one.name, change=one.change, text=text)
