"""What a profile file may say. docs/profiles.md explains every setting with an example.

A profile is rows of data about one device model. Models of other transports are siblings of
`MqttJsonProfile`, told apart by `transport`: see `device_profiles.modbus_schema`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from device_profiles.paths import Path, RootPath
from device_profiles.units import accepted_units, conversion
from foundation.tomlfile import StrictModel
from telemetry.quantities import BOOL, QUANTITIES, Quantity
from telemetry.records import Site, Symptom

ADDRESS: Final = "{address}"

Tuple = Field(strict=False)
"""TOML has arrays; models keep them as tuples."""
Words = Annotated[str, Field(min_length=1, max_length=500)]
Number = Annotated[float, Field(allow_inf_nan=False)]

Raw = str | int | float
"""A raw JSON value as a profile may name it."""


def _raw(value: Any) -> Raw:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("expected text or a number, exactly as the device sends it")  # noqa: TRY004  # pydantic takes ValueError
    return value


RawValue = Annotated[str | int | float, BeforeValidator(_raw)]


class ProfileModel(StrictModel):
    """Strict also about types: TOML has real numbers and booleans, nothing is guessed from text."""

    model_config = ConfigDict(strict=True)


class Text(ProfileModel):
    """A text for people, Chinese first."""

    zh: Words
    en: Words


Evidence = Literal["captured", "vendor", "code", "invented"]
"""Where a profile's layout was seen: in a real device's message whose readings are known, in the maker's
own text or example, in others' code only; or it is ours to say.
"""


class ModelProfile(ProfileModel):
    """What the profiles of all transports say of their model."""

    name: Text
    vendor: Words
    source: Words
    evidence: Evidence = "vendor"


class UnitFrom(ProfileModel):
    """The unit stands in the message: where, and what its words mean."""

    path: Path
    map: dict[str, str] = Field(min_length=1)


class TimeRow(ProfileModel):
    """Where the device's own time stands. `unit` is for numbers since 1970; text is ISO 8601."""

    path: Path
    unit: Literal["s", "ms"] | None = None


class Where(ProfileModel):
    """Tells devices apart that share a topic: the text at `path` must equal `value`."""

    path: Path
    value: Words


def find_quantity(name: str) -> Quantity:
    """The registered quantity. Raises ValueError that suggests a similar one."""
    found = QUANTITIES.get(name)
    if found is None:
        near = get_close_matches(name, QUANTITIES, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise ValueError(f"is no registered quantity{hint} All are in telemetry/quantities.py")
    return found


class ValueRow(ProfileModel):
    """One value of a device, however it travels: what it is, in which unit, which raw values mean what."""

    quantity: str
    unit: str | None = Field(default=None, validate_default=True)
    scale: Number = 1.0
    offset: Number = 0.0
    decimals: int | None = Field(default=None, ge=0, le=6)
    invert: bool = False
    map: dict[str, Number] | None = Field(default=None, min_length=1)
    low: Number | None = None
    high: Number | None = None
    event: bool = False
    states: dict[str, Text] = Field(default_factory=dict)

    @property
    def spec(self) -> Quantity:
        return QUANTITIES[self.quantity]

    @property
    def unit_is_told(self) -> bool:
        """The message itself names the unit."""
        return False

    @field_validator("quantity")
    @classmethod
    def _registered(cls, name: str) -> str:
        find_quantity(name)
        return name

    @field_validator("unit")
    @classmethod
    def _convertible(cls, unit: str | None, info: ValidationInfo) -> str | None:
        quantity = QUANTITIES.get(info.data.get("quantity", ""))
        if unit is not None and quantity is not None:
            check_unit(unit, quantity)
        return unit

    @field_validator("low", "high")
    @classmethod
    def _narrower(cls, bound: float | None, info: ValidationInfo) -> float | None:
        quantity = QUANTITIES.get(info.data.get("quantity", ""))
        if bound is not None and quantity is not None and not quantity.low <= bound <= quantity.high:
            raise ValueError(
                f"must lie within {quantity.low:g} to {quantity.high:g} {quantity.unit}, "
                f"the plausible range of {quantity.name}"
            )
        return bound

    @field_validator("states")
    @classmethod
    def _codes(cls, states: dict[str, Text]) -> dict[str, Text]:
        for code in states:
            if not (code.isascii() and code.isdigit()):
                raise ValueError(f"has the code {code!r}; expected a whole number")
        return states

    @model_validator(mode="after")
    def _value_is_consistent(self) -> ValueRow:
        quantity = self.spec
        if self.unit is None and not self.unit_is_told and not quantity.is_bool:
            raise ValueError(
                f"unit is missing: say what the device sends, one of {', '.join(accepted_units(quantity))}"
            )
        linear = self.scale != 1 or self.offset != 0 or self.unit_is_told
        if self.scale == 0:
            raise ValueError("scale must not be 0")
        if linear and (quantity.is_bool or self.map is not None):
            raise ValueError("scale, offset and unit_from do not go with a bool quantity or a map")
        if self.invert and (not quantity.is_bool or self.map is not None):
            raise ValueError("invert is for bool quantities without a map")
        if quantity.is_bool and self.map is not None and not set(self.map.values()) <= {0.0, 1.0}:
            raise ValueError("map must lead to 0 and 1 for a bool quantity")
        low = quantity.low if self.low is None else self.low
        high = quantity.high if self.high is None else self.high
        if low >= high:
            raise ValueError("low must be below high")
        if self.event and not quantity.is_bool:
            raise ValueError("event is for bool quantities")
        return self


class FieldRow(ValueRow):
    """One value of a JSON message: where it stands, and how it is written."""

    path: Path
    other_paths: Annotated[tuple[Path, ...], Tuple] = ()
    unit_from: UnitFrom | None = None
    missing: Annotated[tuple[RawValue, ...], Tuple] = ()
    uncertain: Annotated[tuple[RawValue, ...], Tuple] = ()
    phases: Annotated[tuple[str, ...], Tuple] | None = Field(default=None, max_length=3)

    @property
    def unit_is_told(self) -> bool:
        return self.unit_from is not None

    @field_validator("unit_from")
    @classmethod
    def _all_convertible(cls, unit_from: UnitFrom | None, info: ValidationInfo) -> UnitFrom | None:
        quantity = QUANTITIES.get(info.data.get("quantity", ""))
        if unit_from is not None and quantity is not None:
            for unit in unit_from.map.values():
                check_unit(unit, quantity)
        return unit_from

    @field_validator("phases")
    @classmethod
    def _phases_fit(cls, phases: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        quantity = QUANTITIES.get(info.data.get("quantity", ""))
        for name in phases or ():
            if quantity is not None and find_quantity(name).unit != quantity.unit:
                raise ValueError(f"{name} is not in {quantity.unit}, the unit of {quantity.name}")
        return phases


def check_unit(unit: str, quantity: Quantity) -> None:
    if conversion(unit, quantity) is None:
        raise ValueError(
            f"cannot become {quantity.unit}, the unit of {quantity.name}; "
            f"expected one of {', '.join(accepted_units(quantity))}"
        )


QualityWord = Literal["good", "uncertain", "out_of_range", "stale"]


class ExpectedReading(ProfileModel):
    """A reading that an example must give. `time` is ISO 8601 with a zone."""

    quantity: str
    value: bool | float
    unit: str = BOOL
    quality: QualityWord = "good"
    time: str | None = None


class ExpectedCheck(ProfileModel):
    """A morning check that an example must give."""

    card: str | None = None
    site: Site
    temperature_c: float
    ambient_c: float | None = None
    symptoms: Annotated[tuple[Symptom, ...], Tuple] = ()
    time: str | None = None


class ExpectedCard(ProfileModel):
    """A card that an example must give: its number as normalised for the credential map."""

    card: str
    door: int | None = None


class Example(ProfileModel):
    """A message as the device sends it and all that must come of it: no reading more, none less.

    It is read as by a gateway in the zone Asia/Shanghai that received it at `received`.
    """

    about: Words
    topic: Words
    address: Words
    payload: str
    received: str = "2026-09-01T08:00:00+08:00"
    retained: bool = False
    expected: Annotated[tuple[ExpectedReading, ...], Tuple] = ()
    check: ExpectedCheck | None = None
    cards: Annotated[tuple[ExpectedCard, ...], Tuple] = ()
    refused: Annotated[tuple[Words, ...], Tuple] = ()


class JsonCard(ProfileModel):
    """Where a card's number stands in a message, and how it is written: see `bytes_schema.CardRow`.
    `missing`: what stands there when a card was taken away.
    """

    path: RootPath
    missing: Annotated[tuple[RawValue, ...], Tuple] = ()
    notation: Literal["hex", "hex-reversed", "decimal", "decimal-reversed"] = "hex"


class MqttJsonProfile(ModelProfile):
    """A device model that speaks JSON over MQTT."""

    transport: Literal["mqtt-json"]
    topics: Annotated[tuple[Words, ...], Tuple] = Field(min_length=1, max_length=8)
    where: Where | None = None
    roots: Annotated[tuple[RootPath, ...], Tuple] = ((),)
    time: TimeRow | None = None
    encoding: Literal["json", "sparkplug-b"] = "json"
    record: Literal["morning-check-v1"] | None = None
    card: JsonCard | None = None
    silent_after_s: Number = Field(default=90_000.0, ge=1, le=604_800)
    fields: Annotated[tuple[FieldRow, ...], Tuple] = ()
    examples: Annotated[tuple[Example, ...], Tuple] = Field(min_length=1)

    @field_validator("topics")
    @classmethod
    def _filters(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            check_filter(topic.replace(ADDRESS, "x"))
            if "{" in topic.replace(ADDRESS, "") or "}" in topic.replace(ADDRESS, ""):
                raise ValueError(f"{topic!r} has braces; only {ADDRESS} is filled in")
        return topics

    @field_validator("roots")
    @classmethod
    def _some_root(cls, roots: tuple[tuple[Any, ...], ...]) -> tuple[tuple[Any, ...], ...]:
        if not roots:
            raise ValueError("is empty; leave it out when the fields stand in the message itself")
        return roots

    @model_validator(mode="after")
    def _consistent(self) -> MqttJsonProfile:
        if [bool(self.fields), self.record is not None, self.card is not None].count(True) != 1:
            raise ValueError("a profile has either [[fields]], a record or a [card]")
        if self.record is not None and (self.time is not None or self.roots != ((),)):
            raise ValueError("a record has its own layout: time and roots do not go with it")
        shared = not all(ADDRESS in topic for topic in self.topics)
        if shared and (self.where is None or ADDRESS not in self.where.value):
            raise ValueError(f"every topic, or where.value, must contain {ADDRESS} to tell devices apart")
        seen: set[str] = set()
        for row in self.fields:
            for name in (row.quantity, *(row.phases or ())):
                if name in seen:
                    raise ValueError(
                        f"{name} is given by two fields; a device has one series a quantity "
                        "(use other_paths for another spelling of a key)"
                    )
                seen.add(name)
        return self


def check_filter(topic: str) -> None:
    """Raises ValueError unless `topic` is an MQTT topic filter."""
    levels = topic.split("/")
    for at, level in enumerate(levels):
        last = at == len(levels) - 1
        if (len(level) > 1 and ("+" in level or "#" in level)) or (level == "#" and not last):
            raise ValueError(f"{topic!r} is no MQTT filter: + and # stand for whole levels, # comes last")
    if not topic or "\0" in topic or len(topic.encode()) > 65_535:
        raise ValueError("an MQTT filter has 1 to 65,535 bytes and no NUL")
