"""The batch: the unit of work from the gateway's socket to the collector's database.

A batch is a small header, which the gateway may still amend when it forwards the batch (gaps, the
late flag, a corrected clock), and a body, which is encoded once and then only copied. Readings lie
in columns, grouped by series; docs/wire-format.md gives the layout.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
import zstandard

from telemetry import columns
from telemetry.decoding import DECODING_ERRORS, INT_MAX, describe
from telemetry.quality import ClockQuality, Quality
from telemetry.readings import Reading, SeriesKey
from telemetry.records import Record, is_finite

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from telemetry.readings import Chunk, SeriesTable

FORMAT: Final = 1
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of an unpacked body; a larger one is refused before it is unpacked."""
_WINDOW_BYTES_MAX: Final = 8 * 1024 * 1024
READINGS_MAX: Final = 100_000
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


class _Body(msgspec.Struct, array_like=True):
    series: list[SeriesKey]
    counts: list[int]
    time_deltas: list[int]
    digits: list[int]
    scaled_deltas: list[int]
    raw_values: list[float]
    quality_runs: list[int]
    records: list[Record]


class Body(NamedTuple):
    """A decoded body: `counts[i]` readings of `series[i]`, the columns one series after another.

    Times are ms UTC, values in the unit of the quantity.
    """

    series: list[SeriesKey]
    counts: list[int]
    time_ms: list[int]
    value: list[float]
    quality: list[int]
    records: list[Record]

    def readings(self) -> list[Reading]:
        """One object a reading: for tests and tools, not for the hot path."""
        keys = [key for key, count in zip(self.series, self.counts, strict=True) for _ in range(count)]
        rows = zip(keys, self.time_ms, self.value, self.quality, strict=True)
        return [Reading(key, time, value, Quality(quality)) for key, time, value, quality in rows]


_encode = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(_Body).decode
_decode_identity = msgspec.msgpack.Decoder(_IdentityPayload).decode
_decode_payload = msgspec.msgpack.Decoder(_Payload).decode


class BatchBuilder:
    """Collects chunks and records until the batch is closed; then encodes the body and starts anew.

    Of readings of one series that come at the same time each is moved on to a millisecond of its own, from one
    batch to the next too: some stores keep one point a series and millisecond. Who comes with an older
    time keeps it.
    """

    def __init__(self, table: SeriesTable) -> None:
        self._table = table
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._runs: dict[int, list[int]] = {}
        self._clear()

    def _clear(self) -> None:
        self._columns: dict[int, tuple[list[int], list[float], list[int]]] = {}
        self._records: list[Record] = []
        self.readings = 0

    @property
    def records(self) -> int:
        return len(self._records)

    def __bool__(self) -> bool:
        return bool(self.readings or self._records)

    def add(self, chunk: Chunk) -> None:
        by_series, runs = self._columns, self._runs
        for series, time_ms, value, quality in zip(
            chunk.series, chunk.time_ms, chunk.value, chunk.quality, strict=True
        ):
            # First and last of the milliseconds, one after another, that are taken.
            run = runs.get(series)
            if run is None:
                runs[series] = [time_ms, time_ms]
            elif time_ms > run[1]:
                if time_ms > run[1] + 1:
                    run[0] = time_ms
                run[1] = time_ms
            elif time_ms >= run[0]:
                time_ms = run[1] = run[1] + 1  # noqa: PLW2901  # said above
            column = by_series.get(series)
            if column is None:
                column = by_series[series] = ([], [], [])
            column[0].append(time_ms)
            column[1].append(value)
            column[2].append(quality)
        self.readings += len(chunk)

    def add_record(self, record: Record) -> None:
        self._records.append(record)

    def close(self, time_base_ms: int) -> bytes:
        """The encoded body of everything added so far; the builder is empty afterwards."""
        table, found = self._table, self._columns
        body = encode_body(
            [(table[series], *column) for series, column in found.items()],
            self._records,
            time_base_ms,
            self._compressor,
        )
        self._clear()
        return body


def encode_body(
    series_columns: Sequence[tuple[SeriesKey, list[int], list[float], list[int]]],
    records: Sequence[Record],
    time_base_ms: int,
    compressor: zstandard.ZstdCompressor | None = None,
) -> bytes:
    """A body from (key, times in ms, values, qualities) of each series; values must be finite."""
    time_deltas: list[int] = []
    digits: list[int] = []
    scaled_deltas: list[int] = []
    raw_values: list[float] = []
    quality: list[int] = []
    for _, times, values, qualities in series_columns:
        time_deltas += columns.deltas(times, time_base_ms)
        places, scaled = columns.to_scaled(values)
        digits.append(places)
        if places == columns.RAW:
            raw_values += values
        else:
            scaled_deltas += columns.deltas(scaled)
        quality += qualities
    body = _Body(
        [key for key, *_ in series_columns],
        [len(times) for _, times, _, _ in series_columns],
        time_deltas,
        digits,
        scaled_deltas,
        raw_values,
        columns.to_runs(quality),
        list(records),
    )
    return (compressor or zstandard.ZstdCompressor(level=3)).compress(_encode(body))


def shift_records(packed: bytes, shift_ms: int) -> bytes:
    """A body with the times of its records moved: they stand in full, while those of readings count
    from the header's base. For a gateway that corrects a batch of its own; raises BatchError.
    """
    try:
        found = _decode_body(zstandard.ZstdDecompressor().decompress(packed))
    except (zstandard.ZstdError, *DECODING_ERRORS) as error:
        raise BatchError(f"body is damaged: {describe(error)}") from None
    found.records = [
        msgspec.structs.replace(record, time_ms=record.time_ms + shift_ms) for record in found.records
    ]
    return zstandard.ZstdCompressor(level=3).compress(_encode(found))


def erase_records(packed: bytes, pseudonyms: Container[str]) -> tuple[bytes, int]:
    """A body without the records of these pseudonyms, and how many those were; the same body where
    there were none. For a gateway that has to forget somebody; raises BatchError.
    """
    try:
        found = _decode_body(zstandard.ZstdDecompressor().decompress(packed))
    except (zstandard.ZstdError, *DECODING_ERRORS) as error:
        raise BatchError(f"body is damaged: {describe(error)}") from None
    kept = [record for record in found.records if record.pseudonym not in pseudonyms]
    erased = len(found.records) - len(kept)
    if not erased:
        return packed, 0
    found.records = kept
    return zstandard.ZstdCompressor(level=3).compress(_encode(found)), erased


def encode_payload(header: Header, body: bytes) -> bytes:
    return _encode(_Payload(header, body))


def decode_payload(payload: bytes) -> tuple[Header, bytes]:
    """Header and still packed body. Raises BatchError."""
    try:
        found = _decode_payload(payload)
    except DECODING_ERRORS as error:
        raise BatchError(f"not a batch: {describe(error)}") from None
    header = found.header
    if header.format != FORMAT:
        raise BatchError(f"batch format {header.format} is not known, {FORMAT} is")
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
    return identity if identity.sequence >= 1 and 1 <= len(identity.generation) <= 64 else None


def decode_body(header: Header, packed: bytes) -> Body:
    """The readings and records of a batch. Raises BatchError."""
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= BODY_BYTES_MAX:
            raise BatchError(f"body would unpack to {size} bytes, {BODY_BYTES_MAX} are allowed")
        # One frame and nothing after it; a frame may not ask for more memory than its content.
        unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
        found = _decode_body(unpacker.decompress(packed, allow_extra_data=False))
    except zstandard.ZstdError as error:
        raise BatchError(f"body is damaged: {error}") from None
    except DECODING_ERRORS as error:
        raise BatchError(f"body is damaged: {describe(error)}") from None
    if sum(found.counts) != header.readings or len(found.records) != header.records:
        raise BatchError("body and header disagree about the number of readings or records")
    if min(found.counts, default=1) < 1:
        raise BatchError("a series without readings")
    try:
        return _unpack_columns(header, found)
    except (ValueError, IndexError, OverflowError, TypeError) as error:
        raise BatchError(f"columns contradict each other: {error}") from error


def _unpack_columns(header: Header, found: _Body) -> Body:
    time_ms: list[int] = []
    value: list[float] = []
    at = scaled_at = raw_at = 0
    for count, digits in zip(found.counts, found.digits, strict=True):
        time_ms += columns.undelta(found.time_deltas[at : at + count], header.time_base_ms)
        at += count
        if digits == columns.RAW:
            value += found.raw_values[raw_at : raw_at + count]
            raw_at += count
        elif 0 <= digits <= columns.DIGITS_MAX:
            numbers = columns.undelta(found.scaled_deltas[scaled_at : scaled_at + count])
            value += columns.from_scaled(numbers, digits)
            scaled_at += count
        else:
            raise ValueError(f"{digits} decimal digits")
    consumed = (at, scaled_at, raw_at)
    if consumed != (len(found.time_deltas), len(found.scaled_deltas), len(found.raw_values)):
        raise ValueError("column lengths")
    if len(found.series) != len(found.counts) or len(value) != len(time_ms):
        raise ValueError("series and counts")
    if any(not Quality.GOOD <= code <= Quality.STALE for code in found.quality_runs[::2]):
        raise ValueError("a quality code is unknown")
    quality = columns.from_runs(found.quality_runs, header.readings)
    body = Body(found.series, found.counts, time_ms, value, quality, found.records)
    _check_bounds(body)
    return body


def _check_bounds(body: Body) -> None:
    if not all(map(isfinite, body.value)):
        raise ValueError("a value is not finite")
    if body.time_ms and not (min(body.time_ms) >= 0 and max(body.time_ms) <= INT_MAX):
        raise ValueError("a time is out of bounds")
    for record in body.records:
        if not 0 <= record.time_ms <= INT_MAX:
            raise ValueError("the time of a record is out of bounds")
        if not is_finite(record):
            raise ValueError("a number of a record is not finite")
