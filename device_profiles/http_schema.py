"""What the profile of a device that posts over HTTP may say. docs/profiles.md explains every setting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from device_profiles.adapters import CardNotation
from device_profiles.paths import RootPath
from device_profiles.schema import (
    ExpectedReading,
    FieldRow,
    ModelProfile,
    Number,
    ProfileModel,
    TimeRow,
    Tuple,
    Words,
)
from telemetry.records import Site, Symptom

HttpRecord = Literal["hikvision-isapi", "wecom-temperature", "morning-check-v1"]


class ExpectedPersonCheck(ProfileModel):
    """A morning check that an example must give; `credential` is normalised."""

    credential: str | None = None
    site: Site = "forehead"
    temperature_c: float
    ambient_c: float | None = None
    symptoms: Annotated[tuple[Symptom, ...], Tuple] = ()
    time: str | None = None


class ExpectedPass(ProfileModel):
    """Somebody let through a door, as an example must give it."""

    credential: str | None = None
    door: int | None = None
    time: str | None = None


class HttpExample(ProfileModel):
    """A posted body and all that must come of it: nothing more, nothing less.

    `told`: values by name that an event must tell, one table an event; others may be there too.
    """

    about: Words
    payload: str
    received: str = "2026-09-01T08:00:00+08:00"
    expected: Annotated[tuple[ExpectedReading, ...], Tuple] = ()
    checks: Annotated[tuple[ExpectedPersonCheck, ...], Tuple] = ()
    taps: Annotated[tuple[ExpectedPass, ...], Tuple] = ()
    told: Annotated[tuple[dict[str, bool | int | float | str], ...], Tuple] = ()
    refused: Annotated[tuple[Words, ...], Tuple] = ()


class HttpProfile(ModelProfile):
    """A device model that posts JSON or XML to an address it is given."""

    transport: Literal["http"]
    record: HttpRecord | None = None
    card_notation: CardNotation = "decimal"
    """How the device writes the number of a card; a gateway's configuration may say otherwise."""
    silent_after_s: Number = Field(default=0.0, ge=0, le=604_800)
    """After so long without a reading it counts as silent; 0: never, for what posts only when somebody
    comes.
    """
    roots: Annotated[tuple[RootPath, ...], Tuple] = ((),)
    time: TimeRow | None = None
    fields: Annotated[tuple[FieldRow, ...], Tuple] = ()
    examples: Annotated[tuple[HttpExample, ...], Tuple] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> HttpProfile:
        if bool(self.fields) == (self.record is not None):
            raise ValueError("a profile has either [[fields]] or a record")
        if self.record is not None and (self.time is not None or self.roots != ((),)):
            raise ValueError("a record has its own layout: time and roots do not go with it")
        if not self.roots:
            raise ValueError("roots is empty; leave it out when the fields stand in the message itself")
        seen: set[str] = set()
        for row in self.fields:
            for name in (row.quantity, *(row.phases or ())):
                if name in seen:
                    raise ValueError(f"{name} is given by two fields; a device has one series a quantity")
                seen.add(name)
        return self
