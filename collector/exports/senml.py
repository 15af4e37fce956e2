"""Points as SenML (RFC 8428), with the units of its registry and of RFC 8798."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import pi
from typing import Any, Final, NamedTuple

from collector.series.contract import SeriesPoints
from telemetry.quantities import QUANTITIES

MEDIA_TYPE: Final = "application/senml+json"
VERSION: Final = 10
"""Of the format, as RFC 8428 counts."""


class _Unit(NamedTuple):
    name: str
    factor: float = 1.0


_UNITS: Final = {
    "Cel": _Unit("Cel"), "%": _Unit("%"), "ppm": _Unit("ppm"), "ppb": _Unit("ppm", 1e-3),
    "ug/m3": _Unit("ug/m3"), "mg/m3": _Unit("ug/m3", 1e3), "hPa": _Unit("hPa"), "lx": _Unit("lx"),
    "dB": _Unit("dB"), "dB[mW]": _Unit("dBm"), "m/s": _Unit("m/s"), "deg": _Unit("rad", pi / 180), "mm": _Unit("mm"),
    "um": _Unit("mm", 1e-3), "kg": _Unit("kg"), "L": _Unit("m3", 1e-3), "m3": _Unit("m3"),
    "m3/h": _Unit("m3/s", 1 / 3_600), "uS/cm": _Unit("S/m", 1e-4), "W": _Unit("W"), "VA": _Unit("VA"),
    "var": _Unit("var"), "V": _Unit("V"), "A": _Unit("A"), "Hz": _Unit("Hz"), "kWh": _Unit("kWh"),
}  # fmt: skip
"""By our unit; what has none there goes without ``u``."""
_HUMIDITY: Final = _Unit("%RH")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9.:-]")


def pack(pieces: Sequence[SeriesPoints]) -> list[dict[str, Any]]:
    """A SenML pack. Each series begins with its base name, time and unit; values of yes or no are booleans
    while they are raw.
    """
    records: list[dict[str, Any]] = []
    for piece in pieces:
        if not piece.time_ms:
            continue
        series = piece.series
        row = QUANTITIES.get(series.quantity)
        unit = _unit(series.quantity)
        is_raw = all(count == 1 for count in piece.counts)
        base_ms = piece.time_ms[0]
        head: dict[str, Any] = {
            "bn": name(series.school, series.gateway, series.device),
            "bt": base_ms / 1_000,
        }
        if not records:
            head["bver"] = VERSION
        for time_ms, value in zip(piece.time_ms, piece.value, strict=True):
            record: dict[str, Any] = {"n": series.quantity, "t": (time_ms - base_ms) / 1_000}
            if unit:
                record["u"] = unit.name
            if row is not None and row.is_bool and is_raw:
                record["vb"] = bool(value)
            else:
                record["v"] = value * unit.factor if unit else value
            records.append(head | record)
            head = {}
    return records


def name(school: str, gateway: str, device: str) -> str:
    """The base name ``school:gateway:device:``. What a SenML name may not have, and the sign _ itself, is
    written as its number in hexadecimal between two _.
    """
    return "".join(f"{_NO_NAME.sub(_escape, part)}:" for part in (school, gateway, device))


def _escape(found: re.Match[str]) -> str:
    return f"_{ord(found[0]):x}_"


def _unit(quantity: str) -> _Unit | None:
    row = QUANTITIES.get(quantity)
    if row is None:
        return None
    if row.unit == "%" and "humidity" in quantity:
        return _HUMIDITY
    return _UNITS.get(row.unit)
