"""What a decoder tells about a person, before the gate has seen it. Never logged, never stored."""

from __future__ import annotations

from typing import Final, NamedTuple

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


class TapObservation(NamedTuple):
    """A card held to a reader, its credential still in clear and normalised; time in ms UTC."""

    time_ms: int
    device: str
    place: str
    credential: str | None
    door: int | None = None

    def __repr__(self) -> str:
        return f"TapObservation(device={self.device!r}, …)"


class Outcome(NamedTuple):
    """What an input gave besides readings: a fixed word for everything refused in it, and what it told
    about people.
    """

    refused: tuple[str, ...] = ()
    checks: tuple[CheckObservation, ...] = ()
    taps: tuple[TapObservation, ...] = ()

    @property
    def check(self) -> CheckObservation | None:
        """The one morning check, of an input that can hold no more than one."""
        return self.checks[0] if self.checks else None


NOTHING_REFUSED: Final = Outcome()
