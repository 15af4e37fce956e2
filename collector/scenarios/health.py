"""Health: fever at the morning check."""

from __future__ import annotations

from collections.abc import Iterator

from collector.scenarios.contract import Finding
from telemetry.batch import Body
from telemetry.fever import find_fever
from telemetry.limits import Limits
from telemetry.records import MorningCheck


class FeverRule:
    """A body temperature at or above the limit of its site, from ``telemetry/limits.toml``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def findings(self, body: Body) -> Iterator[Finding]:
        for position, check in enumerate(body.records):
            if not isinstance(check, MorningCheck):
                continue
            fever = find_fever(check, self._limits)
            if fever:
                yield Finding(
                    kind="fever",
                    cause=f"record:{position}",
                    device=check.device,
                    place=check.place,
                    at_ms=check.time_ms,
                    value=check.temperature_c,
                    unit="Cel",
                    limit=fever.limit_c,
                    pseudonym=check.pseudonym,
                    class_id=check.class_id,
                    site=check.site,
                    doubtful=fever.doubtful,
                    record_type="morning_check",
                )
