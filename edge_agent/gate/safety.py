"""Calls for help and detectors that speak. They always pass; whose they are is told where it is known."""

from __future__ import annotations

from typing import cast

from edge_agent.gate.admission import ANONYMOUS, Admission
from edge_agent.gate.policy import SafetyRule
from edge_agent.gate.rounding import time_to_step
from edge_agent.identity.carriers import Carriers
from telemetry.readings import SeriesKey
from telemetry.records import Danger, SafetyEvent


class SafetyEvents:
    """Makes records of urgent readings."""

    def __init__(self, rule: SafetyRule, admission: Admission, carriers: Carriers) -> None:
        self._rule = rule
        self._admission = admission
        self._carriers = carriers

    def of_room(self, key: SeriesKey, time_ms: int) -> SafetyEvent:
        """A device that belongs to a place."""
        danger = cast(Danger, key.quantity)
        return SafetyEvent(time_to_step(time_ms, self._rule.time_s), key.place, danger, key.device)

    def of_carrier(self, key: SeriesKey, time_ms: int) -> SafetyEvent:
        """A device that somebody carries: without its name, and with the pseudonym if there is one."""
        passed = self._admission.admit(self._carriers.find(key.device), time_ms)
        pseudonym, class_id = ANONYMOUS if isinstance(passed, str) else passed
        return SafetyEvent(
            time_to_step(time_ms, self._rule.time_s),
            key.place,
            cast(Danger, key.quantity),
            None,
            pseudonym,
            class_id,
        )
