"""How fine an answer is: the step that a question leaves to the server, and what windows were made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from collector.series.contract import POINTS_MAX, Reach, SeriesStore

POINTS_WANTED: Final = 2_000
"""A series, at most; a screen shows fewer."""
AUTO: Final = "auto"
Resolution = Literal["raw", "1m", "1h"]
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_STEPS_MS: Final = (
    *(minutes * _MINUTE_MS for minutes in (1, 5, 10, 15, 30)),
    *(hours * _HOUR_MS for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY_MS for days in (1, 7, 28, 364)),
)
_PROBE_DAYS: Final = 400
"""A longer question is looked through by quarters of a year instead of days."""


def resolution_of(step_ms: int | None, first_ms: int, reach: Reach) -> Resolution:
    """What the windows of an answer may be made of, at the coarsest; the first begins at `first_ms`."""
    if step_ms is None or step_ms % _MINUTE_MS:
        return "raw"
    return "1h" if step_ms % _HOUR_MS == 0 or first_ms < reach.minutes_ms else "1m"


async def choose_step(
    store: SeriesStore, ids: Sequence[int], start_ms: int, end_ms: int, points: int = POINTS_WANTED
) -> int | None:
    """None, where the points themselves are there and few enough; else the least step that gives no more
    rows than `points` a series. Raises what `SeriesStore.query` does.
    """
    reach, wanted = store.reach(), min(points, POINTS_MAX // max(1, len(ids)) - 2)
    probe_ms = _DAY_MS if end_ms - start_ms <= _PROBE_DAYS * _DAY_MS else 91 * _DAY_MS
    found = await store.query(ids, start_ms, end_ms, step_ms=probe_ms, aggregate="count")
    if start_ms >= reach.raw_ms and all(sum(one.counts) <= wanted for one in found):
        return None
    first_ms = min((one.time_ms[0] for one in found if one.time_ms), default=start_ms)
    last_ms = max((one.time_ms[-1] for one in found if one.time_ms), default=end_ms - probe_ms)
    first_ms, last_ms = max(first_ms, start_ms), min(last_ms + probe_ms, end_ms)
    if probe_ms > _DAY_MS and last_ms - first_ms <= _PROBE_DAYS * _DAY_MS:
        return await choose_step(store, ids, first_ms, last_ms, points)
    least_ms = _HOUR_MS if first_ms < reach.minutes_ms else _MINUTE_MS
    return next(
        (
            step_ms
            for step_ms in _STEPS_MS
            if step_ms >= least_ms and (last_ms - first_ms) // step_ms < wanted
        ),
        _STEPS_MS[-1],
    )
