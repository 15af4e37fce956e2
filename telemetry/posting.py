"""Envelopes over HTTPS: several in one POST, acknowledgements as the answer, and the question what became
of batches whose answer has not come.

Over MQTT a collector says `stored` when it has stored. Over HTTPS it can only answer: a post is held for
a moment, and what is not settled by then the gateway asks for with one of its next posts. The question is
signed and the answer comes out of the collector's marks, so both may be lost, repeated and reordered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, get_args

import msgspec

from telemetry.ack import RANGES_MAX
from telemetry.batch import GENERATION_CHARS_MAX, Stream
from telemetry.decoding import DECODING_ERRORS, INT_MAX, describe
from telemetry.envelope import ENVELOPE_BYTES_MIN, PAYLOAD_BYTES_MAX
from telemetry.ranges import Range
from telemetry.topics import IDENTIFIER

FORMAT: Final = 1
CONTENT_TYPE: Final = "application/vnd.campus-pulse.envelopes"
PATH: Final = "/api/v1/intake/"
ENVELOPES_MAX: Final = 64
"""In one post, or in its answer."""
_LENGTH_BYTES: Final = 4
POST_BYTES_MAX: Final = ENVELOPE_BYTES_MIN + PAYLOAD_BYTES_MAX + 64 * 1024
"""The largest envelope fits, with a status and a question beside it."""
_STREAMS: Final[tuple[Stream, ...]] = get_args(Stream)


class PostingError(ValueError):
    """The bytes are no post, or no question, of a format we know."""


class Place(NamedTuple):
    """Whose post it is, and of which stream its batches are."""

    school: str
    gateway: str
    stream: Stream

    @property
    def path(self) -> str:
        return f"{PATH}{self.school}/{self.gateway}/{self.stream}"


def parse_path(text: str) -> Place | None:
    """The place in a path of ours, or None for any other path."""
    prefix, _, rest = text.partition(PATH)
    parts = rest.split("/")
    if prefix or len(parts) != 3 or not all(map(IDENTIFIER.fullmatch, parts)):
        return None
    stream = next((one for one in _STREAMS if one == parts[2]), None)
    return Place(parts[0], parts[1], stream) if stream else None


def pack(envelopes: Iterable[bytes]) -> bytes:
    """Each behind its length, four bytes, big-endian."""
    return b"".join(len(one).to_bytes(_LENGTH_BYTES, "big") + one for one in envelopes)


def unpack(data: bytes) -> list[bytes]:
    """The envelopes of a post, not yet looked into; perhaps none. Raises PostingError."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        if len(found) == ENVELOPES_MAX:
            raise PostingError(f"more than {ENVELOPES_MAX} envelopes")
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        if begin > len(data) or at > len(data):
            raise PostingError("the last envelope is cut off")
        found.append(data[begin:at])
    return found


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """A gateway's question: which of these batches are received, and which are stored?"""

    format: int
    school: str
    gateway: str
    stream: Stream
    generation: str
    ranges: tuple[Range, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Pending)


def encode_pending(pending: Pending) -> bytes:
    return _encoder.encode(pending)


def decode_pending(payload: bytes) -> Pending:
    """Raises PostingError."""
    try:
        pending = _decoder.decode(payload)
    except DECODING_ERRORS as error:
        raise PostingError(f"not a question: {describe(error)}") from None
    if pending.format != FORMAT:
        raise PostingError(f"question format {pending.format} is not known, {FORMAT} is")
    if len(pending.generation) > GENERATION_CHARS_MAX:
        raise PostingError("a generation that is too long")
    ranges = pending.ranges
    if len(ranges) > RANGES_MAX or not all(1 <= first <= last <= INT_MAX for first, last in ranges):
        raise PostingError("ranges out of bounds")
    return pending
