"""GET /api/v1/series and /api/v1/series/query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Query, Response

from collector.accounts.principal import Principal
from collector.exports.reading import Wanted
from collector.series.contract import Selector, SeriesInfo, SeriesPoints, SeriesStore
from collector.text import Text
from collector.times import iso
from collector.web.access import allow
from collector.web.api.models import Latest, QueryAnswer, Series, SeriesPage, Words
from collector.web.api.parameters import (
    SERIES_MAX,
    QueryParameters,
    SeriesFilter,
    SeriesParameters,
    parse_step,
    parse_time,
)
from collector.web.api.resolution import AUTO, choose_step, resolution_of
from collector.web.labels import Labels
from collector.web.parts import Parts, WebParts
from collector.web.problems import describe_guarded, parameter_error
from collector.web.wording import label, quantity_row
from telemetry.quality import PACKED_NAMES
from telemetry.quantities import BOOL

router = APIRouter(tags=["series"])

Asker = Annotated[Principal, allow("series.read")]
DAY_MS: Final = 86_400_000
_PAGE: Final = 1_000


class _Found(NamedTuple):
    items: list[SeriesInfo]
    more: bool


def _selector(wanted: SeriesFilter, below: str | None) -> Selector:
    return Selector(
        quantity=wanted.quantity,
        device=wanted.device,
        place=None if below else wanted.place,
        gateway=wanted.gateway,
        school=wanted.school,
    )


async def find_series(
    store: SeriesStore, wanted: SeriesFilter, after_id: int, limit: int, schools: frozenset[str] | None = None
) -> _Found:
    """At most `limit` series in order of id, and whether there are more. schools: only of these; None: all."""
    found: list[SeriesInfo] = []
    below = wanted.place if wanted.place and wanted.place.endswith("/") else None
    selector = _selector(wanted, below)._replace(
        after_id=after_id, limit=limit + 1 if below is None and schools is None else _PAGE
    )
    while True:
        page = await store.series(selector)
        found += [
            one
            for one in page
            if (below is None or one.place.startswith(below)) and (schools is None or one.school in schools)
        ]
        if len(found) > limit or len(page) < selector.limit:
            return _Found(found[:limit], len(found) > limit)
        selector = selector._replace(after_id=page[-1].id)


@router.get(
    "/series",
    response_model=SeriesPage,
    responses=describe_guarded(422, 503),
    summary="Series and their latest values",
)
async def list_series(parts: Parts, asker: Asker, query: Annotated[SeriesParameters, Query()]) -> SeriesPage:
    """Every series that fits all filters, in order of id, page by page."""
    found, more = await find_series(parts.store, query, int(query.cursor or 0), query.limit, asker.schools)
    return SeriesPage(
        items=[describe_series(one, parts.labels) for one in found],
        next_cursor=str(found[-1].id) if more else None,
    )


@router.get(
    "/series/query",
    response_model=QueryAnswer,
    responses=describe_guarded(422, 503),
    summary="Points of series, raw or by windows",
)
async def query_series(parts: Parts, asker: Asker, query: Annotated[QueryParameters, Query()]) -> Response:
    """The points of the chosen series with start ≤ time < end, in columns.

    Choose by `id` (repeatable) or by filters. Windows start at multiples of the step since 1970 UTC;
    windows without points are left out. An answer of more than 100,000 rows is refused: ask for a
    larger step or a shorter range, or for `step=auto`. `resolution` and `raw_from` say what the answer is
    made of.
    """
    ids, start_ms, end_ms, step_ms, aggregate = await wanted_points(parts, asker, query)
    found = await parts.store.query(ids, start_ms, end_ms, step_ms=step_ms, aggregate=aggregate)
    reach = parts.store.reach()
    first_ms = min((points.time_ms[0] for points in found if points.time_ms), default=start_ms)
    answer = {
        "start": iso(start_ms),
        "start_ms": start_ms,
        "end": iso(end_ms),
        "end_ms": end_ms,
        "step_ms": step_ms,
        "aggregate": aggregate if step_ms else None,
        "resolution": resolution_of(step_ms, first_ms, reach),
        "raw_from": iso(reach.raw_ms) if reach.raw_ms else None,
        "raw_from_ms": reach.raw_ms or None,
        "series": [
            _columns(points, parts.labels, raw=step_ms is None)
            for points in found
            if asker.sees_school(points.series.school)
        ],
    }
    # Up to 100,000 rows: encoded at once rather than validated row by row.
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def wanted_points(parts: WebParts, asker: Principal, query: QueryParameters) -> Wanted:
    """Which points a question means. Raises ProblemError."""
    start_ms, end_ms = period(query.start, query.end, parts.now_ms())
    step_ms = None if query.step == AUTO else parse_step(query.step)
    if query.step == "none" and query.aggregate is not None:
        raise parameter_error(
            "aggregate",
            Text("要和 step 一起用", "needs a step"),
            Text("请写 step，如 5m，或去掉 aggregate。", "Give a step such as 5m, or leave aggregate out."),
        )
    ids = await _chosen_ids(parts.store, query, asker.schools)
    if query.step == AUTO:
        step_ms = await choose_step(parts.store, ids, start_ms, end_ms, query.points)
    return Wanted(ids, start_ms, end_ms, step_ms, query.aggregate or "mean")


def period(start: str | None, end: str | None, now_ms: int) -> tuple[int, int]:
    """Start and end of a question, ms UTC, from what `parse_time` reads; the last 24 hours unless told. Raises
    ProblemError.
    """
    end_ms = parse_time(end) if end is not None else now_ms + 1
    start_ms = parse_time(start) if start is not None else max(0, end_ms - DAY_MS)
    if start_ms >= end_ms:
        raise parameter_error("end", Text("应晚于 start", "must lie after start"))
    return start_ms, end_ms


async def _chosen_ids(
    store: SeriesStore, query: QueryParameters, schools: frozenset[str] | None
) -> Sequence[int]:
    """The series of these schools that a question names, by id or by filters. Raises ProblemError."""
    if query.id and query.is_empty:
        ids = sorted(set(query.id))
        return ids if schools is None else [one for one in ids if await _is_of(store, one, schools)]
    if query.id:
        raise parameter_error(
            "id",
            Text("不能和其他条件一起用", "stands alone"),
            Text("请只用 id，或只用筛选条件。", "Choose by id or by filters, not by both."),
        )
    if query.is_empty:
        raise parameter_error(
            "id",
            Text("缺少", "is missing"),
            Text(
                "请写一个或几个 id，或写筛选条件，如 quantity=co2。",
                "Give one or more ids, or a filter such as quantity=co2.",
            ),
        )
    found, more = await find_series(store, query, 0, SERIES_MAX, schools)
    if more:
        raise parameter_error(
            "quantity" if query.quantity else "place",
            Text(f"符合条件的序列超过 {SERIES_MAX} 条", f"the filters fit more than {SERIES_MAX} series"),
            Text("请再加筛选条件，或按 id 查询。", "Add a filter, or ask by id."),
        )
    return [one.id for one in found]


async def _is_of(store: SeriesStore, id_: int, schools: frozenset[str]) -> bool:
    found = await store.series(Selector(after_id=id_ - 1, limit=1))
    return bool(found) and found[0].id == id_ and found[0].school in schools


def describe_series(info: SeriesInfo, labels: Labels) -> Series:
    """The API's view of a series; the page shows the same."""
    quality, clock = PACKED_NAMES[info.latest.quality]
    words = state_words(info, labels)
    return Series.model_validate(
        _about(info, labels)
        | {
            "latest": Latest.model_validate(
                {
                    "time": iso(info.latest.time_ms),
                    "time_ms": info.latest.time_ms,
                    "value": _value(info.latest.value, is_bool=quantity_row(info.quantity).is_bool),
                    "quality": quality,
                    "clock": clock,
                    "text": words,
                }
            )
        }
    )


def state_words(info: SeriesInfo, labels: Labels) -> Words | None:
    """The latest value in words, where the device's profile has words for it."""
    if quantity_row(info.quantity).unit not in {"1", BOOL}:
        return None
    found = labels.state(info.model, info.quantity, info.latest.value)
    return Words(zh=found[0], en=found[1]) if found else None


def _about(info: SeriesInfo, labels: Labels) -> dict[str, object]:
    row, words, place = quantity_row(info.quantity), label(info.quantity), labels.place(info.place)
    return {
        "id": info.id,
        "school": info.school,
        "gateway": info.gateway,
        "device": info.device,
        "place": info.place,
        "place_label": {"zh": place.zh, "en": place.en} if place else None,
        "quantity": info.quantity,
        "unit": row.unit,
        "ucum": row.ucum,
        "label": {"zh": words.zh, "en": words.en},
        "model": info.model,
    }


def _value(value: float, *, is_bool: bool) -> bool | float:
    return bool(value) if is_bool else value


def _columns(points: SeriesPoints, labels: Labels, *, raw: bool) -> dict[str, object]:
    is_bool = raw and quantity_row(points.series.quantity).is_bool
    marks = [PACKED_NAMES[packed] for packed in points.quality]
    return _about(points.series, labels) | {
        "time_ms": points.time_ms,
        "value": [bool(value) for value in points.value] if is_bool else points.value,
        "quality": [quality for quality, _ in marks],
        "clock": [clock for _, clock in marks],
        "count": points.counts,
    }
