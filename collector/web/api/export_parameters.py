"""Query parameters of exports, and the address of the next page."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, NamedTuple, Self

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from collector.text import Text
from collector.web.api.parameters import NO_CURSOR, Cursor, QueryParameters, SeriesFilter, Time
from collector.web.problem_words import UnfitError
from collector.web.problems import parameter_error

RANGE_MS_MAX: Final = 400 * 86_400_000
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
            raise UnfitError(*NO_CURSOR)
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
    start: Time = Field(default=None, description="As for /api/v1/series/query.")
    end: Time = Field(default=None, description="As for /api/v1/series/query.")
    cursor: Cursor = None
    limit: int = Field(default=200, ge=1, le=1_000, description="Observations in one Bundle.")


def check_range(start_ms: int, end_ms: int) -> None:
    """Raises ProblemError for a range of more than `RANGE_MS_MAX`."""
    if end_ms - start_ms > RANGE_MS_MAX:
        raise parameter_error(
            "start",
            Text("比 end 早了 400 天以上", "lies more than 400 days before end"),
            Text("请缩短时间范围。", "Ask for a shorter range."),
        )


def next_url(request: Request, cursor: object, **settled: int) -> str:
    """The address of the page that begins at `cursor`. settled: parameters that were left to the server, as
    they are for all pages: the time goes on meanwhile.
    """
    return str(request.url.include_query_params(cursor=str(cursor), **settled))
