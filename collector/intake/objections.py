"""Why a decoded batch or status is not taken, although its sender is known."""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec.structs import replace

from collector.intake.record_bounds import ID_CHARS_MAX, NAME_CHARS_MAX, Objection, is_name, record_objection
from collector.intake.series_names import SeriesNames
from telemetry.batch import Body, Gap, Header
from telemetry.configuration import DIGEST_CHARS_MAX, REASON_CHARS_MAX
from telemetry.decoding import INT_MAX
from telemetry.packed import READINGS_MAX
from telemetry.quality import ClockQuality
from telemetry.status import Status

TIME_MS_MIN: Final = 946_684_800_000
"""2000-01-01T00:00:00Z: an earlier time comes from a clock that was never set."""
FUTURE_MS_MAX: Final = 24 * 3_600 * 1_000
"""A reading further in the future is a broken clock; it would hide every later value."""
PLAUSIBLE_FROM_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z: while the collector's own clock is behind this, it judges no other clock."""
RECORDS_MAX: Final = 10_000
GAP_READINGS_MAX: Final = 10**12
"""Keeps the sum of all gaps of a gateway within 64 bits."""
_DROPPED_REASONS_MAX: Final = 100
_VERSION_MAX: Final = 2**31 - 1
"""What the database's column takes."""
_LONG_AGO: Final = ("time_too_old", "a time before the year 2000")
_AHEAD: Final = ("time_in_future", "a time more than a day ahead of the collector's clock")


def objection(header: Header, body: Body) -> Objection | None:
    """What speaks against a batch for ever, whatever the time; None when nothing does."""
    if header.stream == "bulk" and body.records:
        return "record_on_bulk", "records travel on the urgent stream"
    if len(body.records) > RECORDS_MAX:
        return "too_many_records", f"more than {RECORDS_MAX} records"
    if not is_name(header.boot, ID_CHARS_MAX) or not is_name(header.policy, ID_CHARS_MAX):
        return "name_not_allowed", f"a boot id or policy of more than {ID_CHARS_MAX} characters"
    names = body.series if isinstance(body.series, SeriesNames) else SeriesNames(body.series)
    for found in (names.objection, *map(record_objection, body.records)):
        if found:
            return found
    if any(not _is_sound(gap) for gap in header.gaps):
        return "absurd_gap", "a gap with more readings than its batches can hold"
    return None


def time_objection(body: Body, now_ms: int, *, judges: bool = True) -> Objection | None:
    """What speaks against the times of a batch, by the collector's clock; None when nothing does. judges:
    whether this clock may call another one fast.
    """
    first_ms, last_ms = _span(body)
    if first_ms < TIME_MS_MIN:
        return _LONG_AGO
    if last_ms > now_ms + FUTURE_MS_MAX:
        return _AHEAD if judges and now_ms >= PLAUSIBLE_FROM_MS else None
    return None


def _span(body: Body) -> tuple[int, int]:
    """The first and the last time of a batch that holds anything."""
    times = [record.time_ms for record in body.records]
    if body.time_ms:
        column = np.asarray(body.time_ms)
        times += int(column.min()), int(column.max())
    return min(times, default=TIME_MS_MIN), max(times, default=TIME_MS_MIN)


def status_objection(status: Status) -> str:
    """Why a status cannot be shown; empty when it can."""
    if not is_name(status.software, NAME_CHARS_MAX):
        return "software version too long"
    if len(status.dropped) > _DROPPED_REASONS_MAX or not all(
        is_name(reason, ID_CHARS_MAX) for reason in status.dropped
    ):
        return "too many or too long reasons"
    counts = (
        status.buffer_batches, status.buffer_bytes, status.readings_in, status.readings_stored,
        *status.dropped.values(),
    )  # fmt: skip
    if not all(0 <= count <= INT_MAX for count in counts):
        return "a count out of bounds"
    said = status.configuration
    if said is not None and (
        len(said.digest) > DIGEST_CHARS_MAX
        or not said.digest.isascii()
        or len(said.reason) > REASON_CHARS_MAX
        or not all(0 <= version <= _VERSION_MAX for version in (said.version, said.refused or 0))
    ):
        return "a configuration out of bounds"
    times_ms = (status.time_ms, status.started_ms, status.buffer_oldest_ms or 0)
    # Year 3000: what a calendar can show.
    return "" if all(0 <= time_ms < 32_503_680_000_000 for time_ms in times_ms) else "a time out of bounds"


def _is_sound(gap: Gap) -> bool:
    return gap.readings <= min((gap.last - gap.first + 1) * READINGS_MAX, GAP_READINGS_MAX) and is_name(
        gap.generation, ID_CHARS_MAX
    )


def at_arrival(header: Header, body: Body, now_ms: int) -> tuple[Header, Body]:
    """The same batch moved in time so that its latest reading or record is of now.

    For an urgent batch whose gateway does not know the time: an alert is never refused for that,
    and its arrival is a better guess. Its clock quality becomes UNSYNCED.
    """
    latest_ms = _span(body)[1]

    def moved(time_ms: int) -> int:
        return max(time_ms - latest_ms + now_ms, TIME_MS_MIN)

    records = [replace(record, time_ms=moved(record.time_ms)) for record in body.records]
    body = body._replace(time_ms=list(map(moved, body.time_ms)), records=records)
    return replace(header, clock=ClockQuality.UNSYNCED), body
