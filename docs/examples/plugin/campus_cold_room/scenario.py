"""A scenario: a classroom that is too cold, told once a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, Final

from pydantic import Field

from collector.scenarios.contract import Finding, Rules
from collector.scenarios.kinds import AlertKind
from collector.scenarios.plugin import ScenarioPlugin
from collector.text import Text
from foundation.tomlfile import StrictModel
from telemetry.batch import Body
from telemetry.limits import Limits
from telemetry.quality import Quality

CHINA: Final = timezone(timedelta(hours=8))
KIND: Final = AlertKind(
    "cold_room.too_cold",
    Text("教室过冷", "Cold classroom"),
    "Cel",
    "room",
    advice=Text("请检查门窗和暖气", "Look at windows and heating"),
)


class ColdRoomSettings(StrictModel):
    """The table ``[plugin.cold_room]``. limit_c: the school's own; 16 °C is only an example."""

    limit_c: Annotated[float, Field(ge=0, le=30)] = 16.0


class ColdRoomRule:
    """Asked about the readings of every batch. It remembers nothing: that an alert is raised once a day, its
    cause says.
    """

    def __init__(self, limit_c: float) -> None:
        self._limit_c = limit_c

    def findings(self, body: Body) -> Iterator[Finding]:
        at = 0
        for key, count in zip(body.series, body.counts, strict=True):
            rows = range(at, at + count)
            at += count
            if key.quantity != "temperature":
                continue
            for row in rows:
                if body.value[row] < self._limit_c and body.quality[row] == Quality.GOOD:
                    day = datetime.fromtimestamp(body.time_ms[row] / 1_000, UTC).astimezone(CHINA).date()
                    yield Finding(
                        kind=KIND.name,
                        cause=f"{key.device}:{day}",
                        device=key.device,
                        place=key.place,
                        at_ms=body.time_ms[row],
                        value=body.value[row],
                        unit=KIND.unit,
                        limit=self._limit_c,
                    )
                    break


def _make(settings: Any, limits: Limits) -> Rules:
    del limits  # of body temperatures; this rule has its own
    return Rules(readings=[ColdRoomRule(settings.limit_c)])


PLUGIN = ScenarioPlugin(api=1, kinds=(KIND,), make=_make, settings=ColdRoomSettings)
