"""The three-phase meter of the kitchen: a week of power, and its exact integral.

Power is constant within five minutes and repeats every week, so that the energy since the meter
was fitted is a sum and not an approximation.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from typing import Final

from simulators.signals import chance
from simulators.timetable import FIRST_MORNING_MS, MS_PER_DAY, MS_PER_MINUTE, day_of, minute_of, start_of

SLOT_MS: Final = 5 * MS_PER_MINUTE
_SLOTS_PER_DAY: Final = MS_PER_DAY // SLOT_MS
_WEEK_SLOTS: Final = 7 * _SLOTS_PER_DAY
_FITTED_MS: Final = start_of(day_of(FIRST_MORNING_MS)) - 1_400 * MS_PER_DAY
"""A Monday, 200 weeks before the first morning."""
_KWH_PER_W_SLOT: Final = SLOT_MS / 3_600_000 / 1_000


def _slot(school_ms: int) -> int:
    return (school_ms - _FITTED_MS) // SLOT_MS


@lru_cache(maxsize=64)
def _week_w(seed: int, line: int) -> tuple[float, ...]:
    """Watts of one line (1 to 3) in every slot of a week that begins on Monday."""
    found: list[float] = []
    for slot in range(_WEEK_SLOTS):
        minute = minute_of(_FITTED_MS + slot * SLOT_MS)
        cooking = slot // _SLOTS_PER_DAY < 5 and 360 <= minute < 780
        base = 180 + 60 * line
        load = (2_400 + 500 * line) * chance(seed, "cooking", line, slot) if cooking else 0.0
        found.append(base + load + 40 * chance(seed, "idle", line, slot))
    return tuple(found)


@lru_cache(maxsize=8)
def _week_w_sums(seed: int) -> tuple[float, ...]:
    lines = zip(*(_week_w(seed, line) for line in (1, 2, 3)), strict=True)
    return tuple(accumulate(map(sum, lines), initial=0.0))


def power_w(seed: int, line: int, school_ms: int) -> float:
    return _week_w(seed, line)[_slot(school_ms) % _WEEK_SLOTS]


def energy_kwh(seed: int, school_ms: int) -> float:
    """All three lines since the meter was fitted."""
    weeks, slot = divmod(_slot(school_ms), _WEEK_SLOTS)
    sums = _week_w_sums(seed)
    part = ((school_ms - _FITTED_MS) % SLOT_MS) / SLOT_MS
    now_w = sums[slot + 1] - sums[slot]
    return (weeks * sums[-1] + sums[slot] + part * now_w) * _KWH_PER_W_SLOT
