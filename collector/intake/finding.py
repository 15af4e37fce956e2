"""Asks the rules about batches; what they find, as rows of alerts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import structlog

from collector.intake.metrics import LineMetrics
from collector.intake.opening import Opened
from collector.scenarios import EventRule, Finding, ReadingRule, Rules
from foundation.logs import FirstOnly

AGE_MS_MAX: Final = 3_600_000
"""Older readings, of a gateway that was away, raise nothing: what they tell of is over."""

log = structlog.get_logger()

Row = dict[str, Any]


class Finder:
    """Every rule by itself: what one raises costs neither the batch nor the other rules."""

    def __init__(self, rules: Rules, metrics: LineMetrics) -> None:
        self._rules = rules
        self._metrics = metrics
        self._reported = FirstOnly()

    @property
    def reads(self) -> bool:
        """Whether any rule asks for readings."""
        return bool(self._rules.readings)

    def in_events(self, batches: Iterable[Opened], now_ms: int) -> list[Row]:
        """What event rules find; the cause begins with the batch."""
        return [
            _row(batch, finding, "/".join(map(str, (*batch.key, batch.header.sequence))), now_ms)
            for batch in batches
            for rule in self._rules.events
            for finding in self._ask(rule, batch)
        ]

    def in_readings(self, batches: Iterable[Opened], now_ms: int, due_ms: int) -> list[Row]:
        """What reading rules find; the cause begins with the gateway. Of one cause the first. due_ms: the time
        by which readings are too old.
        """
        found: dict[str, Row] = {}
        for batch in batches:
            for rule in self._rules.readings if batch.header.readings else ():
                findings = self._ask(rule, batch)
                fresh = [one for one in findings if one.at_ms >= due_ms - AGE_MS_MAX]
                self._metrics.findings_too_old.inc(len(findings) - len(fresh))
                cause = f"{batch.key.school}/{batch.key.gateway}"
                for finding in fresh:
                    row = _row(batch, finding, cause, now_ms)
                    found.setdefault(row["cause"], row)
        return list(found.values())

    def _ask(self, rule: EventRule | ReadingRule, batch: Opened) -> Sequence[Finding]:
        try:
            return list(rule.findings(batch.body))
        except Exception as error:  # noqa: BLE001  # a faulty rule must not cost the record, or other rules
            name = getattr(rule, "name", type(rule).__name__)
            self._metrics.rule_failures.labels(name).inc()
            if self._reported.first(name):
                log.error("rule failed, its alerts are missing", rule=name, error=type(error).__name__)
            return ()


def _row(batch: Opened, finding: Finding, before: str, now_ms: int) -> Row:
    return {
        **finding._asdict(),
        "cause": f"{before}/{finding.kind}/{finding.cause}",
        "state": "open",
        "school": batch.key.school,
        "gateway": batch.key.gateway,
        "opened_ms": now_ms,
    }
