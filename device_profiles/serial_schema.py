"""What the profile of a board on a serial line may say. docs/profiles.md explains every setting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from device_profiles.bytes_schema import (
    BytesExample,
    BytesRow,
    CardRow,
    CheckRow,
    PayloadRows,
    all_fields,
    parse_hex,
)
from device_profiles.schema import ModelProfile, Number, ProfileModel, Tuple, Words
from firmware_bridges.frames import CODECS, REQUESTS

Baud = Annotated[int, Field(ge=300, le=921_600)]


class Line(ProfileModel):
    """How the board is set when it leaves the factory. Several speeds: the right one is found by trying."""

    baud: Annotated[tuple[Baud, ...], Tuple] = Field(default=(9_600,), min_length=1, max_length=8)
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1


class Poll(ProfileModel):
    """A question that a board must be asked: the bytes of `request`, hexadecimal; or, where the framing
    knows addresses, the data `identifier` that is asked for.
    """

    request: str | None = None
    identifier: str | None = None
    interval_s: Number = Field(default=10.0, ge=0.1, le=86_400)

    @field_validator("request", "identifier")
    @classmethod
    def _hexadecimal(cls, text: str | None) -> str | None:
        return None if text is None else parse_hex(text)

    @model_validator(mode="after")
    def _one_of_both(self) -> Poll:
        if (self.request is None) == (self.identifier is None):
            raise ValueError("needs either request or identifier")
        return self


class SerialProfile(ModelProfile):
    """A board that speaks over a serial line, in frames of one kind.

    age: the name of a value that tells how many milliseconds ago it happened, of a board that keeps what
    could not be handed over. start_up: requests to be sent once after the line was opened, hexadecimal. answer_s: how long an
    answer to a poll may take.
    """

    transport: Literal["serial"]
    frame: str
    line: Line = Line()
    start_up: Annotated[tuple[str, ...], Tuple] = ()
    polls: Annotated[tuple[Poll, ...], Tuple] = Field(default=(), max_length=32)
    answer_s: Number = Field(default=1.0, ge=0.02, le=30)
    warm_up_s: Number = Field(default=0.0, ge=0, le=86_400)
    silent_after_s: Number = Field(default=60.0, ge=1, le=604_800)
    age: Words | None = None
    card: CardRow | None = None
    check: CheckRow | None = None
    payloads: Annotated[tuple[PayloadRows, ...], Tuple] = Field(default=(), max_length=16)
    examples: Annotated[tuple[BytesExample, ...], Tuple] = Field(min_length=1)

    @field_validator("frame")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CODECS:
            raise ValueError(f"is no framing; expected one of {', '.join(sorted(CODECS))}")
        return name

    @field_validator("start_up")
    @classmethod
    def _hexadecimal(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(parse_hex, texts))

    @model_validator(mode="after")
    def _consistent(self) -> SerialProfile:
        if any(poll.identifier is not None for poll in self.polls) and self.frame not in REQUESTS:
            raise ValueError(f"frames of {self.frame} ask for no identifier; give the bytes of the request")
        if not (self.payloads or self.card or self.check):
            raise ValueError("gives nothing: it needs [[payloads]], [card] or [check]")
        return self

    @property
    def is_addressed(self) -> bool:
        """Several of it may share a line: each answers to its address."""
        return self.frame in REQUESTS

    @property
    def fields(self) -> tuple[BytesRow, ...]:
        return all_fields(self.payloads)
