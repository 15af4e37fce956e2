"""Points as CSV (RFC 4180) that a spreadsheet opens: with a byte order mark, and times of the school."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from collector.exports.columns import CSV_COLUMNS, Labelled

BYTE_ORDER_MARK: Final = "\ufeff"
"""Without it Excel reads Chinese names in the wrong encoding."""
_STARTS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def heading() -> bytes:
    return (BYTE_ORDER_MARK + ",".join(CSV_COLUMNS) + "\r\n").encode()


def lines(piece: Labelled, zone: ZoneInfo) -> bytes:
    """The lines of one piece. Takes a while for a large one: not for the event loop."""
    about = [safe(text) for text in piece.about]
    out = io.StringIO(newline="")
    csv.writer(out).writerows(
        (_local(time_ms, zone), time_ms, *about, value, quality, clock, count)
        for time_ms, value, quality, clock, count in piece.rows()
    )
    return out.getvalue().encode()


def safe(text: str) -> str:
    """The text so that no spreadsheet runs it: a gateway or a device could be named like a formula."""
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text


def _local(time_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, zone).isoformat(timespec="milliseconds")
