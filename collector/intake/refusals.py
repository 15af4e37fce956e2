"""What becomes of what is refused: counted, logged once, kept in the dead letters, answered."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from collector.intake.contract import Answer
from collector.intake.metrics import LineMetrics
from collector.intake.opening import Refused
from collector.intake.replies import Replies
from collector.overview import Overview
from collector.records import DeadLetter, Records
from foundation.logs import FirstOnly

log = structlog.get_logger()


class Refusals:
    """Strangers are reported apart, so that inventing names cannot silence what is said of a gateway."""

    def __init__(self, records: Records, replies: Replies, overview: Overview, metrics: LineMetrics) -> None:
        self._records = records
        self._replies = replies
        self._overview = overview
        self._metrics = metrics
        self._reported = {True: FirstOnly(keys_max=10_000), False: FirstOnly(keys_max=100)}

    async def settle(self, refused: Sequence[Refused], answer: Answer, now_ms: int) -> None:
        """Raises RecordsUnavailableError; then nobody has been answered."""
        letters = [
            DeadLetter(
                now_ms, one.address.school, one.address.gateway, one.reason, one.detail[:256], one.letter
            )
            for one in refused
            if one.letter
        ]
        if letters:
            await self._records.add_dead_letters(letters)
        for one in refused:
            self._metrics.refused.labels(one.reason).inc()
            self._overview.refused(one.reason)
            self._report(one)
        await self._replies.rejected(refused, answer)

    def _report(self, one: Refused) -> None:
        address = one.address
        if self._reported[one.known].first((address.school, address.gateway, one.reason)):
            log.warning(
                "message refused",
                reason=one.reason,
                detail=one.detail,
                school=address.school,
                gateway=address.gateway,
                size_bytes=one.size_bytes,
            )
