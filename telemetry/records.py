"""Typed records about a person, each under a purpose-bound pseudonym.

The set is closed: a record type that is not registered here, or a field that its type does not
have, is refused. No type has a free-text or an image field. `pseudonym` and `class_id` are None where
nobody knows the credential; times are ms UTC.
"""

from __future__ import annotations

from math import isfinite
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from telemetry.purposes import Purpose

Site = Literal["forehead", "ear", "axillary"]
"""Where a body temperature was taken."""
Symptom = Literal[
    "fever", "cough", "headache", "sore_throat", "parotid_swelling", "abdominal_pain", "diarrhoea",
    "vomiting", "rash", "dizziness", "fatigue", "red_eyes",
]  # fmt: skip
"""The symptoms of a morning check; the list is that of WS/T 772-2020 (secondary copy seen)."""
Meal = Literal["breakfast", "lunch", "dinner", "other"]
Danger = Literal["panic", "smoke", "gas_alarm", "co_alarm"]
"""What a safety event can be about: the urgent quantities of `telemetry.quantities`."""

SITES: Final[tuple[str, ...]] = get_args(Site)
SYMPTOMS: Final[tuple[str, ...]] = get_args(Symptom)
DANGERS: Final[tuple[str, ...]] = get_args(Danger)
WINDOW_S: Final = 15
"""Length of a heart-rate window."""


class MorningCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="morning_check"):
    """One pupil at one morning-check station.

    device, place: the station. site, temperature_c: the body temperature in °C and where it was taken.
    ambient_c: air temperature at the station in °C, if it says. pseudonym: for the purpose "health".
    """

    time_ms: int
    device: str
    place: str
    site: Site
    temperature_c: float
    ambient_c: float | None = None
    symptoms: tuple[Symptom, ...] = ()
    pseudonym: str | None = None
    class_id: str | None = None


class AccessEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="access_event"):
    """A card at a door. door: which of the device's doors, if it has several. Purpose "access"."""

    time_ms: int
    device: str
    place: str
    door: int | None = None
    pseudonym: str | None = None
    class_id: str | None = None


class HeartRateWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="heart_rate_window"):
    """Fifteen seconds of a PE lesson, reduced at the gateway; single beats and values never leave it.

    time_ms: when it began. place: where the lesson is, as the policy generalises it; no device, for a
    band's name would outlive its wearer's pseudonym. mean_bpm, min_bpm, max_bpm: per minute, over
    `samples` values. contact: share of them with skin contact, 0 to 1, None where the band does not say.
    above_limit_s: seconds at or above 95 % of the age's greatest heart rate, None where the age is
    unknown. Purpose "sport".
    """

    time_ms: int
    place: str
    mean_bpm: float
    min_bpm: float
    max_bpm: float
    samples: int
    contact: float | None = None
    above_limit_s: float | None = None
    pseudonym: str | None = None
    class_id: str | None = None


class MealRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="meal_record"):
    """A card at a canteen's counter. mass_g: of the portion, where a scale told it. Purpose "nutrition"."""

    time_ms: int
    device: str
    place: str
    meal: Meal
    mass_g: float | None = None
    pseudonym: str | None = None
    class_id: str | None = None


class SafetyEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="safety_event"):
    """A detector or a button that calls for help. device: None for one that somebody carries, whose
    pseudonym for the purpose "safety" it then bears.
    """

    time_ms: int
    place: str
    danger: Danger
    device: str | None = None
    pseudonym: str | None = None
    class_id: str | None = None


Record = MorningCheck | AccessEvent | HeartRateWindow | MealRecord | SafetyEvent
"""Every record type there is."""


class RecordType(NamedTuple):
    """What a record type is for and how long it may be kept.

    `assessment` names the entry in the school's personal-information impact assessment.
    """

    type: type[Record]
    purpose: Purpose
    assessment: str
    retention_days: int


RECORD_TYPES: Final[dict[str, RecordType]] = {
    # 7 and 30 days: "raw heart rate deleted after ≤30 d, raw thermometer readings after ≤7 d", rule 10
    # of our privacy rules. The others are our own choice: a term's meals, half a year of emergencies.
    "morning_check": RecordType(MorningCheck, "health", "PIA-2026-01", 7),
    "access_event": RecordType(AccessEvent, "access", "PIA-2026-02", 30),
    "heart_rate_window": RecordType(HeartRateWindow, "sport", "PIA-2026-03", 30),
    "meal_record": RecordType(MealRecord, "nutrition", "PIA-2026-04", 120),
    "safety_event": RecordType(SafetyEvent, "safety", "PIA-2026-05", 180),
}


def name_of(record: Record) -> str:
    """The record's type, as `RECORD_TYPES` names it."""
    name = record.__struct_config__.tag
    assert isinstance(name, str)
    return name


def is_finite(record: Record) -> bool:
    """Whether every number in it is one."""
    return all(isfinite(value) for value in msgspec.structs.astuple(record) if isinstance(value, float))
