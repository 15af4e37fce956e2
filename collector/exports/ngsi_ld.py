"""The latest values of rooms as NGSI-LD entities (ETSI GS CIM 009) of the smart data model
IndoorEnvironmentObserved.

An entity a place. Where several devices measure the same in a place, each is an instance of the attribute
with a data set of its own. Units are codes of UN/CEFACT Recommendation 20; the model would have CO₂ in
mg/L by default, we say ppm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from collector.series.contract import SeriesInfo
from collector.times import iso
from telemetry.quality import PACKED_NAMES
from telemetry.quantities import QUANTITIES

MEDIA_TYPE: Final = "application/ld+json"
TYPE: Final = "IndoorEnvironmentObserved"
CONTEXT: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
"""Of the standard; a name for whoever reads the entities, never fetched by us."""

_NAMES: Final = {"pm2_5": "pm25", "pressure": "atmosphericPressure", "people_count": "peopleCount"}
"""Where the model's name is not ours in another spelling."""
_UNIT_CODES: Final = {
    "Cel": "CEL", "%": "P1", "ppm": "59", "ppb": "61", "ug/m3": "GQ", "mg/m3": "GP", "hPa": "A97", "lx": "LUX",
    "dB": "2N", "m/s": "MTS", "deg": "DD", "mm": "MMT", "kg": "KGM", "L": "LTR", "m3": "MTQ", "m3/h": "MQH",
    "W": "WTT", "VA": "D46", "var": "D44", "V": "VLT", "A": "AMP", "Hz": "HTZ", "kWh": "KWH", "1": "C62",
}  # fmt: skip


def entities(
    found: Iterable[SeriesInfo], place_names: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """One entity a school and place, in the order in which they come. place_names: by place, its name by
    language.
    """
    made: dict[str, dict[str, Any]] = {}
    latest_ms: dict[str, int] = {}
    for series in found:
        id_ = f"urn:ngsi-ld:{TYPE}:{series.school}:{quote(series.place, safe='')}"
        entity = made.get(id_)
        if entity is None:
            entity = made[id_] = {"@context": CONTEXT, "id": id_, "type": TYPE}
            if names := place_names.get(series.place):
                entity["name"] = {"type": "LanguageProperty", "languageMap": dict(names)}
        entity.setdefault(attribute(series.quantity), []).append(_instance(series))
        latest_ms[id_] = max(latest_ms.get(id_, 0), series.latest.time_ms)
    for id_, entity in made.items():
        for name, instances in entity.items():
            if isinstance(instances, list) and len(instances) == 1:
                entity[name] = instances[0]
        observed = {"@type": "DateTime", "@value": iso(latest_ms[id_])}
        entity["dateObserved"] = {"type": "Property", "value": observed}
    return list(made.values())


def attribute(quantity: str) -> str:
    """The attribute's name: ``relative_humidity`` is ``relativeHumidity``."""
    if quantity in _NAMES:
        return _NAMES[quantity]
    first, *others = quantity.split("_")
    return first + "".join(one.capitalize() for one in others)


def _instance(series: SeriesInfo) -> dict[str, Any]:
    row, point = QUANTITIES.get(series.quantity), series.latest
    quality, clock = PACKED_NAMES[point.quality]
    is_bool = row is not None and row.is_bool
    instance: dict[str, Any] = {
        "type": "Property",
        "value": bool(point.value) if is_bool else point.value,
        "observedAt": iso(point.time_ms),
        "datasetId": f"urn:ngsi-ld:Dataset:{series.school}:{series.gateway}:{quote(series.device, safe='')}",
        "quality": {"type": "Property", "value": quality},
        "clock": {"type": "Property", "value": clock},
    }
    code = None if row is None or is_bool else _UNIT_CODES.get(row.unit)
    if code is not None:
        instance["unitCode"] = code
    return instance
