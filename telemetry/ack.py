"""What a collector answers: which batches it has received, stored, or refused for good.

`received` means verified, decoded, findings of event rules committed: the gateway may silence its
local alarm. `stored` means durable in every store: only now may the gateway delete. `rejected`
batches lie in the collector's dead letters: the gateway deletes them and counts the reason.
An acknowledgement that names no batch is a greeting: the collector has (again) begun to listen, and
what was sent before is to be sent once more. Acknowledgements may be lost, repeated and reordered:
each is true by itself, for ever.
"""

from __future__ import annotations

from typing import Final

import msgspec

from telemetry.batch import Stream
from telemetry.decoding import DECODING_ERRORS, INT_MAX, describe
from telemetry.ranges import Range

FORMAT: Final = 1
RANGES_MAX: Final = 1_000
"""Ranges in one acknowledgement, and rejections; further ones wait for the next."""


class Rejection(msgspec.Struct, frozen=True, array_like=True):
    """A batch the collector will never store, and why (a word, for counters)."""

    sequence: int
    reason: str


class Ack(msgspec.Struct, frozen=True, array_like=True):
    """An acknowledgement for one stream generation of one gateway."""

    format: int
    school: str
    gateway: str
    stream: Stream
    generation: str
    received: tuple[Range, ...] = ()
    stored: tuple[Range, ...] = ()
    rejected: tuple[Rejection, ...] = ()

    @property
    def is_greeting(self) -> bool:
        return not (self.received or self.stored or self.rejected)


def greeting(school: str, gateway: str) -> Ack:
    """What a collector sends to every gateway when it begins to listen."""
    return Ack(FORMAT, school, gateway, "bulk", "")


class AckError(ValueError):
    """The payload is no acknowledgement of a format we know."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Ack)


def encode_ack(ack: Ack) -> bytes:
    return _encoder.encode(ack)


def decode_ack(payload: bytes) -> Ack:
    """Raises AckError."""
    try:
        ack = _decoder.decode(payload)
    except DECODING_ERRORS as error:
        raise AckError(f"not an acknowledgement: {describe(error)}") from None
    if ack.format != FORMAT:
        raise AckError(f"acknowledgement format {ack.format} is not known, {FORMAT} is")
    ranges = (*ack.received, *ack.stored)
    if len(ranges) > RANGES_MAX or not all(1 <= first <= last <= INT_MAX for first, last in ranges):
        raise AckError("ranges out of bounds")
    if len(ack.rejected) > RANGES_MAX or not all(1 <= one.sequence <= INT_MAX for one in ack.rejected):
        raise AckError("rejections out of bounds")
    return ack
