"""From batches to blocks: what one request carries, and what it changes in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from collector.series.contract import BatchKey, Point, SeriesBatch
from collector.series.line_protocol import line_ends
from collector.series.memory_index import Origin, SeriesName
from collector.series.metric_names import UnnamedQuantityError
from collector.series.server_index import Entry, SameIdError, ServerIndex
from telemetry.quality import pack_quality

BLOCK_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of lines; a block holds one batch at least. InfluxDB 1.x takes 25 MB in one request."""


class Block(NamedTuple):
    """Lines of some batches, and the latest point that each of their series gets by them. `packed`: the
    lines again, to be held.
    """

    keys: tuple[BatchKey, ...]
    lines: bytes
    latest: list[tuple[Entry, Point]]
    packed: bytes = b""


class TimeBounds(NamedTuple):
    """What the server keeps: times from `first_ms`, which it would forget at once, to `last_ms`."""

    first_ms: int
    last_ms: int


class Encoded(NamedTuple):
    """Blocks of all batches but the refused ones. `too_old` points were left out."""

    blocks: list[Block]
    refused: dict[BatchKey, str]
    too_old: int


def encode(
    index: ServerIndex,
    batches: Sequence[SeriesBatch],
    bounds: TimeBounds,
    packing: Callable[[bytes], bytes] | None = None,
) -> Encoded:
    """Every batch once."""
    blocks: list[Block] = []
    refused: dict[BatchKey, str] = {}
    too_old = 0
    keys: list[BatchKey] = []
    texts: list[bytes] = []
    latest: list[tuple[Entry, Point]] = []
    for batch in {batch.key: batch for batch in batches}.values():
        try:
            lines, points, old = _lines(index, batch, bounds)
        except (UnnamedQuantityError, SameIdError, _TooFarAheadError) as error:
            refused[batch.key] = str(error)
            continue
        too_old += old
        if texts and sum(map(len, texts)) + len(lines) > BLOCK_BYTES_MAX:
            blocks.append(_block(keys, texts, latest))
            keys, texts, latest = [], [], []
        if lines:
            keys.append(batch.key)
            texts.append(lines)
            latest += points
    if texts:
        blocks.append(_block(keys, texts, latest))
    if packing:
        blocks = [block._replace(packed=packing(block.lines)) for block in blocks]
    return Encoded(blocks, refused, too_old)


def _block(keys: list[BatchKey], texts: list[bytes], latest: list[tuple[Entry, Point]]) -> Block:
    # One batch alone, which is often, is not copied.
    return Block(tuple(keys), texts[0] if len(texts) == 1 else b"".join(texts), latest)


class _TooFarAheadError(ValueError):
    pass


def _lines(
    index: ServerIndex, batch: SeriesBatch, bounds: TimeBounds
) -> tuple[bytes, list[tuple[Entry, Point]], int]:
    body, clock = batch.body, batch.clock
    if body.time_ms and max(body.time_ms) > bounds.last_ms:
        raise _TooFarAheadError("a time further ahead than the series store takes")
    old = bool(body.time_ms) and min(body.time_ms) < bounds.first_ms
    origin = Origin(batch.key.school, batch.key.gateway)
    parts: list[bytes] = []
    latest: list[tuple[Entry, Point]] = []
    left_out = end = 0
    before: list[int] = []
    spread: list[int] = []
    ends: list[bytes] = []
    for key, count in zip(body.series, body.counts, strict=True):
        start, end = end, end + count
        entry = index.entry(SeriesName(origin, key))
        times, values = body.time_ms[start:end], body.value[start:end]
        qualities = body.quality[start:end]
        if old:
            times, values, qualities = _without_old(times, values, qualities, bounds.first_ms)
            left_out += count - len(times)
            if not times:
                continue
        if times != before:
            before, spread = times, _spread(times)
            ends = line_ends(spread)
        times = spread
        parts += entry.head.parts(ends, values, qualities, clock)
        newest = max(times)
        at = len(times) - 1
        if times[at] != newest:
            at -= times[::-1].index(newest)
        latest.append((entry, Point(newest, values[at], pack_quality(qualities[at], clock))))
    return b"".join(parts), latest, left_out


def _spread(times: list[int]) -> list[int]:
    """Each time once, in the order of the readings: of several at one time each later one is moved on by a
    millisecond. A burst that came in one millisecond would be one point else. The same batch is always
    spread the same way.
    """
    if len(set(times)) == len(times):
        return times
    spread = times.copy()
    last = -1
    for index in sorted(range(len(times)), key=times.__getitem__):
        last = spread[index] = max(times[index], last + 1)
    return spread


def _without_old(
    times: list[int], values: list[float], qualities: list[int], first_ms: int
) -> tuple[list[int], list[float], list[int]]:
    at = [index for index, time_ms in enumerate(times) if time_ms >= first_ms]
    return [times[i] for i in at], [values[i] for i in at], [qualities[i] for i in at]
