"""A body as it lies in a batch: columns that are still starts and steps.

Everything that can be judged without looking at each reading is judged here, once, for whoever makes
columns of it: `telemetry.batch.decode_body` in plain Python, a collector in its own way.
"""

from __future__ import annotations

import threading
from array import array
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec
import zstandard

from telemetry import columns
from telemetry.decoding import DECODING_ERRORS, INT_MAX, describe
from telemetry.quality import Quality
from telemetry.readings import SeriesKey
from telemetry.records import Record, is_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    SeriesOf = Callable[[bytes], Sequence[SeriesKey]]
    """Decodes a series table."""

READINGS_MAX: Final = 100_000
"""Of one batch. Longer lists are refused before their elements are read: small frames unpack to millions."""
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of an unpacked body; a larger one is refused before it is unpacked."""
_WINDOW_BYTES_MAX: Final = 8 * 1024 * 1024
_LEVEL: Final = 3
_BODY_FORMAT: Final = 2
_LISTS_FROM: Final = b"\x80"
"""In MessagePack; what is below is a small number."""


class PackedError(ValueError):
    """The bytes are no body, or one that contradicts itself."""


class Packed(NamedTuple):
    """Readings grouped by series, `counts[i]` of `series[i]`, at least one of each.

    `time_starts`: ms from the header's base, of each series. `digits`: decimal digits of each series, or
    RAW; `value_starts` has the series with digits only. Steps of all series lie one after another, one
    fewer than there are readings in each. `raw_values` are the readings of the raw series. `quality_runs`:
    code, count, code, count, … of all readings. Unpacked steps and raw values are arrays.
    """

    series: Sequence[SeriesKey]
    counts: list[int]
    time_starts: list[int]
    time_steps: Sequence[int]
    digits: list[int]
    value_starts: list[int]
    value_steps: Sequence[int]
    raw_values: Sequence[float]
    quality_runs: list[int]
    records: list[Record]


_Series = Annotated[list[SeriesKey], msgspec.Meta(max_length=READINGS_MAX)]
_Integers = Annotated[list[int], msgspec.Meta(max_length=READINGS_MAX)]
_Floats = Annotated[list[float], msgspec.Meta(max_length=READINGS_MAX)]
_Runs = Annotated[list[int], msgspec.Meta(max_length=2 * READINGS_MAX)]


class _Format(msgspec.Struct, array_like=True):
    """What a body begins with, but for one of format 1, which begins with its series, a list."""

    format: int


class _Body(msgspec.Struct, array_like=True):
    format: int
    series: msgspec.Raw
    counts: _Integers
    time_starts: _Integers
    time_steps: bytes
    digits: _Integers
    value_starts: _Integers
    value_steps: bytes
    raw_values: bytes
    quality_runs: _Runs
    records: list[Record]


class _Body1(msgspec.Struct, array_like=True):
    """Of format 1: numbers one by one, starts and steps in one column."""

    series: msgspec.Raw
    counts: _Integers
    time_deltas: _Integers
    digits: _Integers
    scaled_deltas: _Integers
    raw_values: _Floats
    quality_runs: _Runs
    records: list[Record]


_encode = msgspec.msgpack.Encoder().encode
_decode_format = msgspec.msgpack.Decoder(_Format).decode
_decode = msgspec.msgpack.Decoder(_Body).decode
_decode_1 = msgspec.msgpack.Decoder(_Body1).decode
decode_series: SeriesOf = msgspec.msgpack.Decoder(_Series).decode


class _Kept(threading.local):
    """Making an unpacker costs more than unpacking a batch; one may be used by one thread only."""

    def __init__(self) -> None:
        # A frame may not ask for more memory than its content.
        self.unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)


_kept = _Kept()


def make_compressor() -> zstandard.ZstdCompressor:
    """For who packs again and again: making one costs more than packing a batch. For one thread."""
    return zstandard.ZstdCompressor(level=_LEVEL)


def pack(found: Packed, compressor: zstandard.ZstdCompressor | None = None) -> bytes:
    """The bytes of a body. The columns of `found` must agree."""
    body = _Body(
        _BODY_FORMAT,
        msgspec.Raw(_encode(found.series)),
        found.counts,
        found.time_starts,
        columns.pack(found.time_steps),
        found.digits,
        found.value_starts,
        columns.pack(found.value_steps),
        array("d", found.raw_values).tobytes(),
        found.quality_runs,
        found.records,
    )
    return (compressor or make_compressor()).compress(_encode(body))


def unpack(packed: bytes, series_of: SeriesOf = decode_series) -> Packed:
    """The inverse of `pack`, also of a body of format 1: one that was buffered by an earlier gateway is
    forwarded by a later one. Raises PackedError. series_of: decodes the series table, for who remembers
    tables.
    """
    try:
        return _opened(packed, series_of)
    except PackedError:
        raise
    except zstandard.ZstdError as error:
        raise PackedError(f"body is damaged: {error}") from None
    except DECODING_ERRORS as error:
        raise PackedError(f"body is damaged: {describe(error)}") from None
    except (ValueError, OverflowError) as error:
        raise PackedError(f"columns contradict each other: {error}") from None


def _opened(packed: bytes, series_of: SeriesOf) -> Packed:
    size = zstandard.frame_content_size(packed)
    if not 0 <= size <= BODY_BYTES_MAX:
        raise PackedError(f"body would unpack to {size} bytes, {BODY_BYTES_MAX} are allowed")
    # One frame and nothing after it.
    content = _kept.unpacker.decompress(packed, allow_extra_data=False)
    if content[1:2] >= _LISTS_FROM:
        return _columns_1(_decode_1(content), series_of)
    found = _decode_format(content).format
    if found != _BODY_FORMAT:
        raise PackedError(f"body format {found} is not known, 1 and {_BODY_FORMAT} are")
    return _columns(_decode(content), series_of)


def _columns(body: _Body, series_of: SeriesOf) -> Packed:
    readings = _readings(body.counts)
    scaled = _scaled(body.counts, body.digits)
    found = Packed(
        series_of(bytes(body.series)),
        body.counts,
        body.time_starts,
        columns.unpack(body.time_steps, readings - len(body.counts)),
        body.digits,
        body.value_starts,
        columns.unpack(body.value_steps, sum(scaled) - len(scaled)),
        array("d", body.raw_values),
        body.quality_runs,
        body.records,
    )
    _check(found)
    return found


def _columns_1(body: _Body1, series_of: SeriesOf) -> Packed:
    _readings(body.counts)
    scaled = _scaled(body.counts, body.digits)
    found = Packed(
        series_of(bytes(body.series)),
        body.counts,
        *_parted(body.time_deltas, body.counts),
        body.digits,
        *_parted(body.scaled_deltas, scaled),
        array("d", body.raw_values),
        body.quality_runs,
        body.records,
    )
    _check(found)
    return found


def _scaled(counts: Sequence[int], digits: Sequence[int]) -> list[int]:
    """The counts of the series that are not raw."""
    return [count for count, places in zip(counts, digits, strict=True) if places != columns.RAW]


def _parted(deltas: Sequence[int], counts: Sequence[int]) -> tuple[list[int], array[int]]:
    """Starts and steps of a column in which each series' start stands before its steps."""
    if len(deltas) != sum(counts):
        raise ValueError("column lengths")
    starts: list[int] = []
    steps = array("q")
    at = 0
    for count in counts:
        starts.append(deltas[at])
        steps.extend(deltas[at + 1 : at + count])
        at += count
    return starts, steps


def _readings(counts: Sequence[int]) -> int:
    if min(counts, default=1) < 1:
        raise ValueError("a series without readings")
    return sum(counts)


def _check(found: Packed) -> None:
    if not len(found.series) == len(found.counts) == len(found.time_starts) == len(found.digits):
        raise ValueError("series and counts")
    if not columns.RAW <= min(found.digits, default=0) <= max(found.digits, default=0) <= columns.DIGITS_MAX:
        raise ValueError("decimal digits out of bounds")
    for starts in (found.time_starts, found.value_starts):
        if starts and (min(starts) < -INT_MAX or max(starts) > INT_MAX):
            raise ValueError("a start is out of bounds")
    _check_lengths(found)
    _check_quality(found.quality_runs, sum(found.counts))
    for record in found.records:
        if not 0 <= record.time_ms <= INT_MAX:
            raise ValueError("the time of a record is out of bounds")
        if not is_finite(record):
            raise ValueError("a number of a record is not finite")


def _check_lengths(found: Packed) -> None:
    scaled = _scaled(found.counts, found.digits)
    expected = (
        sum(found.counts) - len(found.counts),
        len(scaled),
        sum(scaled) - len(scaled),
        sum(found.counts) - sum(scaled),
    )
    lengths = (len(found.time_steps), len(found.value_starts), len(found.value_steps), len(found.raw_values))
    if lengths != expected:
        raise ValueError("column lengths")


def _check_quality(runs: Sequence[int], readings: int) -> None:
    if len(runs) % 2 or sum(runs[1::2]) != readings or min(runs[1::2], default=1) < 1:
        raise ValueError(f"quality runs do not add up to {readings} readings")
    if any(not Quality.GOOD <= code <= Quality.STALE for code in runs[::2]):
        raise ValueError("a quality code is unknown")
