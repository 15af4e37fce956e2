"""Removes rows of the audit whose time is over: whole months at a time, so that a cut is seldom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from collector.accounts.trail import CUT_ROWS_MAX, Trail


class AuditKeeper:
    """days: how long a row is kept, at least; on top of that what is left of its month."""

    def __init__(self, trail: Trail, days: int) -> None:
        self._trail = trail
        self._days = days

    async def sweep(self, now_ms: int) -> int:
        """Removes what is due now; how many rows. The caller knows whether the clock can be believed."""
        before_ms, rows = cut_before_ms(now_ms, self._days), 0
        while count := await self._trail.cut(before_ms):
            rows += count
            if count < CUT_ROWS_MAX:
                break
        return rows


def cut_before_ms(now_ms: int, days: int) -> int:
    """The beginning of the month (UTC) that was `days` ago."""
    then = datetime.fromtimestamp(now_ms / 1_000, UTC) - timedelta(days=days)
    month = then.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return round(month.timestamp()) * 1_000
