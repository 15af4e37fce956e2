"""What the profile of a Modbus device may say. docs/profiles.md explains every setting."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from device_profiles.schema import (
    ExpectedReading,
    ModelProfile,
    Number,
    ProfileModel,
    Text,
    Tuple,
    ValueRow,
    Words,
)

REGISTERS_MAX: Final = 125
"""Of one read (FC 3, 4), Modbus application protocol V1.1b3."""
BITS_PER_REGISTER: Final = 16
MASK_WRITE: Final = 22

RegisterType = Literal["uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "bit"]
WordOrder = Literal["hi-lo", "lo-hi"]
ByteOrder = Literal["big", "little"]
Word = Annotated[int, Field(ge=0, le=0xFFFF)]
Unit = Annotated[int, Field(ge=1, le=254)]
"""Up to 247 by the standard; some makers let a single device answer to 248 (PZEM) or 254 (Senseair)."""

STRUCT_CODES: Final[dict[RegisterType, str]] = {
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float32": "f",
    "float64": "d",
    "bit": "H",
}
_WORDS: Final = {"H": 1, "I": 2, "Q": 4, "F": 2, "D": 4}


class SerialLine(ProfileModel):
    """How the model is set when it leaves the factory; a gateway's configuration may say otherwise."""

    baud: int = Field(default=9_600, ge=300, le=921_600)
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1


class RegisterRow(ValueRow):
    """One value in registers (FC 3, 4) or among bits (FC 1, 2). `address` counts from 0."""

    fc: Literal[1, 2, 3, 4]
    address: Word
    type: RegisterType
    bit: int | None = Field(default=None, ge=0, le=15)
    word_order: WordOrder | None = None
    byte_order: ByteOrder | None = None
    missing: Annotated[tuple[int | Number, ...], Tuple] = ()

    @property
    def words(self) -> int:
        """Registers (or bits) it takes."""
        return _WORDS[STRUCT_CODES[self.type].upper()]

    @property
    def end(self) -> int:
        """The address after it."""
        return self.address + self.words

    @field_validator("map")
    @classmethod
    def _numbers_to_numbers(cls, table: dict[str, float] | None) -> dict[str, float] | None:
        for text in table or ():
            try:
                int(text, 0)
            except ValueError:
                raise ValueError(f"has the key {text!r}; expected a whole number such as 3 or 0x03") from None
        return table

    @field_validator("missing")
    @classmethod
    def _in_type(cls, missing: tuple[int | float, ...], info: ValidationInfo) -> tuple[int | float, ...]:
        low, high = raw_range(info.data.get("type", "float64"))
        for raw in missing:
            if not low <= raw <= high:
                raise ValueError(f"{raw:g} is no {info.data['type']}: it is compared as the type reads it")
        return missing

    @model_validator(mode="after")
    def _consistent(self) -> RegisterRow:
        if self.fc in {1, 2} and (self.type != "bit" or self.bit is not None):
            raise ValueError('FC 1 and 2 read single bits: type must be "bit", without a setting bit')
        if self.fc in {3, 4} and (self.type == "bit") != (self.bit is not None):
            raise ValueError('a bit of a register needs both type = "bit" and bit = 0 to 15 (0 the lowest)')
        if self.word_order is not None and self.words == 1:
            raise ValueError("word_order is for values of several registers")
        if self.end > 0x1_0000:
            raise ValueError("reaches beyond address 65535")
        return self


def raw_range(kind: RegisterType) -> tuple[float, float]:
    """Lowest and highest raw value of a type."""
    if kind == "bit":
        return 0, 1
    if kind.startswith("float"):
        return float("-inf"), float("inf")
    bits = int(kind.lstrip("uint"))
    return (0, 2**bits - 1) if kind[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


class Command(ProfileModel):
    """One write that a gateway may be asked for; nothing else is ever written.

    Allowed are the named raw `values` and, where given, every raw value from `low` to `high`.
    FC 5 and 15 write bits (a raw value's bits, lowest first), FC 6 and 16 registers; `count` is how
    many there are. FC 22 changes the bits of a register that `mask` names and leaves the others; FC 23
    writes registers and reads them back at once: what differs then was not carried out.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    label: Text
    fc: Literal[5, 6, 15, 16, 22, 23]
    address: Word
    count: int = Field(default=1, ge=1, le=4)
    mask: Word | None = None
    word_order: WordOrder = "hi-lo"
    values: dict[str, int] = Field(default_factory=dict)
    low: int | None = None
    high: int | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Command:
        if self.fc in {5, 6, 22} and self.count != 1:
            raise ValueError("FC 5, 6 and 22 write one bit or register; several need FC 15, 16 or 23")
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high go together")
        if not self.values and self.low is None:
            raise ValueError("needs values, or low and high: a command without limits is none")
        low, high = self._range()
        if self.low is not None and self.high is not None and not low <= self.low <= self.high <= high:
            raise ValueError(f"low and high must rise within {low} to {high}")
        for name, raw in self.values.items():
            if not low <= raw <= high:
                raise ValueError(f"values.{name} must lie within {low} to {high}")
        if self.address + self.count > 0x1_0000:
            raise ValueError("reaches beyond address 65535")
        return self

    @model_validator(mode="after")
    def _mask_fits(self) -> Command:
        if (self.fc == MASK_WRITE) != (self.mask is not None):
            raise ValueError("FC 22 and mask go together")
        if self.mask is None:
            return self
        if self.low is not None:
            raise ValueError("low and high do not go with a mask; give values")
        for name, raw in self.values.items():
            if raw & ~self.mask:
                raise ValueError(f"values.{name} has bits outside mask = {self.mask:#06x}")
        return self

    def _range(self) -> tuple[int, int]:
        return 0, 2 ** (self.count if self.fc in {5, 15} else self.count * BITS_PER_REGISTER) - 1

    def encode(self, value: int | str) -> tuple[int, ...]:
        """The bits (0 or 1) or registers to write for a named value or a raw one.

        Raises ValueError for what the profile does not allow.
        """
        raw = self.values.get(value) if isinstance(value, str) else value
        inside = self.low is not None and self.high is not None and isinstance(raw, int)
        if (
            raw is None
            or isinstance(raw, bool)
            or not (
                raw in self.values.values() or (inside and self.low <= raw <= self.high)  # type: ignore[operator]  # inside says so
            )
        ):
            raise ValueError(f"{self.name} does not take {value!r}; {self.allowed}")
        if self.fc in {5, 15}:
            return tuple(raw >> at & 1 for at in range(self.count))
        words = tuple(raw >> BITS_PER_REGISTER * at & 0xFFFF for at in range(self.count))
        return words if self.word_order == "lo-hi" else words[::-1]

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        told = list(self.values)
        if self.low is not None:
            told.append(f"{self.low} to {self.high}")
        return "it takes " + ", ".join(told)


class ModbusExample(ProfileModel):
    """What a device answers and all that must come of it: no reading more, none less.

    `input` is written as for `campus profile decode`: a register dump ``3@0: 658 65435``, a
    response frame in hexadecimal, or a request and its response.
    """

    about: Words
    input: str
    warming_up: bool = False
    expected: Annotated[tuple[ExpectedReading, ...], Tuple] = ()
    refused: Annotated[tuple[Words, ...], Tuple] = ()


class ModbusProfile(ModelProfile):
    """A device model that answers Modbus, on a serial line or over TCP."""

    transport: Literal["modbus"]
    serial: SerialLine = SerialLine()
    unit_id: Unit = 1
    registers_max: int = Field(default=REGISTERS_MAX, ge=1, le=REGISTERS_MAX)
    gap_max: int = Field(default=8, ge=0, le=REGISTERS_MAX)
    poll_interval_s: Number = Field(default=10.0, ge=0.1, le=86_400)
    warm_up_s: Number = Field(default=0.0, ge=0, le=86_400)
    word_order: WordOrder = "hi-lo"
    byte_order: ByteOrder = "big"
    blank: Annotated[tuple[Word, ...], Tuple] = ()
    blank_count_min: int = Field(default=2, ge=2, le=REGISTERS_MAX)
    fields: Annotated[tuple[RegisterRow, ...], Tuple] = Field(min_length=1)
    commands: Annotated[tuple[Command, ...], Tuple] = ()
    examples: Annotated[tuple[ModbusExample, ...], Tuple] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> ModbusProfile:
        seen: set[str] = set()
        for row in self.fields:
            if row.quantity in seen:
                raise ValueError(f"{row.quantity} is given by two fields; a device has one series a quantity")
            seen.add(row.quantity)
            if row.fc in {3, 4} and row.words > self.registers_max:
                raise ValueError(f"{row.quantity} needs {row.words} registers, more than registers_max")
        names = [command.name for command in self.commands]
        if len(set(names)) != len(names):
            raise ValueError("two commands have the same name")
        return self

    def command(self, name: str) -> Command:
        """Raises LookupError that lists the commands there are."""
        for command in self.commands:
            if command.name == name:
                return command
        there = ", ".join(command.name for command in self.commands) or "none"
        raise LookupError(f"no command {name!r} is declared; there are: {there}")
