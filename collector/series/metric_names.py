"""How a series is called in a server that others query too: Prometheus' conventions.

A metric is `environment_` + quantity + unit; the labels say where: school, gateway, building, room,
device, model. docs/metrics.md lists them, written by `collector.series.metrics_page`. Only quantities
of the ambient lane have a name here: what is measured at a body never becomes a metric.
"""

from __future__ import annotations

from typing import Final

from collector.series.memory_index import Origin, SeriesName
from telemetry.quantities import QUANTITIES, Lane, Quantity
from telemetry.readings import SeriesKey

PREFIX: Final = "environment_"
LABELS: Final = ("school", "gateway", "building", "room", "device", "model")
QUALITY: Final = "_reading_quality"
CLOCK: Final = "_clock_quality"
HIGH: Final = "_bits_high"
LOW: Final = "_bits_low"
SUFFIXES: Final = (QUALITY, CLOCK, HIGH, LOW)
"""Companions of a metric: value and clock quality where they are not 0, and the halves of a number that
the server could not keep beside ordinary ones.
"""
UNIT_SUFFIXES: Final = {
    "1": "",
    "%": "percent",
    "A": "amperes",
    "Cel": "celsius",
    "Hz": "hertz",
    "L": "liters",
    "V": "volts",
    "V.A": "volt_amperes",
    "V.A{reactive}": "volt_amperes_reactive",
    "W": "watts",
    "[ppb]": "ppb",
    "[ppm]": "ppm",
    "dB": "decibels",
    "dB[SPL]": "decibels_spl",
    "dB{mW}": "decibel_milliwatts",
    "deg": "degrees",
    "hPa": "hectopascals",
    "kW.h": "kilowatt_hours",
    "kg": "kilograms",
    "lx": "lux",
    "m/s": "meters_per_second",
    "m3": "cubic_meters",
    "m3/h": "cubic_meters_per_hour",
    "mg/m3": "milligrams_per_cubic_meter",
    "mm": "millimeters",
    "uS/cm": "microsiemens_per_centimeter",
    "ug/m3": "micrograms_per_cubic_meter",
    "um": "micrometers",
}
"""By UCUM code; values are stored as they are measured, so the unit is named, not converted."""


class UnnamedQuantityError(ValueError):
    """The quantity has no metric: it is unknown, or of the personal lane."""


def _metric(quantity: Quantity) -> str:
    unit = UNIT_SUFFIXES[quantity.ucum]
    name = PREFIX + quantity.name
    return name if not unit or name.endswith(f"_{unit}") else f"{name}_{unit}"


METRICS: Final = {name: _metric(row) for name, row in QUANTITIES.items() if row.lane is Lane.AMBIENT}
"""Metric by quantity."""
_QUANTITIES: Final = {metric: name for name, metric in METRICS.items()}


def metric_of(quantity: str) -> str:
    """Raises UnnamedQuantityError."""
    try:
        return METRICS[quantity]
    except KeyError:
        raise UnnamedQuantityError("a quantity that is not registered for rooms and machines") from None


def split_suffix(metric: str) -> tuple[str, str]:
    """A metric, and which companion of it this is ("" for the values themselves)."""
    for suffix in SUFFIXES:
        if metric.endswith(suffix):
            return metric.removesuffix(suffix), suffix
    return metric, ""


def labels_of(name: SeriesName) -> dict[str, str]:
    """The labels that are not empty. "building/room" is split where both halves are there, else it is
    the building.
    """
    origin, key = name
    building, _, room = key.place.partition("/")
    if not building or not room:
        building, room = key.place, ""
    texts = (origin.school, origin.gateway, building, room, key.device, key.model)
    return {label: _encode(text) for label, text in zip(LABELS, texts, strict=True) if text}


def name_of(metric: str, labels: dict[str, str]) -> SeriesName | None:
    """The inverse; None for a metric that is not of this collector."""
    quantity = _QUANTITIES.get(metric)
    if quantity is None or not labels.get("school") or not labels.get("gateway"):
        return None
    try:
        school, gateway, building, room, device, model = (_decode(labels.get(one, "")) for one in LABELS)
    except ValueError:
        return None
    place = f"{building}/{room}" if room else building
    return SeriesName(Origin(school, gateway), SeriesKey(quantity, device, place, model))


def _encode(text: str) -> str:
    """Line protocol has no way to write a backslash at every place of a label, nor blanks at its ends."""
    text = text.replace("%", "%25").replace("\\", "%5C")
    if text.strip() != text:
        inner = text.strip()
        head, _, tail = text.partition(inner) if inner else (text, "", "")
        text = _blanks(head) + inner + _blanks(tail)
    return text


def _blanks(text: str) -> str:
    return "".join(f"%u{ord(one):04X}" for one in text)


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    parts = text.split("%")
    decoded = [parts[0]]
    for part in parts[1:]:
        if part.startswith("u") and len(part) >= 5:
            decoded += chr(int(part[1:5], 16)), part[5:]
        else:
            decoded += chr(int(part[:2], 16)), part[2:]
    return "".join(decoded)
