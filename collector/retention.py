"""Deletes what has been kept long enough: on start, and every hour."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from collector.records import Records, RecordsUnavailableError, retention
from foundation.logs import FirstOnly
from telemetry.records import RECORD_TYPES

RETRY_S: Final = 60.0
"""After a sweep that the database did not let through."""

log = structlog.get_logger()


class Sweeper:
    """Keeps records no longer than `RECORD_TYPES` allows, in transactions of a thousand rows."""

    def __init__(
        self,
        records: Records,
        registry: CollectorRegistry,
        now_ms: Callable[[], int],
        may_delete: Callable[[], bool] = lambda: True,
        audit: Callable[[int], Awaitable[int]] | None = None,
    ) -> None:
        """may_delete: whether the clock of `now_ms` can be believed. audit: what removes rows of the audit that
        are due at a time; how many.
        """
        self._records = records
        self._now_ms = now_ms
        self._may_delete = may_delete
        self._audit = audit
        self._reported = FirstOnly()
        self._deleted = Counter(
            "campus_retention_deleted",
            "Rows deleted because their time was over, by record type; dead letters and rows of the audit too",
            ["record_type"],
            registry=registry,
        )
        self._stripped = Counter(
            "campus_retention_stripped_alerts",
            "Alerts freed of value, pseudonym and class because their record's time was over",
            registry=registry,
        )

    async def run(self) -> None:
        """Sweeps until cancelled; raises only for a fault of the program."""
        while True:
            if not self._may_delete():
                if self._reported.first("clock"):
                    log.warning("nothing is deleted while the clock is in doubt; /healthz says why")
                await asyncio.sleep(RETRY_S)
                continue
            try:
                await self.sweep()
            except RecordsUnavailableError as error:
                log.error("records are kept longer than they may be, until this passes", error=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(retention.PERIOD_S)

    async def sweep(self) -> int:
        """Deletes what is due now; how many rows. Raises RecordsUnavailableError."""
        now_ms, rows = self._now_ms(), 0
        for name in RECORD_TYPES:
            while count := await self._records.run(
                partial(retention.delete_due, record_type=name, now_ms=now_ms)
            ):
                self._deleted.labels(name).inc(count)
                rows += count
            while count := await self._records.run(
                partial(retention.strip_alerts, record_type=name, now_ms=now_ms)
            ):
                self._stripped.inc(count)
                rows += count
        letters = await self._records.run(partial(retention.delete_old_letters, now_ms=now_ms))
        self._deleted.labels("dead_letter").inc(letters)
        rows += letters
        if self._audit is not None:
            old = await self._audit(now_ms)
            self._deleted.labels("audit").inc(old)
            rows += old
        if rows:
            await self._records.empty_journal()
            log.info("deleted what was kept long enough", rows=rows)
        return rows
