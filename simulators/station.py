"""The morning-check station's payload: record morning-check-v1, our own format."""

from __future__ import annotations

from typing import Any, Final

from simulators.pupils import Check
from simulators.timetable import iso_local
from simulators.world import Device

STATION: Final = "campus/morning-check-v1"
"""The profile of our own station."""
STATION_TOPIC: Final = "stations/{address}/check"


def render_check(device: Device, check: Check, ambient_c: float, time_ms: int) -> dict[str, Any]:
    """What our own station says of one pupil (record morning-check-v1)."""
    return check_payload(
        device.address,
        check.card,
        temperature_c=round(check.temperature_c, 1),
        ambient_c=round(ambient_c, 1),
        site=check.site,
        symptoms=check.symptoms,
        time_ms=time_ms,
    )


def check_payload(
    station: str,
    card: str | None,
    *,
    temperature_c: float,
    ambient_c: float | None,
    site: str,
    symptoms: tuple[str, ...],
    time_ms: int,
) -> dict[str, Any]:
    """Record morning-check-v1. `card` is normalised; readers write it with colons."""
    written = None if card is None else ":".join(card[at : at + 2] for at in range(0, len(card), 2))
    return {
        "v": 1,
        "station": station,
        "card": written,
        "site": site,
        "temperature_c": temperature_c,
        "ambient_c": ambient_c,
        "symptoms": list(symptoms),
        "time": iso_local(time_ms),
    }
