"""GET /api/v1/exports/…: series for spreadsheets and programs, measurements for clinics."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response

from collector.accounts.permissions import Permission
from collector.accounts.principal import Principal
from collector.classes import codes_of
from collector.exports import fhir, ngsi_ld, senml
from collector.exports.reading import Wanted, pieces
from collector.records import measurements
from collector.series.contract import SeriesPoints
from collector.text import Text
from collector.web.access import allow
from collector.web.api.export_parameters import (
    ObservationParameters,
    PointCursor,
    RoomParameters,
    SenmlParameters,
    SeriesExportParameters,
    check_range,
    next_url,
)
from collector.web.api.export_streams import csv_of, parquet_of, streamed
from collector.web.api.parameters import QueryParameters
from collector.web.api.series import find_series, period, wanted_points
from collector.web.names import Names, no_vault
from collector.web.parts import Parts, WebParts
from collector.web.problems import ProblemError, describe
from collector.web.roles import ROLE_WORDS

router = APIRouter(prefix="/exports", tags=["exports"])

CONSENT_AGE_MS_MAX: Final = 24 * 3_600_000
"""Older, and it is not known any more whose consent stands."""
PARQUET: Final = "application/vnd.apache.parquet"
_KINDS: Final[dict[str, tuple[measurements.Measured, Permission]]] = {
    "temperature": ("morning_check", "records.health"),
    "heart_rate": ("heart_rate_window", "records.sport"),
}

_Page = Annotated[Principal, allow("exports.series")]
_File = Annotated[Principal, allow("exports.series", rate="exports")]
_Records = Annotated[Principal, allow("exports.records", rate="exports")]


def _describe(media_type: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {}}, "description": "The export."}, **describe(*statuses)}


@router.get(
    "/series.csv",
    response_class=Response,
    responses=_describe("text/csv", 401, 403, 422, 503),
    summary="Points of series for a spreadsheet",
)
async def series_csv(
    parts: Parts, request: Request, asker: _File, query: Annotated[SeriesExportParameters, Query()]
) -> Response:
    """UTF-8 with a byte order mark; a line a point, with the school's time and ms since 1970 UTC."""
    wanted = await _wanted(parts, asker, query)
    text = csv_of(parts, request.app.state.exports, asker, wanted)
    return await streamed(text, "text/csv; charset=utf-8", "campus-series.csv")


@router.get(
    "/series.parquet",
    response_class=Response,
    responses=_describe(PARQUET, 401, 403, 422, 503),
    summary="Points of series for data analysis",
)
async def series_parquet(
    parts: Parts, request: Request, asker: _File, query: Annotated[SeriesExportParameters, Query()]
) -> Response:
    """One table, sorted by time; at most 20 million rows."""
    wanted = await _wanted(parts, asker, query)
    data = parquet_of(parts, request.app.state.exports, asker, wanted)
    return await streamed(data, PARQUET, "campus-series.parquet")


@router.get(
    "/series.senml",
    response_class=Response,
    responses=_describe(senml.MEDIA_TYPE, 401, 403, 422, 503),
    summary="Points of series as SenML",
)
async def series_senml(
    parts: Parts, request: Request, asker: _Page, query: Annotated[SenmlParameters, Query()]
) -> Response:
    """A SenML pack (RFC 8428). The header Link leads to the next page where there is one."""
    wanted = await _wanted(parts, asker, query)
    after = PointCursor.parse(query.cursor) if query.cursor else None
    found, cursor = await _page(parts, asker, wanted, after, query.limit)
    url = None
    if cursor is not None:
        url = next_url(request, cursor, start=wanted.start_ms, end=wanted.end_ms)
    return _json(senml.pack(found), senml.MEDIA_TYPE, url)


@router.get(
    "/rooms.ngsi-ld",
    response_class=Response,
    responses=_describe(ngsi_ld.MEDIA_TYPE, 401, 403, 422, 503),
    summary="What rooms are like now, as NGSI-LD",
)
async def rooms_ngsi_ld(
    parts: Parts, request: Request, asker: _Page, query: Annotated[RoomParameters, Query()]
) -> Response:
    """Entities of the type IndoorEnvironmentObserved with the latest values. A room whose series are on two
    pages is an entity on both, with the attributes of each.
    """
    found, more = await find_series(parts.store, query, int(query.cursor or 0), query.limit, asker.schools)
    names = {
        one.place: {"zh": text.zh, "en": text.en} for one in found if (text := parts.labels.place(one.place))
    }
    url = next_url(request, found[-1].id) if more else None
    return _json(ngsi_ld.entities(found, names), ngsi_ld.MEDIA_TYPE, url)


@router.get(
    "/observations.fhir",
    response_class=Response,
    responses=_describe("application/fhir+json", 401, 403, 404, 422, 503),
    summary="Measurements of pupils as a FHIR R5 Bundle",
)
async def observations_fhir(
    parts: Parts, request: Request, asker: _Records, query: Annotated[ObservationParameters, Query()]
) -> Response:
    """Temperatures for who may see health, heart rates for who may see sport and while a lesson of their
    classes goes on; pseudonyms only, of pupils whose consent stands. Personal data.
    """
    kind, permission = _KINDS[query.kind]
    if not asker.may(permission):
        raise ProblemError(
            403,
            Text(
                f"“{ROLE_WORDS[asker.role].zh}”岗位不能取学生的这类数据",
                f"the role {asker.role} gets no {query.kind} of pupils",
            ),
        )
    now_ms = parts.now_ms()
    names, consent_ms = _consent(parts, now_ms)
    when = measurements.Period(*period(query.start, query.end, now_ms))
    check_range(*when)
    # Who agreed and whose lesson it is, only the vault knows, and it is one school's.
    school = names.vault.school
    classes = codes_of(asker.classes, school) if asker.sees_school(school) else ()
    lessons = None
    if permission == "records.sport":
        lessons = await parts.records.look(
            lambda connection: measurements.lessons_now(connection, classes, now_ms)
        )
    scope = measurements.Scope(school, classes, lessons)
    after_id = int(query.cursor or 0)
    rows = await parts.records.look(
        lambda connection: measurements.find(connection, kind, when, scope, after_id, query.limit + 1)
    )
    if parts.accounts is not None:
        await parts.accounts.trail.note_read(asker, permission)
    shown = rows[: query.limit]
    url = None
    if len(rows) > query.limit:
        url = next_url(request, shown[-1]["id"], start=when.start_ms, end=when.end_ms)
    make = fhir.temperature if kind == "morning_check" else fhir.heart_rate
    exporter = fhir.Exporter(asker.name, asker.role, now_ms, consent_ms)
    return _json(fhir.bundle(list(map(make, shown)), exporter, str(request.url), url), fhir.MEDIA_TYPE, url)


async def _wanted(parts: WebParts, asker: Principal, query: QueryParameters) -> Wanted:
    wanted = await wanted_points(parts, asker, query)
    check_range(wanted.start_ms, wanted.end_ms)
    return wanted


def _consent(parts: WebParts, now_ms: int) -> tuple[Names, int]:
    """The vault, and when it last confirmed who has agreed. Raises ProblemError."""
    if parts.names is None:
        raise no_vault()
    confirmed_ms = parts.names.lists_of_ms()
    if confirmed_ms is None or now_ms - confirmed_ms > CONSENT_AGE_MS_MAX:
        raise ProblemError(
            503,
            Text(
                "身份库已超过一天没有确认哪些学生的同意有效",
                "the vault has not confirmed for a day whose consent stands",
            ),
            kind="consent-unconfirmed",
            remedy=Text(
                "请检查身份库是否运行、是否连得上，然后再试。",
                "Look whether the vault runs and can be reached, then try again.",
            ),
        )
    return parts.names, confirmed_ms


async def _page(
    parts: WebParts, asker: Principal, wanted: Wanted, after: PointCursor | None, limit: int
) -> tuple[list[SeriesPoints], PointCursor | None]:
    """At most about `limit` points (points of the same ms stay together), and where the next page begins."""
    found: list[SeriesPoints] = []
    for series_id in wanted.series_ids:
        if after and series_id < after.series_id:
            continue
        start_ms = after.time_ms if after and series_id == after.series_id else wanted.start_ms
        one = wanted._replace(series_ids=[series_id], start_ms=max(start_ms, wanted.start_ms))
        async for piece in pieces(parts.store, one):
            if not asker.sees_school(piece.series.school):
                break
            if limit <= 0:
                return found, PointCursor(series_id, piece.time_ms[0])
            cut = _cut(piece.time_ms, limit)
            found.append(
                SeriesPoints(piece.series, *(column[:cut] for column in piece[1:]))  # type: ignore[arg-type]
            )
            limit -= cut
            if cut < len(piece.time_ms):
                return found, PointCursor(series_id, piece.time_ms[cut])
    return found, None


def _cut(times_ms: list[int], limit: int) -> int:
    """How many to take, so that points of one millisecond are not on two pages."""
    cut = min(limit, len(times_ms))
    while 0 < cut < len(times_ms) and times_ms[cut] == times_ms[cut - 1]:
        cut -= 1
    while cut < len(times_ms) and times_ms[cut] == times_ms[0]:
        cut += 1
    return cut


def _json(document: object, media_type: str, url: str | None) -> Response:
    headers = {"Link": f'<{url}>; rel="next"'} if url else None
    return Response(msgspec.json.encode(document), media_type=media_type, headers=headers)
