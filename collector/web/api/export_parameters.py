"""Query parameters of exports, and the address of the next page."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, NamedTuple, Self

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from collector.exports.reading import Wanted
from collector.series.contract import SeriesStore
from collector.web.api.parameters import (
    Cursor,
    QueryParameters,
    SeriesFilter,
    parse_step,
    parse_time,
)
from collector.web.api.series import chosen_ids
from collector.web.problems import parameter_error

DAY_MS: Final = 86_400_000
RANGE_MS_MAX: Final = 400 * DAY_MS
"""A school year and its holidays."""
_POINT: Final = re.compile(r"(\d{1,19})-(\d{1,15})", re.ASCII)


class PointCursor(NamedTuple):
    """Where a page of points ends: the next one begins at this time of this series."""

    series_id: int
    time_ms: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        match = _POINT.fullmatch(text)
        if match is None:
            raise ValueError("not a cursor that this server has given; leave it out for the first page")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.series_id}-{self.time_ms}"


def _check_point(text: str) -> str:
    PointCursor.parse(text)
    return text


class SeriesExportParameters(QueryParameters):
    """Which points, as /api/v1/series/query takes them."""


class SenmlParameters(QueryParameters):
    """Which points, page by page."""

    cursor: Annotated[str, Field(max_length=40), AfterValidator(_check_point)] | None = Field(
        default=None, description="From the address of the next page."
    )
    limit: int = Field(default=5_000, ge=1, le=20_000, description="Points in one pack.")


class RoomParameters(SeriesFilter):
    """Which rooms."""

    cursor: Cursor = None
    limit: int = Field(default=500, ge=1, le=1_000, description="Series on one page.")


class ObservationParameters(BaseModel):
    """Which measurements of pupils."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["temperature", "heart_rate"] = Field(description="What was measured.")
    start: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="As for /api/v1/series/query."
    )
    end: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="As for /api/v1/series/query."
    )
    cursor: Cursor = None
    limit: int = Field(default=200, ge=1, le=1_000, description="Observations in one Bundle.")


def period(start: str | None, end: str | None, now_ms: int) -> tuple[int, int]:
    """Start and end in ms; the last 24 hours unless told. Raises ProblemError."""
    try:
        end_ms = parse_time(end) if end is not None else now_ms + 1
    except ValueError as error:
        raise parameter_error("end", str(error)) from None
    try:
        start_ms = parse_time(start) if start is not None else max(0, end_ms - DAY_MS)
    except ValueError as error:
        raise parameter_error("start", str(error)) from None
    if start_ms >= end_ms:
        raise parameter_error("end", "must lie after start")
    if end_ms - start_ms > RANGE_MS_MAX:
        raise parameter_error("start", "lies more than 400 days before end", "Ask for a shorter range.")
    return start_ms, end_ms


async def wanted_points(
    store: SeriesStore, query: QueryParameters, now_ms: int, schools: frozenset[str] | None
) -> Wanted:
    """schools: series of these only; None: of all. Raises ProblemError."""
    start_ms, end_ms = period(query.start, query.end, now_ms)
    step_ms = parse_step(query.step)
    if step_ms is None and query.aggregate is not None:
        raise parameter_error("aggregate", "needs a step", "Give a step such as 5m, or leave aggregate out.")
    ids = await chosen_ids(store, query, schools)
    return Wanted(ids, start_ms, end_ms, step_ms, query.aggregate or "mean")


def next_url(request: Request, cursor: object) -> str:
    """The address of the page that begins at `cursor`."""
    return str(request.url.include_query_params(cursor=str(cursor)))
