"""Morning checks."""

from __future__ import annotations

from msgspec.structs import replace

from device_profiles.observations import CheckObservation
from edge_agent.gate.admission import Admission
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
        rule = self._rule
        record = MorningCheck(
            time_ms=time_to_step(observation.time_ms, rule.time_s),
            device=device_with(observation.device, rule.place),
            place=generalise(observation.place, rule.place),
            site=observation.site,
            temperature_c=observation.temperature_c,
            ambient_c=observation.ambient_c,
            symptoms=observation.symptoms,
        )
        fever = find_fever(record, self._limits)
        rounded_c = to_step(record.temperature_c, rule.temperature_c)
        if rounded_c != record.temperature_c:
            rounded = replace(record, temperature_c=rounded_c)
            if find_fever(rounded, self._limits) == fever:
                record = rounded
        passed = self._admission.admit(observation.credential, observation.time_ms, fever=fever is not None)
        if isinstance(passed, str):
            return passed
        return replace(record, pseudonym=passed.pseudonym, class_id=passed.class_id), fever is not None
