"""The policy: which records about people may be made, when, and how exactly. What it does not name
does not pass.

`policy.toml` beside this module is the one in force unless a school names its own. The types below
are the law of the house: a file that asks for more than they allow is refused whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from foundation.tomlfile import FileProblems, Problem, StrictModel, find_line, parse
from foundation.tomllines import Location
from telemetry.quantities import QUANTITIES, Lane
from telemetry.records import Meal

MARGIN_MIN_MAX: Final = 5
"""Minutes around a PE lesson in which a heart rate is still of it: rule 8 of our privacy rules."""
TIME_S_MAX: Final = 3_600

HOLDERS: Final = {
    "body_temperature": "morning_check",
    "heart_rate": "heart_rate_window",
    "skin_contact": "heart_rate_window",
}
"""Which record has a place for what is measured at a body."""

Window = Literal["always", "school_day", "pe_lesson"]
Unknown = Literal["drop", "anonymous", "anonymous_if_fever"]
ServedMeal = Literal["breakfast", "lunch", "dinner"]
Granularity = Literal["place", "building", "none"]


class RecordRule(StrictModel):
    """What the rules of all record types have in common.

    window, margin_min: when such a record may be made. unknown: what becomes of it where nobody knows
    the credential; map_unusable: where there is no map to ask. place: how exactly the place is told.
    time_s: step that times are rounded down to, in seconds; 0: as they are.
    """

    purpose: str
    window: Window
    margin_min: Annotated[float, Field(ge=0, le=240)] = 0
    unknown: Unknown
    map_unusable: Unknown
    place: Granularity
    time_s: Annotated[int, Field(ge=0, le=TIME_S_MAX)] = 0

    @property
    def margin_ms(self) -> int:
        return round(self.margin_min * 60_000)


class MorningCheckRule(RecordRule):
    """temperature_c: step in °C; a coarser one than that of the limits could hide a fever."""

    purpose: Literal["health"]
    unknown: Literal["drop", "anonymous_if_fever"]
    map_unusable: Literal["drop", "anonymous_if_fever"]
    temperature_c: Annotated[float, Field(ge=0, le=0.1)] = 0


class AccessRule(RecordRule):
    purpose: Literal["access"]
    unknown: Literal["drop", "anonymous"]
    map_unusable: Literal["drop"]


class HeartRateRule(RecordRule):
    """bpm: step per minute. Without a class there is no lesson: nothing passes anonymously."""

    purpose: Literal["sport"]
    window: Literal["pe_lesson"]
    margin_min: Annotated[float, Field(ge=0, le=MARGIN_MIN_MAX)] = 0
    unknown: Literal["drop"]
    map_unusable: Literal["drop"]
    bpm: Annotated[float, Field(ge=0, le=20)] = 0


class MealRule(RecordRule):
    """mass_g: step in g. scale_s: for how many seconds a weight at the same place is the portion's."""

    purpose: Literal["nutrition"]
    unknown: Literal["drop", "anonymous"]
    map_unusable: Literal["drop"]
    mass_g: Annotated[float, Field(ge=0, le=500)] = 0
    scale_s: Annotated[float, Field(ge=0, le=120)] = 0


class SafetyRule(RecordRule):
    """A call for help always passes, and tells where; without a person if need be."""

    purpose: Literal["safety"]
    window: Literal["always"]
    unknown: Literal["anonymous"]
    map_unusable: Literal["anonymous"]
    place: Literal["place"]
    time_s: Annotated[int, Field(ge=0, le=1)] = 0


class RecordRules(StrictModel):
    """One rule a record type; without one, no such record is made."""

    morning_check: MorningCheckRule | None = None
    access_event: AccessRule | None = None
    heart_rate_window: HeartRateRule | None = None
    meal_record: MealRule | None = None
    safety_event: SafetyRule


class MealTime(StrictModel):
    """Local times; `to` is not included."""

    from_: Annotated[time, Field(alias="from")]
    to: time


def _known_quantity(name: str) -> str:
    quantity = QUANTITIES.get(name)
    if quantity is None or quantity.lane is not Lane.PERSONAL:
        raise ValueError("is not a quantity measured at a body; the policy is about people alone")
    if name not in HOLDERS:
        raise ValueError("has a place in no record; leave it out: it is then dropped and counted")
    return name


class _PolicyFile(StrictModel):
    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]
    records: RecordRules
    quantities: dict[Annotated[str, AfterValidator(_known_quantity)], str] = Field(default_factory=dict)
    meals: dict[ServedMeal, MealTime] = Field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """A policy in force. version: its name and a checksum of its text, told with every batch.

    quantities: the record that what is measured at a body goes into.
    """

    version: str
    records: RecordRules
    quantities: Mapping[str, str]
    meals: Mapping[ServedMeal, MealTime]

    def meal_at(self, local: time) -> Meal:
        for meal, when in self.meals.items():
            if when.from_ <= local < when.to:
                return meal
        return "other"


def load_policy(path: Path | None = None) -> Policy:
    """The policy in a file, or the bundled one. Raises FileProblems."""
    if path is None:
        return parse_policy(files("edge_agent.gate").joinpath("policy.toml").read_bytes(), "policy.toml")
    try:
        return parse_policy(path.read_bytes(), str(path))
    except OSError as error:
        raise FileProblems([Problem(str(path), f"cannot be read: {error.strerror}")]) from error


def parse_policy(data: bytes, name: str) -> Policy:
    """`name` stands for the file in errors. Raises FileProblems."""
    found = parse(data, _PolicyFile, name)
    text = data.decode("utf-8-sig")
    if problems := [
        Problem(f"{name}:{find_line(text, place)}", message) for place, message in _contradictions(found)
    ]:
        raise FileProblems(problems)
    # Of the policy's text, which names nobody.
    version = f"{found.version}+{zlib.crc32(data):08x}"
    return Policy(version, found.records, dict(found.quantities), dict(found.meals))


def _contradictions(policy: _PolicyFile) -> Iterator[tuple[Location, str]]:
    yield from _homeless(policy)
    for name in RecordRules.model_fields:
        rule: RecordRule | None = getattr(policy.records, name)
        if rule is not None and rule.window == "pe_lesson" and rule.unknown == "anonymous":
            yield (
                ("records", name, "unknown"),
                f'records.{name}.unknown must be "drop" in a PE lesson, for nobody knows whose lesson it is',
            )
    times = sorted(policy.meals.items(), key=lambda item: item[1].from_)
    for meal, when in times:
        if when.from_ >= when.to:
            yield ("meals", meal), f"meals.{meal} ends before it begins; write the earlier time first"
    for (earlier, first), (later, second) in pairwise(times):
        if second.from_ < first.to:
            yield ("meals", later), f"meals.{later} begins before {earlier} is over; change one of them"


def _homeless(policy: _PolicyFile) -> Iterator[tuple[Location, str]]:
    """Quantities without their record, records without their quantity."""
    for name, record in policy.quantities.items():
        place = ("quantities", name)
        if record != HOLDERS[name]:
            yield place, f"quantities.{name} goes into {HOLDERS[name]!r} or, left out, into nothing"
        elif getattr(policy.records, record) is None:
            yield place, f"quantities.{name} goes into a record without a rule; add [records.{record}]"
    for record, needed in (("morning_check", "body_temperature"), ("heart_rate_window", "heart_rate")):
        if getattr(policy.records, record) is not None and needed not in policy.quantities:
            yield ("records", record), f'records.{record} needs {needed} = "{record}" in [quantities]'
