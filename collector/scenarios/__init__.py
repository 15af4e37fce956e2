"""Scenarios: what records and readings mean for a school. One module a scenario."""

from collector.scenarios.contract import EventRule, Finding, ReadingRule, Rules
from collector.scenarios.health import FeverRule
from collector.scenarios.safety import SafetyRule
from telemetry.limits import Limits

__all__ = ["EventRule", "Finding", "ReadingRule", "Rules", "event_rules"]


def event_rules(limits: Limits) -> list[EventRule]:
    """Every event rule there is, in the order in which they are asked."""
    return [FeverRule(limits), SafetyRule()]
