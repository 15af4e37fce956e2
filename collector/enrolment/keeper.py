"""What enrolment needs done while nobody asks: old keys and certificates end, the list of revoked ones is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Connection

from collector.enrolment.authority import ENDS_SOON
from collector.enrolment.registrar import Registrar
from collector.enrolment.rotation import GRACE_MS
from collector.records import Records, RecordsUnavailableError, enrolment
from collector.records.enrolment import Certificate, Proved
from foundation.logs import FirstOnly
from foundation.oserrors import why

PERIOD_S: Final = 5.0
WARN_MS: Final = 30 * 24 * 60 * 60_000

log = structlog.get_logger()


class Keeper:
    """`proved` tells what gateways were seen to use, `held` their certificates as last read. shown_ends_ms:
    when the certificate ends that they are shown; None without TLS.
    """

    def __init__(
        self,
        registrar: Registrar,
        records: Records,
        *,
        shown_ends_ms: int | None,
        proved: Callable[[], frozenset[Proved]],
        held: Callable[[], Mapping[tuple[str, str], Sequence[Certificate]]],
        metrics: CollectorRegistry,
        now_ms: Callable[[], int],
    ) -> None:
        self._registrar = registrar
        self._records = records
        self._shown_ends_ms = shown_ends_ms
        self._proved = proved
        self._held = held
        self._now_ms = now_ms
        self._reported = FirstOnly(10_000)
        self._expires = Gauge(
            "campus_gateway_certificate_expires",
            "When a gateway's newest certificate ends, seconds since 1970",
            ["school", "gateway"],
            registry=metrics,
        )

    async def run(self) -> None:
        """Works until cancelled; raises only for a fault of the program."""
        while True:
            try:
                await self.round()
            except RecordsUnavailableError:
                pass  # others say so; what is to be done stays to be done
            except OSError as error:
                if self._reported.first("crl"):
                    log.error(
                        "the list of revoked certificates cannot be written, the broker keeps the old one",
                        file=str(self._registrar.authority.crl_file),
                        error=why(error),
                    )
            else:
                self._reported.forget("crl")
            await asyncio.sleep(PERIOD_S)

    async def round(self) -> None:
        """Raises RecordsUnavailableError, and OSError for the list of revoked certificates."""
        now_ms, held = self._now_ms(), self._held()
        self._watch(held, now_ms)
        proved = self._proved()
        overdue = [
            name for name, some in held.items() if len(some) > 1 and some[-1].issued_ms + GRACE_MS <= now_ms
        ]
        if proved or overdue:
            await self._records.run(partial(self._end, proved=proved, overdue=overdue, now_ms=now_ms))
        if await self._records.look(partial(self._crl_is_due, now_ms=now_ms)):
            await self._records.run(partial(self._registrar.renew_crl, now_ms=now_ms))

    def _end(
        self,
        connection: Connection,
        proved: frozenset[Proved],
        overdue: Sequence[tuple[str, str]],
        now_ms: int,
    ) -> None:
        for one in proved:
            if self._registrar.retire(connection, one, now_ms):
                log.info(
                    "new certificate in use, the old one is revoked", school=one.school, gateway=one.gateway
                )
        for school, gateway in overdue:
            newest = enrolment.certificates(connection, school, gateway)[-1:]
            if newest and newest[0].issued_ms + GRACE_MS <= now_ms:
                enrolment.revoke_certificates(connection, school, gateway, now_ms, [newest[0].serial])
                log.warning(
                    "old certificate revoked, the new one was not seen in use", school=school, gateway=gateway
                )

    def _crl_is_due(self, connection: Connection, now_ms: int) -> bool:
        return self._registrar.authority.crl_is_due(enrolment.revoked(connection, now_ms), now_ms)

    def _watch(self, held: Mapping[tuple[str, str], Sequence[Certificate]], now_ms: int) -> None:
        self._expires.clear()
        for (school, gateway), some in held.items():
            newest = some[-1]
            self._expires.labels(school, gateway).set(newest.not_after_ms / 1000)
            if newest.not_after_ms - now_ms < WARN_MS and self._reported.first(newest.serial):
                days = _days(newest.not_after_ms - now_ms)
                log.warning("a gateway's certificate ends soon", school=school, gateway=gateway, days=days)
        left_ms = self._registrar.authority.not_after_ms - now_ms
        if left_ms < ENDS_SOON.total_seconds() * 1000 and self._reported.first("authority"):
            log.warning("the authority's certificate ends soon, see docs/enrolment.md", days=_days(left_ms))
        ends_ms = self._shown_ends_ms
        if ends_ms is not None and ends_ms - now_ms < WARN_MS and self._reported.first("shown"):
            log.warning(
                "the certificate of [intake_http] ends soon, then no gateway posts; renew it and restart",
                days=_days(ends_ms - now_ms),
            )


def _days(span_ms: int) -> int:
    return max(span_ms, 0) // (24 * 60 * 60_000)
