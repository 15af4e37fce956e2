"""Thinning: a bulk batch keeps about every fourth reading of each series.

A chart of last week then has a coarser line instead of a hole.
"""

from __future__ import annotations

from typing import Final

from edge_agent.buffer.contract import Item
from telemetry.batch import FORMAT, BatchError, Header, decode_body, encode_body

KEEP_EVERY: Final = 4


def thin(item: Item) -> Item | None:
    """The item with fewer readings: of each series the first, the last and every fourth between.

    Records are all kept. None when nothing would be saved, or the body cannot be read.
    """
    header = Header(
        FORMAT,
        "",
        "",
        item.stream,
        "-",
        1,
        item.time_base_ms,
        item.clock,
        "",
        "",
        item.readings,
        item.records,
    )
    try:
        body = decode_body(header, item.body)
    except BatchError:
        return None
    kept = 0
    series_columns = []
    at = 0
    for key, count in zip(body.series, body.counts, strict=True):
        chosen = [at + i for i in range(count) if i % KEEP_EVERY == 0 or i == count - 1]
        at += count
        kept += len(chosen)
        series_columns.append(
            (
                key,
                [body.time_ms[i] for i in chosen],
                [body.value[i] for i in chosen],
                [body.quality[i] for i in chosen],
            )
        )
    if kept == item.readings:
        return None
    packed = encode_body(series_columns, body.records, item.time_base_ms)
    if len(packed) >= len(item.body):
        return None
    return item._replace(body=packed, readings=kept)
