"""Cards held to readers: somebody comes or goes, or takes a meal."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import Final
from zoneinfo import ZoneInfo

from device_profiles.observations import TapObservation
from edge_agent.gate.admission import Admission
from edge_agent.gate.policy import AccessRule, MealRule, Policy
from edge_agent.gate.rounding import device_with, generalise, time_to_step, to_step
from telemetry.records import AccessEvent, MealRecord

SCALES_MAX: Final = 256
_G_PER_KG: Final = 1_000


class Access:
    """Makes records of cards at doors."""

    def __init__(self, rule: AccessRule, admission: Admission) -> None:
        self._rule = rule
        self._admission = admission

    def take(self, observation: TapObservation) -> AccessEvent | str:
        """The record, or why there is none."""
        passed = self._admission.admit(observation.credential, observation.time_ms)
        if isinstance(passed, str):
            return passed
        rule = self._rule
        return AccessEvent(
            time_to_step(observation.time_ms, rule.time_s),
            device_with(observation.device, rule.place),
            generalise(observation.place, rule.place),
            observation.door if rule.place == "place" else None,
            passed.pseudonym,
            passed.class_id,
        )


class Meals:
    """Makes records of cards at a canteen's counters, with the weight that a scale there told last.

    The tray stands on the scale when the card is held to the reader; a weight is one meal's only.
    """

    def __init__(self, policy: Policy, rule: MealRule, admission: Admission, zone: ZoneInfo) -> None:
        self._policy = policy
        self._rule = rule
        self._admission = admission
        self._zone = zone
        self._weighed: dict[str, tuple[int, float]] = {}
        """By place: when, ms UTC, and how much, kg."""

    @property
    def needs_scales(self) -> bool:
        return self._rule.scale_s > 0

    def weigh(self, place: str, time_ms: int, mass_kg: float) -> None:
        """What a scale says; an empty one forgets what stood on it."""
        if not 0 < mass_kg < inf:
            self._weighed.pop(place, None)
        elif place in self._weighed or len(self._weighed) < SCALES_MAX:
            self._weighed[place] = (time_ms, mass_kg)

    def take(self, observation: TapObservation) -> MealRecord | str:
        """The record, or why there is none."""
        passed = self._admission.admit(observation.credential, observation.time_ms)
        # Also where no record is made: the weight is not the next one's.
        mass_g = self._portion_g(observation.place, observation.time_ms)
        if isinstance(passed, str):
            return passed
        rule = self._rule
        local = datetime.fromtimestamp(observation.time_ms / 1_000, self._zone).time()
        return MealRecord(
            time_to_step(observation.time_ms, rule.time_s),
            device_with(observation.device, rule.place),
            generalise(observation.place, rule.place),
            self._policy.meal_at(local),
            mass_g,
            passed.pseudonym,
            passed.class_id,
        )

    def _portion_g(self, place: str, time_ms: int) -> float | None:
        found = self._weighed.pop(place, None)
        if found is None or abs(time_ms - found[0]) > self._rule.scale_s * 1_000:
            return None
        return to_step(found[1] * _G_PER_KG, self._rule.mass_g)
