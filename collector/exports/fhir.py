"""Measurements of pupils as a Bundle of FHIR R5 Observations (hl7.org/fhir/R5), for a clinic or a registry.

Codes are LOINC's, 8310-5 body temperature and 8867-4 heart rate, units UCUM's. The subject is a
pseudonym of one purpose. A Provenance says who exported under which role, and that the guardians' consent was
confirmed by the vault, and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from collector.times import iso
from telemetry.records import WINDOW_S

MEDIA_TYPE: Final = "application/fhir+json; fhirVersion=5.0"
_LOINC: Final = "http://loinc.org"
_UCUM: Final = "http://unitsofmeasure.org"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_RESTRICTED: Final = {"security": [{"system": _CONFIDENTIALITY, "code": "R", "display": "restricted"}]}
_SITES: Final = {"forehead": "forehead", "ear": "ear", "axillary": "axilla"}

Row = Mapping[str, Any]


class Exporter(NamedTuple):
    """Who exports: the account and its role. consent_ms: when the vault last confirmed who has agreed."""

    name: str
    role: str
    at_ms: int
    consent_ms: int


def temperature(row: Row) -> dict[str, Any]:
    """A row of `morning_checks` as an Observation."""
    return _observation("morning_check", row, "health", "8310-5", "Body temperature") | {
        "effectiveDateTime": iso(row["time_ms"]),
        "valueQuantity": _quantity(row["temperature_c"], "°C", "Cel"),
        "bodySite": {"text": _SITES.get(row["site"], row["site"])},
    }


def heart_rate(row: Row) -> dict[str, Any]:
    """A row of `heart_rate_windows` as an Observation of its mean, with the lowest and the highest value."""
    return _observation("heart_rate_window", row, "sport", "8867-4", "Heart rate") | {
        "effectivePeriod": {"start": iso(row["time_ms"]), "end": iso(row["time_ms"] + WINDOW_S * 1_000)},
        "valueQuantity": _quantity(row["mean_bpm"], "beats/minute", "/min"),
        "component": [
            {
                "code": {"text": f"{word} in the window"},
                "valueQuantity": _quantity(row[name], "beats/minute", "/min"),
            }
            for word, name in (("lowest", "min_bpm"), ("highest", "max_bpm"))
        ],
    }


def bundle(
    observations: Sequence[dict[str, Any]], exporter: Exporter, own_url: str, next_url: str | None
) -> dict[str, Any]:
    """A Bundle of the type collection; `next_url` leads to the next page."""
    entries = [{"fullUrl": _url(one), "resource": one} for one in observations]
    if entries:
        entries.append(_provenance(entries, exporter))
    links = [{"relation": "self", "url": own_url}]
    if next_url is not None:
        links.append({"relation": "next", "url": next_url})
    return {
        "resourceType": "Bundle",
        "meta": _RESTRICTED,
        "type": "collection",
        "timestamp": iso(exporter.at_ms),
        "link": links,
        "entry": entries,
    }


def _observation(kind: str, row: Row, purpose: str, code: str, words: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": str(uuid5(NAMESPACE_URL, f"urn:campus-pulse:{row['school']}:{kind}:{row['id']}")),
        "meta": _RESTRICTED,
        "status": "final",
        "category": [
            {"coding": [{"system": _CATEGORY, "code": "vital-signs", "display": "Vital Signs"}]},
        ],
        "code": {"coding": [{"system": _LOINC, "code": code, "display": words}], "text": words},
        "subject": {
            "type": "Patient",
            "identifier": {
                "system": f"urn:campus-pulse:{row['school']}:pseudonym:{purpose}",
                "value": row["pseudonym"],
            },
        },
    }


def _quantity(value: float, unit: str, code: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": _UCUM, "code": code}


def _url(resource: Mapping[str, Any]) -> str:
    return f"urn:uuid:{resource['id']}"


def _provenance(entries: Sequence[Mapping[str, Any]], exporter: Exporter) -> dict[str, Any]:
    id_ = str(uuid5(NAMESPACE_URL, f"urn:campus-pulse:export:{exporter.name}:{exporter.at_ms}"))
    consent = (
        "consent of guardian or pupil for this purpose, as the school's vault confirmed at "
        f"{iso(exporter.consent_ms)}"
    )
    resource = {
        "resourceType": "Provenance",
        "id": id_,
        "target": [{"reference": one["fullUrl"]} for one in entries],
        "recorded": iso(exporter.at_ms),
        "authorization": [{"concept": {"text": consent}}],
        "agent": [
            {
                "type": {"coding": [{"system": _PARTICIPANT, "code": "assembler", "display": "Assembler"}]},
                "role": [{"text": exporter.role}],
                "who": {"display": exporter.name},
            }
        ],
    }
    return {"fullUrl": f"urn:uuid:{id_}", "resource": resource}
