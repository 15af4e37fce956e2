"""What a decoder tells about a person, before the gate has seen it. Never logged, never stored."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.records import Site, Symptom


class CheckObservation(NamedTuple):
    """A morning check as a station reports it, the card's credential still in clear.

    `credential` is normalised (`telemetry.credential_map.normalise_credential`) or None where no
    card was read. Times in ms UTC, temperatures in °C.
    """

    time_ms: int
    device: str
    place: str
    credential: str | None
    site: Site
    temperature_c: float
    ambient_c: float | None = None
    symptoms: tuple[Symptom, ...] = ()

    def __repr__(self) -> str:
        return f"CheckObservation(device={self.device!r}, …)"
