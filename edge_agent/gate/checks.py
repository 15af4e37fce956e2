"""Morning checks."""

from __future__ import annotations

from msgspec.structs import replace

from device_profiles.observations import CheckObservation
from edge_agent.gate.admission import ANONYMOUS, Admission, Pass
from edge_agent.gate.policy import MorningCheckRule
from edge_agent.gate.rounding import device_with, generalise, time_to_step, to_step
from telemetry.fever import find_fever
from telemetry.limits import Limits
from telemetry.records import MorningCheck


class MorningChecks:
    """Makes records of what stations report."""

    def __init__(self, rule: MorningCheckRule, admission: Admission, limits: Limits) -> None:
        self._rule = rule
        self._admission = admission
        self._limits = limits

    def take(self, observation: CheckObservation) -> tuple[MorningCheck, bool] | str:
        """The record and whether it is a fever, or why there is none."""
        fever = find_fever(self._record(observation, observation.temperature_c, ANONYMOUS), self._limits)
        passed = self._admission.admit(observation.credential, observation.time_ms, fever=fever is not None)
        if isinstance(passed, str):
            return passed
        rounded_c = to_step(observation.temperature_c, self._rule.temperature_c)
        record = self._record(observation, rounded_c, passed)
        if find_fever(record, self._limits) != fever:
            record = replace(record, temperature_c=observation.temperature_c)
        return record, fever is not None

    def _record(self, observation: CheckObservation, temperature_c: float, passed: Pass) -> MorningCheck:
        place = self._rule.place
        return MorningCheck(
            time_to_step(observation.time_ms, self._rule.time_s),
            device_with(observation.device, place),
            generalise(observation.place, place),
            observation.site,
            temperature_c,
            observation.ambient_c,
            observation.symptoms,
            passed.pseudonym,
            passed.class_id,
        )
