"""What a profile may say of a binary payload, however it travels. docs/profiles.md explains it.

A payload's values are found by position (`at` and `type`) or, where the profile names a codec, under
the names that the codec gives them (`key`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from device_profiles.payloads import PAYLOADS
from device_profiles.schema import (
    ExpectedCard,
    ExpectedCheck,
    ExpectedReading,
    Number,
    ProfileModel,
    RawValue,
    Tuple,
    ValueRow,
    Words,
)

BytesType = Literal[
    "uint8", "int8", "uint16", "int16", "uint24", "int24", "uint32", "int32", "uint64", "float32", "float64",
]  # fmt: skip
ByteOrder = Literal["big", "little"]
SIZES: Final[dict[BytesType, int]] = {
    "uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint24": 3, "int24": 3, "uint32": 4, "int32": 4,
    "uint64": 8, "float32": 4, "float64": 8,
}  # fmt: skip
PAYLOAD_BYTES_MAX: Final = 1_024
Offset = Annotated[int, Field(ge=-PAYLOAD_BYTES_MAX, lt=PAYLOAD_BYTES_MAX)]


def parse_hex(text: str) -> str:
    """Hexadecimal digits in lower case, without what people write between them. Raises ValueError."""
    try:
        return bytes.fromhex(text.replace(":", " ")).hex()
    except ValueError:
        raise ValueError("expected pairs of hexadecimal digits, such as 42 4d") from None


class Position(ProfileModel):
    """Where a number stands: `at` counts from 0, or from the end where negative. `bits` takes some of
    an integer's bits: the lowest one's number and how many.
    """

    at: Offset | None = None
    type: BytesType | None = None
    byte_order: ByteOrder | None = None
    bits: Annotated[tuple[int, int], Tuple] | None = None

    @field_validator("bits")
    @classmethod
    def _some_bits(cls, bits: tuple[int, int] | None) -> tuple[int, int] | None:
        if bits is not None and not (0 <= bits[0] < 64 and 1 <= bits[1] <= 64 - bits[0]):
            raise ValueError("expected [lowest bit, how many], such as [4, 2]")
        return bits

    @model_validator(mode="after")
    def _whole(self) -> Position:
        if (self.at is None) != (self.type is None):
            raise ValueError("at and type go together")
        if self.at is None and (self.bits is not None or self.byte_order is not None):
            raise ValueError("bits and byte_order go with at and type")
        if self.bits is not None and str(self.type).startswith("float"):
            raise ValueError("bits are taken of integers")
        if self.at is not None and self.type is not None and -SIZES[self.type] < self.at < 0:
            raise ValueError("reaches beyond the end of the payload")
        return self


class BytesRow(ValueRow, Position):
    """One value that becomes a reading."""

    key: Words | None = None
    missing: Annotated[tuple[RawValue, ...], Tuple] = ()
    uncertain: Annotated[tuple[RawValue, ...], Tuple] = ()

    @model_validator(mode="after")
    def _found_somehow(self) -> BytesRow:
        if (self.at is None) == (self.key is None):
            raise ValueError("needs either at and type, or key")
        return self


class ShownRow(Position):
    """A value that `campus profile decode` shows and no gateway forwards: a counter, an interval."""

    name: Words
    unit: str = "1"
    scale: Number = 1.0
    offset: Number = 0.0
    decimals: int | None = Field(default=None, ge=0, le=6)
    missing: Annotated[tuple[RawValue, ...], Tuple] = ()


class PayloadRows(ProfileModel):
    """One kind of payload: how it is recognised and what stands in it.

    start: the bytes it begins with, hexadecimal. length: how many bytes it has, exactly; length_min:
    at least. A payload of zeros only, or of those bytes in `not_ready`, gives nothing: the device is
    not ready. counter: the name of a value that tells a repeated transmission from a new one.
    """

    codec: str | None = None
    start: str = ""
    length: int | None = Field(default=None, ge=1, le=PAYLOAD_BYTES_MAX)
    length_min: int = Field(default=0, ge=0, le=PAYLOAD_BYTES_MAX)
    byte_order: ByteOrder = "big"
    zeros_mean_not_ready: bool = False
    counter: str | None = None
    fields: Annotated[tuple[BytesRow, ...], Tuple] = ()
    also: Annotated[tuple[ShownRow, ...], Tuple] = ()

    @field_validator("start")
    @classmethod
    def _hexadecimal(cls, text: str) -> str:
        return parse_hex(text)

    @field_validator("codec")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in PAYLOADS:
            raise ValueError(f"is no codec; expected one of {', '.join(sorted(PAYLOADS))}")
        return name

    @model_validator(mode="after")
    def _consistent(self) -> PayloadRows:
        seen: set[str] = set()
        for row in self.fields:
            if row.quantity in seen:
                raise ValueError(f"{row.quantity} is given by two fields; a device has one series a quantity")
            seen.add(row.quantity)
        for one in (*self.fields, *self.also):
            if self.length is not None and one.at is not None and one.type is not None:
                end = one.at + SIZES[one.type] + (self.length if one.at < 0 else 0)
                if not SIZES[one.type] <= end <= self.length:
                    raise ValueError(f"at = {one.at} lies outside the {self.length} bytes of the payload")
        return self


class BytesExample(ProfileModel):
    """What a device sends and all that must come of it: no reading more, none less.

    `input` is written as for `campus profile decode`. `key` is the bind key of an encrypted device.
    """

    about: Words
    input: str
    key: str | None = None
    warming_up: bool = False
    expected: Annotated[tuple[ExpectedReading, ...], Tuple] = ()
    check: ExpectedCheck | None = None
    cards: Annotated[tuple[ExpectedCard, ...], Tuple] = ()
    refused: Annotated[tuple[Words, ...], Tuple] = ()

    @field_validator("key")
    @classmethod
    def _hexadecimal(cls, text: str | None) -> str | None:
        return None if text is None else parse_hex(text)


class CardRow(ProfileModel):
    """Where a card's number stands, and how it is written: `hex`; `decimal`, the number of its bytes,
    most significant first; `hex-reversed` and `decimal-reversed`, least significant first.
    """

    key: Words
    notation: Literal["hex", "hex-reversed", "decimal", "decimal-reversed"] = "hex"
    door_key: Words | None = None


class CheckRow(ProfileModel):
    """The named values of which a morning check is made."""

    temperature: Words
    ambient: Words | None = None
    card: Words | None = None
    site: Words | None = None
    site_is: Literal["forehead", "ear", "axillary"] = "forehead"
    """Where the device does not say."""


def all_fields(payloads: tuple[Any, ...]) -> tuple[BytesRow, ...]:
    """The rows of all payloads, each quantity once."""
    found: dict[str, BytesRow] = {}
    for payload in payloads:
        for row in payload.fields:
            found.setdefault(row.quantity, row)
    return tuple(found.values())
