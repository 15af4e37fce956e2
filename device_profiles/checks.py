"""Reads a morning check (record ``morning-check-v1``); docs/profiles.md gives its JSON.

What would cost a fever its alarm is not refused for a detail: a card that is none gives an
anonymous check, an unknown symptom or an undocumented key is left out, and each is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from device_profiles.observations import CheckObservation
from device_profiles.times import TimeLimits, doubt_time, read_time_ms
from device_profiles.values import to_number
from telemetry.credential_map import normalise_credential
from telemetry.quantities import QUANTITIES
from telemetry.records import SITES, SYMPTOMS, Site, Symptom

if TYPE_CHECKING:
    from datetime import tzinfo

VERSION: Final = 1
KEYS: Final = frozenset({"v", "station", "card", "site", "temperature_c", "ambient_c", "symptoms", "time"})
TEMPERATURE_C: Final = (10.0, 60.0)
"""Outside it no thermometer was held against a body. Who is feverish is for the rules to say."""
CARD_CHARACTERS_MAX: Final = 64
SYMPTOMS_MAX: Final = 32
_AIR: Final = QUANTITIES["temperature"]


class CheckReader:
    """Turns a station's message into an observation; reasons for what was refused go into a list."""

    def __init__(self, device: str, place: str, zone: tzinfo, limits: TimeLimits) -> None:
        self._device = device
        self._place = place
        self._zone = zone
        self._limits = limits

    def read(
        self, payload: object, received_ms: int, refused: list[str], *, trust_device_time: bool
    ) -> CheckObservation | None:
        if not isinstance(payload, dict):
            refused.append("not_an_object")
            return None
        undocumented = sum(key not in KEYS for key in payload)
        refused += ["undocumented_field"] * undocumented
        version = payload.get("v")
        if type(version) is not int or version != VERSION:
            refused.append("unknown_version")
            return None
        site = payload.get("site")
        if not isinstance(site, str) or site not in SITES:
            refused.append("unknown_site")
            return None
        temperature_c = _number(payload.get("temperature_c"))
        if temperature_c is None:
            refused.append("no_temperature")
            return None
        if not TEMPERATURE_C[0] <= temperature_c <= TEMPERATURE_C[1]:
            refused.append("temperature_impossible")
            return None
        return CheckObservation(
            self._time_ms(payload.get("time"), received_ms, refused) if trust_device_time else received_ms,
            self._device,
            self._place,
            _credential(payload.get("card"), refused),
            cast("Site", site),
            temperature_c,
            _ambient(payload.get("ambient_c"), refused),
            _symptoms(payload.get("symptoms"), refused),
        )

    def _time_ms(self, raw: object, received_ms: int, refused: list[str]) -> int:
        if raw is None:
            return received_ms
        time_ms = read_time_ms(raw, None, self._zone)
        doubt = time_ms if isinstance(time_ms, str) else doubt_time(time_ms, received_ms, self._limits)
        if doubt is None:
            return cast("int", time_ms)
        refused.append(doubt)
        return received_ms


def _number(raw: Any) -> float | None:
    """Only JSON numbers: our own stations do not write numbers as text."""
    number = None if isinstance(raw, str) else to_number(raw)
    return number if isinstance(number, float) else None


def _credential(card: object, refused: list[str]) -> str | None:
    if card is None:
        return None
    if isinstance(card, str) and len(card) <= CARD_CHARACTERS_MAX:
        try:
            return normalise_credential(card)
        except ValueError:
            pass
    refused.append("bad_card")
    return None


def _ambient(raw: object, refused: list[str]) -> float | None:
    if raw is None:
        return None
    ambient_c = _number(raw)
    if ambient_c is not None and _AIR.low <= ambient_c <= _AIR.high:
        return ambient_c
    refused.append("bad_ambient")
    return None


def _symptoms(raw: object, refused: list[str]) -> tuple[Symptom, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or len(raw) > SYMPTOMS_MAX:
        refused.append("bad_symptoms")
        return ()
    known: dict[Symptom, None] = {}
    for symptom in raw:
        if isinstance(symptom, str) and symptom in SYMPTOMS:
            known[cast("Symptom", symptom)] = None
        else:
            refused.append("unknown_symptom")
    return tuple(known)
