"""From batches to blocks: what one request carries, and what it changes in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from collector.series.contract import BatchKey, Point, SeriesBatch
from collector.series.line_protocol import all_ordinary, join_plain, line_ends
from collector.series.memory_index import Origin, SeriesName
from collector.series.metric_names import UnnamedQuantityError
from collector.series.server_index import Entry, SameIdError, ServerIndex
from telemetry.batch import Body
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


class _Lines(NamedTuple):
    lines: bytes
    latest: list[tuple[Entry, Point]]
    too_old: int


def _lines(index: ServerIndex, batch: SeriesBatch, bounds: TimeBounds) -> _Lines:
    if not batch.body.time_ms:
        return _Lines(b"", [], 0)
    body = _in_lists(batch.body)
    if max(body.time_ms) > bounds.last_ms:
        raise _TooFarAheadError("a time further ahead than the series store takes")
    entries = _entries(index, batch)
    plain = not batch.clock and not any(body.quality) and min(body.time_ms) >= bounds.first_ms
    if plain and (not index.make_head.ordinary_only or all_ordinary(body.value)):
        return _plain_lines(entries, body)
    return _any_lines(entries, body, batch.clock, bounds)


class _Columns(NamedTuple):
    """Of a body, as lists, from which text is made faster than from anything else."""

    counts: list[int]
    time_ms: list[int]
    value: list[float]
    quality: list[int]


def _in_lists(body: Body) -> _Columns:
    return _Columns(
        body.counts,
        np.asarray(body.time_ms, np.int64).tolist(),
        np.asarray(body.value, np.float64).tolist(),
        np.asarray(body.quality, np.uint8).tolist(),
    )


def _entries(index: ServerIndex, batch: SeriesBatch) -> list[Entry]:
    origin = Origin(batch.key.school, batch.key.gateway)
    known = index.of(origin)
    return [known.get(key) or index.entry(SeriesName(origin, key)) for key in batch.body.series]


def _plain_lines(entries: Sequence[Entry], body: _Columns) -> _Lines:
    """Of good readings, which most are: what can be done for all series at once is."""
    heads: list[bytes] = []
    latest: list[tuple[Entry, Point]] = []
    # Series of one device often share their times, which are then written once.
    times: list[int] = []
    shared: list[slice] = []
    before: list[int] = []
    newest = at = end = 0
    for entry, count in zip(entries, body.counts, strict=True):
        start, end = end, end + count
        heads += [entry.head.value] * count
        here = body.time_ms[start:end]
        if here != before:
            before, spread = here, _spread(here)
            newest, at = _newest(spread)
            times += spread
        shared.append(slice(len(times) - count, len(times)))
        latest.append((entry, Point(newest, body.value[start + at], 0)))
    written = line_ends(times)
    ends: list[bytes] = []
    for one in shared:
        ends += written[one]
    return _Lines(join_plain(heads, ends, body.value), latest, 0)


def _any_lines(entries: Sequence[Entry], body: _Columns, clock: int, bounds: TimeBounds) -> _Lines:
    """Series by series."""
    parts: list[bytes] = []
    latest: list[tuple[Entry, Point]] = []
    left_out = end = 0
    for entry, count in zip(entries, body.counts, strict=True):
        start, end = end, end + count
        times, values, qualities = _not_old(body, start, end, bounds.first_ms)
        left_out += count - len(times)
        if times:
            times = _spread(times)
            parts += entry.head.parts(line_ends(times), values, qualities, clock)
            newest, at = _newest(times)
            latest.append((entry, Point(newest, values[at], pack_quality(qualities[at], clock))))
    return _Lines(b"".join(parts), latest, left_out)


def _newest(times: list[int]) -> tuple[int, int]:
    """The latest time, and where it is."""
    newest = max(times)
    return newest, len(times) - 1 if times[-1] == newest else times.index(newest)


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


def _not_old(body: _Columns, start: int, end: int, first_ms: int) -> tuple[list[int], list[float], list[int]]:
    """Times, values and qualities of one series, without what the server would forget at once."""
    at = [index for index in range(start, end) if body.time_ms[index] >= first_ms]
    return [body.time_ms[i] for i in at], [body.value[i] for i in at], [body.quality[i] for i in at]
