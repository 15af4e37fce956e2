"""Which readings of a batch a server does not take: the others are stored, whatever they came with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from collector.series.contract import SeriesBatch
from collector.series.server_wire import RefusedError

TRIES_MAX: Final = 200
"""Requests for one batch; what is not sorted by then counts as refused."""


async def count_refused(batch: SeriesBatch, write: Callable[[SeriesBatch], Awaitable[None]]) -> int:
    """Writes the batch, halves of its series, and halves of these, until the refused series stand alone. Gives
    how many readings those have. `write` raises RefusedError for a part with any.
    """
    parts, refused = [batch], 0
    for _ in range(TRIES_MAX):
        if not parts:
            break
        part = parts.pop()
        try:
            await write(part)
        except RefusedError:
            if len(part.body.series) == 1:
                refused += len(part.body.time_ms)
            else:
                parts += _halves(part)
    return refused + sum(len(part.body.time_ms) for part in parts)


def _halves(batch: SeriesBatch) -> list[SeriesBatch]:
    body = batch.body
    middle = len(body.series) // 2
    at = sum(body.counts[:middle])
    halves = [
        body._replace(
            series=body.series[series],
            counts=body.counts[series],
            time_ms=body.time_ms[readings],
            value=body.value[readings],
            quality=body.quality[readings],
        )
        for series, readings in (
            (slice(middle), slice(at)),
            (slice(middle, None), slice(at, None)),
        )
    ]
    return [batch._replace(body=half) for half in halves]
