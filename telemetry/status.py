"""What a gateway says about itself every few seconds; a lost one is replaced by the next."""

from __future__ import annotations

from typing import Final

import msgspec

from telemetry.configuration import Running
from telemetry.decoding import DECODING_ERRORS, describe
from telemetry.quality import ClockQuality

FORMAT: Final = 1


class Status(msgspec.Struct, frozen=True, array_like=True):
    """A gateway's own figures. Counts are since its start; `dropped` is by reason. configuration: None for
    a gateway whose program knows of none from a collector.
    """

    format: int
    school: str
    gateway: str
    time_ms: int
    clock: ClockQuality
    software: str
    started_ms: int
    buffer_batches: int
    buffer_bytes: int
    buffer_oldest_ms: int | None
    readings_in: int
    readings_stored: int
    dropped: dict[str, int]
    configuration: Running | None = None


class StatusError(ValueError):
    """The payload is no status of a format we know."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Status)


def encode_status(status: Status) -> bytes:
    return _encoder.encode(status)


def decode_status(payload: bytes) -> Status:
    """Raises StatusError."""
    try:
        status = _decoder.decode(payload)
    except DECODING_ERRORS as error:
        raise StatusError(f"not a status: {describe(error)}") from None
    if status.format != FORMAT:
        raise StatusError(f"status format {status.format} is not known, {FORMAT} is")
    return status
