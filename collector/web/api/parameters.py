"""Query parameters: times, steps, cursors. What cannot be read is a ValueError that says why."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from collector.series.contract import Aggregate
from collector.text import Text
from collector.web.api.resolution import AUTO, POINTS_WANTED
from collector.web.problem_words import UnfitError

ID_MAX: Final = 2**63 - 1
SERIES_MAX: Final = 200
"""Series in one query."""
_TIME_MS_MAX: Final = 253_402_300_800_000
"""The year 10000."""
_STEP: Final = re.compile(r"(\d{1,9})(ms|s|m|h|d)", re.ASCII)
_STEP_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
NO_CURSOR: Final = Text(
    "不是本服务器给出的 cursor；第一页请不写",
    "not a cursor that this server has given; leave it out for the first page",
)
_CURSOR: Final = re.compile(r"\d{1,16}", re.ASCII)
_MILLISECONDS: Final = re.compile(r"\d{1,15}", re.ASCII)


def parse_time(text: str) -> int:
    """Milliseconds since 1970 UTC from ISO 8601 with a zone, or from milliseconds."""
    if _MILLISECONDS.fullmatch(text):
        time_ms = int(text)
    else:
        # A plus sign that was not percent-encoded arrives as a space.
        try:
            moment = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text))
        except ValueError:
            raise UnfitError(
                "应为带时区的 ISO 8601 时间，或 1970 年起的毫秒数",
                "not an ISO 8601 time with zone, nor milliseconds since 1970 UTC",
            ) from None
        if moment.tzinfo is None:
            raise UnfitError("时间没有时区，请加上 Z 或 +08:00", "the time lacks its zone; add Z or +08:00")
        try:
            time_ms = round(moment.timestamp() * 1_000)
        except OverflowError:
            time_ms = -1
    if not 0 <= time_ms < _TIME_MS_MAX:
        raise UnfitError("时间应在 1970 年至 9999 年之间", "the time is not between the years 1970 and 9999")
    return time_ms


def parse_step(text: str) -> int | None:
    """Milliseconds, or None for "none"."""
    if text == "none":
        return None
    match = _STEP.fullmatch(text)
    step_ms = int(match[1]) * _STEP_MS[match[2]] if match else 0
    if not 1_000 <= step_ms <= 366 * 86_400_000:
        raise UnfitError(
            "应为 none，或带 s、m、h、d 的数，从 1s 到 366d，如 5m",
            "a step is none, or a number with s, m, h or d from 1s to 366d, such as 5m",
        )
    return step_ms


def _check_time(text: str) -> str:
    parse_time(text)
    return text


def _check_step(text: str) -> str:
    if text != AUTO:
        parse_step(text)
    return text


def _parse_cursor(text: object) -> object:
    if isinstance(text, str) and not (_CURSOR.fullmatch(text) and int(text) > 0):
        raise UnfitError(*NO_CURSOR)
    return text


Cursor = Annotated[
    str | None,
    BeforeValidator(_parse_cursor),
    Field(description="`next_cursor` of the page before; leave it out for the first."),
]
_Filter = Annotated[str | None, Field(max_length=256)]
Time = Annotated[
    str | None, Field(max_length=64), AfterValidator(lambda v: v if v is None else _check_time(v))
]


class SeriesFilter(BaseModel):
    """Which series."""

    model_config = ConfigDict(extra="forbid")

    quantity: _Filter = Field(default=None, description="Name of a quantity.", examples=["co2"])
    device: _Filter = Field(default=None, description="Id of a device.", examples=["air-301"])
    place: _Filter = Field(
        default=None,
        description="A place exactly, or with a slash at its end everything below it.",
        examples=["teaching-1/301", "teaching-1/"],
    )
    gateway: _Filter = Field(default=None, description="Id of a gateway.", examples=["gw-north"])
    school: _Filter = Field(default=None, description="Id of a school.", examples=["example-primary"])

    @property
    def is_empty(self) -> bool:
        return (self.quantity, self.device, self.place, self.gateway, self.school) == (None,) * 5


class SeriesParameters(SeriesFilter):
    """Parameters of /api/v1/series."""

    cursor: Cursor = None
    limit: int = Field(default=100, ge=1, le=1_000, description="Series on one page.")


class QueryParameters(SeriesFilter):
    """Parameters of /api/v1/series/query."""

    id: list[Annotated[int, Field(ge=1, le=ID_MAX)]] = Field(
        default=[],
        max_length=SERIES_MAX,
        description="Id of a series; may be repeated. Without it the filters choose.",
        examples=[[7]],
    )
    start: Time = Field(
        default=None,
        description="First time included: ISO 8601 with zone, or ms since 1970 UTC. Default: 24 h before `end`.",
        examples=["2026-09-01T08:00:00+08:00"],
    )
    end: Time = Field(
        default=None,
        description="First time no longer included, written likewise. Default: now.",
        examples=["1788307262500"],
    )
    step: Annotated[str, Field(max_length=16), AfterValidator(_check_step)] = Field(
        default="none",
        description="Length of a window (`30s`, `5m`, `1h`, `1d`), `none` for raw points, or `auto` for "
        "whichever gives at most some `points` rows a series.",
        examples=["5m"],
    )
    points: int = Field(
        default=POINTS_WANTED,
        ge=10,
        le=POINTS_WANTED,
        description="So many rows a series are enough for `step=auto`: as many as a chart is wide.",
    )
    aggregate: Aggregate | None = Field(
        default=None, description="What to make of a window's points; `mean` unless told. Needs a step."
    )


class AlertParameters(BaseModel):
    """Parameters of /api/v1/alerts."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["open", "acknowledged"] | None = Field(
        default=None, description="Only alerts in this state."
    )
    cursor: Cursor = None
    limit: int = Field(default=50, ge=1, le=500, description="Alerts on one page.")
