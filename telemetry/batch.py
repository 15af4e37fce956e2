"""The batch: the unit of work from the gateway's socket to the collector's database.

A batch is a small header, which the gateway may still amend when it forwards the batch (gaps, the
late flag, a corrected clock), and a body, which is encoded once and then only copied. Readings lie
in columns, grouped by series; docs/wire-format.md gives the layout.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from telemetry import columns
from telemetry.decoding import DECODING_ERRORS, INT_MAX, describe
from telemetry.packed import READINGS_MAX, Packed, PackedError, decode_series, pack, unpack
from telemetry.quality import ClockQuality, Quality
from telemetry.readings import Reading, SeriesKey
from telemetry.records import Record

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    import zstandard

    from telemetry.packed import SeriesOf

FORMAT: Final = 2
_FORMATS: Final = (1, 2)
GENERATION_CHARS_MAX: Final = 64
GAPS_MAX: Final = 64
"""Gaps declared in one header; further ones wait for the next."""

Stream = Literal["bulk", "urgent"]
GapReason = Literal["dropped", "thinned", "damaged", "disk_full", "rejected"]


class BatchError(ValueError):
    """The payload is no batch of a format we know, or contradicts itself."""


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """What a gateway gave up knowingly: sequence numbers `first` to `last` of a stream.

    For the reason "thinned" the batches themselves still come, with `readings` fewer in them.
    `readings` is -1 where nobody knows how many there were.
    """

    stream: Stream
    generation: str
    first: int
    last: int
    reason: GapReason
    readings: int


class Header(msgspec.Struct, frozen=True, array_like=True):
    """Who sends which batch, and by what clock. Times in the body count from `time_base_ms`."""

    format: int
    school: str
    gateway: str
    stream: Stream
    generation: str
    sequence: int
    time_base_ms: int
    clock: ClockQuality
    boot: str
    policy: str
    readings: int
    records: int
    late: bool = False
    gaps: tuple[Gap, ...] = ()


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """The head of a header, the same in every format: enough to answer a batch one cannot read."""

    format: int
    school: str
    gateway: str
    stream: Stream
    generation: str
    sequence: int


class _IdentityPayload(msgspec.Struct, array_like=True):
    header: Identity


class _Payload(msgspec.Struct, array_like=True):
    header: Header
    body: bytes


class Body(NamedTuple):
    """A decoded body: `counts[i]` readings of `series[i]`, the columns one series after another.

    Times are ms UTC, values in the unit of the quantity. A column may be a list or a memoryview of an array;
    of either an element is a plain number. A memoryview can be indexed, sliced and iterated over, but has no
    `index`, no `count` and no `+`.
    """

    series: Sequence[SeriesKey]
    counts: list[int]
    time_ms: Sequence[int]
    value: Sequence[float]
    quality: Sequence[int]
    records: list[Record]

    def readings(self) -> list[Reading]:
        """One object a reading: for tests and tools, not for the hot path."""
        keys = [key for key, count in zip(self.series, self.counts, strict=True) for _ in range(count)]
        rows = zip(keys, self.time_ms, self.value, self.quality, strict=True)
        return [Reading(key, time, value, Quality(quality)) for key, time, value, quality in rows]


_encode = msgspec.msgpack.Encoder().encode
_decode_identity = msgspec.msgpack.Decoder(_IdentityPayload).decode
_decode_payload = msgspec.msgpack.Decoder(_Payload).decode


def encode_body(
    series_columns: Sequence[tuple[SeriesKey, list[int], list[float], list[int]]],
    records: Sequence[Record],
    time_base_ms: int,
    compressor: zstandard.ZstdCompressor | None = None,
) -> bytes:
    """A body from (key, times in ms, values, qualities) of each series; values must be finite."""
    time_starts: list[int] = []
    time_steps: list[int] = []
    digits: list[int] = []
    value_starts: list[int] = []
    value_steps: list[int] = []
    raw_values: list[float] = []
    quality: list[int] = []
    for _, times, values, qualities in series_columns:
        time_starts.append(times[0] - time_base_ms)
        time_steps += columns.steps(times)
        places, scaled = columns.to_scaled(values)
        digits.append(places)
        if places == columns.RAW:
            raw_values += values
        else:
            value_starts.append(scaled[0])
            value_steps += columns.steps(scaled)
        quality += qualities
    found = Packed(
        [key for key, *_ in series_columns],
        [len(times) for _, times, _, _ in series_columns],
        time_starts,
        time_steps,
        digits,
        value_starts,
        value_steps,
        raw_values,
        columns.to_runs(quality),
        list(records),
    )
    return pack(found, compressor)


def shift_records(packed: bytes, shift_ms: int) -> bytes:
    """A body with the times of its records moved: they stand in full, while those of readings count
    from the header's base. For a gateway that corrects a batch of its own; raises BatchError.
    """
    found = _unpack(packed)
    moved = [msgspec.structs.replace(record, time_ms=record.time_ms + shift_ms) for record in found.records]
    return pack(found._replace(records=moved))


def erase_records(packed: bytes, pseudonyms: Container[str]) -> tuple[bytes, int]:
    """A body without the records of these pseudonyms, and how many those were; the same body where
    there were none. For a gateway that has to forget somebody; raises BatchError.
    """
    found = _unpack(packed)
    kept = [record for record in found.records if record.pseudonym not in pseudonyms]
    erased = len(found.records) - len(kept)
    return (pack(found._replace(records=kept)), erased) if erased else (packed, 0)


def _unpack(packed: bytes, series_of: SeriesOf = decode_series) -> Packed:
    try:
        return unpack(packed, series_of)
    except PackedError as error:
        raise BatchError(str(error)) from None


def encode_payload(header: Header, body: bytes) -> bytes:
    return _encode(_Payload(header, body))


def decode_payload(payload: bytes) -> tuple[Header, bytes]:
    """Header and still packed body. Raises BatchError."""
    try:
        found = _decode_payload(payload)
    except DECODING_ERRORS as error:
        raise BatchError(f"not a batch: {describe(error)}") from None
    header = found.header
    if header.format not in _FORMATS:
        raise BatchError(f"batch format {header.format} is not known, {_FORMATS} are")
    if not 1 <= header.sequence <= INT_MAX or abs(header.time_base_ms) > INT_MAX:
        raise BatchError("sequence number or time base out of bounds")
    if not 0 <= header.readings <= READINGS_MAX or header.records < 0:
        raise BatchError("counts out of bounds")
    if not 1 <= len(header.generation) <= GENERATION_CHARS_MAX or len(header.gaps) > GAPS_MAX:
        raise BatchError("generation or gaps out of bounds")
    if not all(map(_is_sound, header.gaps)):
        raise BatchError("a gap is empty or out of bounds")
    return header, found.body


def _is_sound(gap: Gap) -> bool:
    return (
        1 <= gap.first <= gap.last <= INT_MAX
        and -1 <= gap.readings <= INT_MAX
        and 1 <= len(gap.generation) <= GENERATION_CHARS_MAX
    )


def peek_identity(payload: bytes) -> Identity | None:
    """Which batch this claims to be, also in a format we do not know; None when even that is gone."""
    try:
        identity = _decode_identity(payload).header
    except DECODING_ERRORS:
        return None
    is_sound = identity.sequence >= 1 and 1 <= len(identity.generation) <= GENERATION_CHARS_MAX
    return identity if is_sound else None


def open_body(header: Header, packed: bytes, series_of: SeriesOf = decode_series) -> Packed:
    """The columns of a batch as they travelled. Raises BatchError. series_of: as for `unpack`."""
    found = _unpack(packed, series_of)
    if sum(found.counts) != header.readings or len(found.records) != header.records:
        raise BatchError("body and header disagree about the number of readings or records")
    return found


def decode_body(header: Header, packed: bytes) -> Body:
    """The readings and records of a batch, in lists. Raises BatchError."""
    found = open_body(header, packed)
    time_ms: list[int] = []
    value: list[float] = []
    step = value_step = raw = 0
    extremes = [0]
    value_starts = iter(found.value_starts)
    for start, count, digits in zip(found.time_starts, found.counts, found.digits, strict=True):
        time_ms += columns.walk(header.time_base_ms + start, found.time_steps[step : step + count - 1])
        step += count - 1
        if digits == columns.RAW:
            value += found.raw_values[raw : raw + count]
            raw += count
            continue
        taken = found.value_steps[value_step : value_step + count - 1]
        scaled = list(columns.walk(next(value_starts), taken))
        extremes += max(scaled), -min(scaled)
        value += columns.from_scaled(scaled, digits)
        value_step += count - 1
    if time_ms and not (min(time_ms) >= 0 and max(time_ms) <= INT_MAX):
        raise BatchError("a time is out of bounds")
    if max(extremes) > columns.SCALED_MAX or not all(map(isfinite, found.raw_values)):
        raise BatchError("a value is out of bounds or no number")
    quality = columns.from_runs(found.quality_runs)
    return Body(found.series, found.counts, time_ms, value, quality, found.records)
