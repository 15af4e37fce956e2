"""Typed records about a person, each under a purpose-bound pseudonym.

The set is closed: a record type that is not registered here, or a field that its type does not
have, is refused. No type has a free-text or an image field.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

import msgspec

Site = Literal["forehead", "ear", "axillary"]
"""Where a body temperature was taken."""
Symptom = Literal[
    "fever", "cough", "headache", "sore_throat", "parotid_swelling", "abdominal_pain", "diarrhoea",
    "vomiting", "rash", "dizziness", "fatigue", "red_eyes",
]  # fmt: skip
"""The symptoms of a morning check; the list is that of WS/T 772-2020 (secondary copy seen)."""

SITES: Final[tuple[str, ...]] = get_args(Site)
SYMPTOMS: Final[tuple[str, ...]] = get_args(Symptom)


class MorningCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="morning_check"):
    """One pupil at one morning-check station.

    time_ms: when, ms UTC. device, place: the station. site, temperature_c: the body temperature in
    °C and where it was taken. ambient_c: air temperature at the station in °C, if it says.
    pseudonym: the pupil's pseudonym for the purpose "health", or None for an unknown card.
    class_id: the pupil's class, or None likewise.
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


Record = MorningCheck
"""Every record type there is; becomes a union as types are added."""


class RecordType(NamedTuple):
    """What a record type is for and how long it may be kept.

    `assessment` names the entry in the school's personal-information impact assessment.
    """

    type: type[Record]
    purpose: str
    assessment: str
    retention_days: int


RECORD_TYPES: Final[dict[str, RecordType]] = {
    # 7 days: "raw thermometer readings after ≤7 d", rule 10 of our privacy rules
    "morning_check": RecordType(MorningCheck, "health", "PIA-2026-01", 7),
}
