"""Delivers notices from the outbox: each notifier in a task of its own, so that a dead one delays nobody.

At least once: a notice is marked as sent after it was told, and a collector that is killed in between tells
it again. Tries and age are bounded; what is given up is counted, logged and shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.alerts.numbers import AlertNumbers
from collector.hub import Hub
from collector.notifiers.contract import Notice, Notifier, NotifyError, NotifyLaterError, NotifyNeverError
from collector.notifiers.settings import NotifierSection
from collector.records import Alert, Records, RecordsUnavailableError, RowsRefusedError, notices
from collector.records.notices import Due
from collector.scenarios.kinds import AlertKinds
from collector.text import Text
from collector.web.labels import Labels

TRY_S: Final = 30.0
"""A try that takes longer is ended."""
LEASE_MS: Final = 60_000
"""So long a notice that is being tried is nobody else's."""
TRIES_MAX: Final = 100
AGE_MS_MAX: Final = 24 * 3_600_000
"""After that nobody is helped any more by being told; 100 tries take about as long."""
FIRST_S: Final = 5.0
AGAIN_S_MAX: Final = 900.0
POLL_S: Final = 5.0
"""How often the outbox is looked at although nothing is known of: another collector may have written."""
TIDY_S: Final = 3_600.0
AT_ONCE: Final = 20
SHOWN_MS: Final = 24 * 3_600_000
"""So long /healthz tells of what was given up."""

log = structlog.get_logger()


class DeliveryMetrics:
    """By notifier, as it is called in the configuration."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ["notifier"]
        self.sent = Counter("campus_notices_sent", "Alerts that were told", names, registry=registry)
        self.failures = Counter("campus_notice_failures", "Tries in vain", names, registry=registry)
        self.given_up = Counter(
            "campus_notices_given_up", "Alerts that were not told and never will be", names, registry=registry
        )
        self.waiting = Gauge("campus_notices_waiting", "Alerts still to be told", names, registry=registry)


class Delivery:
    """All notifiers of a collector. `run` works until cancelled; raises only for a fault of the program."""

    def __init__(
        self,
        notifiers: Sequence[tuple[NotifierSection, Notifier]],
        *,
        records: Records,
        hub: Hub,
        kinds: AlertKinds,
        labels: Labels,
        collector: str,
        numbers: AlertNumbers,
        registry: CollectorRegistry,
        now_ms: Callable[[], int],
    ) -> None:
        """collector: its key's id, so that notices of two collectors are never taken for one."""
        self._sections = [section for section, _ in notifiers]
        self._kinds = kinds
        self._records = records
        self._hub = hub
        self._now_ms = now_ms
        metrics = DeliveryMetrics(registry)
        self._metrics = metrics

        def describe(alert: Alert) -> Notice:
            return describe_alert(alert, kinds, labels, collector, numbers)

        self._rounds = {
            section.name: _Round(section.name, notifier, records, describe, metrics, now_ms)
            for section, notifier in notifiers
        }

    def outbox(self, kind: str, school: str) -> list[str]:
        """Who tells of an alert: as the batch line writes it with the alert."""
        return [one.name for one in self._sections if one.wants(kind, school, self._kinds)]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wake(), name="notifiers-wake")
            group.create_task(self._tidy(), name="notifiers-tidy")
            for name, one in self._rounds.items():
                group.create_task(one.run(), name=f"notifier-{name}")

    def health(self) -> Mapping[str, str]:
        """Of each notifier "ok", or its trouble."""
        return {f"notifier {name}": one.health for name, one in self._rounds.items()}

    async def _wake(self) -> None:
        async for topics in self._hub.listen():
            if "alerts" in topics:
                for one in self._rounds.values():
                    one.wake.set()

    async def _tidy(self) -> None:
        while True:
            with contextlib.suppress(RecordsUnavailableError, RowsRefusedError):
                now_ms = self._now_ms()
                lost = await self._records.run(
                    lambda connection: notices.tidy(connection, list(self._rounds), now_ms)  # noqa: B023  # run at once
                )
                if lost:
                    log.warning("alerts waited for notifiers that are not configured any more", notices=lost)
            await asyncio.sleep(TIDY_S)


def describe_alert(
    alert: Alert, kinds: AlertKinds, labels: Labels, collector: str, numbers: AlertNumbers
) -> Notice:
    """What is told of an alert: nothing about a person, whatever it is about, nor how many there are."""
    number = numbers.outside(alert.id)
    kind = kinds.find(alert.kind)
    return Notice(
        id=f"{collector}-{number}",
        alert=number,
        kind=alert.kind,
        title=kind.words if kind else Text(alert.kind, alert.kind),
        school=alert.school,
        place=alert.place,
        place_label=labels.place(alert.place) or Text(alert.place, alert.place),
        time_ms=alert.at_ms,
        severity=kind.severity if kind else "warning",
        doubtful=alert.doubtful,
    )


class _Round:
    """One notifier and its notices."""

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        records: Records,
        describe: Callable[[Alert], Notice],
        metrics: DeliveryMetrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._notifier = notifier
        self._records = records
        self._describe = describe
        self._metrics = metrics
        self._now_ms = now_ms
        self.wake = asyncio.Event()
        self.health = "ok"
        self._trouble = ""
        for counter in (metrics.sent, metrics.failures, metrics.given_up):
            counter.labels(name)  # shown from the start, as nothing

    async def run(self) -> None:
        while True:
            self.wake.clear()
            try:
                pause_s = await self._deliver()
            except (RecordsUnavailableError, RowsRefusedError):
                pause_s = POLL_S  # the line says that the records are away
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self.wake.wait()

    async def _deliver(self) -> float:
        """Everything that is due; how long to wait then."""
        while True:
            now_ms = self._now_ms()
            found = await self._records.look(
                lambda connection: notices.due(connection, self._name, now_ms, AT_ONCE)  # noqa: B023  # run at once
            )
            for one in found:
                await self._try(one)
            next_ms, (waiting, gone) = await self._records.look(
                lambda connection: (
                    notices.next_ms(connection, self._name),
                    notices.count(connection, self._name, now_ms - SHOWN_MS),  # noqa: B023  # as above
                )
            )
            self._show(waiting, gone)
            if len(found) < AT_ONCE:
                left_s = POLL_S if next_ms is None else (next_ms - self._now_ms()) / 1_000
                return min(POLL_S, max(0.05, left_s))

    async def _try(self, one: Due) -> None:
        now_ms = self._now_ms()
        if one.tries >= TRIES_MAX or now_ms - one.alert.opened_ms > AGE_MS_MAX:
            await self._give_up(one, self._trouble or "too old, or tried too often")
            return
        if not await self._records.run(lambda connection: notices.claim(connection, one, now_ms + LEASE_MS)):
            return  # another collector tells it
        try:
            async with asyncio.timeout(TRY_S):
                await self._notifier.notify(self._describe(one.alert))
        except NotifyNeverError as error:
            self._failed(str(error))
            await self._give_up(one, str(error))
        except NotifyError as error:
            after_s = error.retry_after_s if isinstance(error, NotifyLaterError) else None
            await self._put_off(one, str(error), after_s)
        except TimeoutError:
            await self._put_off(one, f"not done within {TRY_S:g} s", None)
        except Exception as error:  # noqa: BLE001  # the supervising boundary of a plug-in
            # Without its words, which are not ours to show.
            await self._put_off(one, f"it failed: {type(error).__name__}", None)
        else:
            await self._records.run(lambda connection: notices.sent(connection, one.id, self._now_ms()))
            self._metrics.sent.labels(self._name).inc()
            if self._trouble:
                log.info("notifier works again", notifier=self._name)
            self._trouble = ""

    async def _put_off(self, one: Due, error: str, after_s: float | None) -> None:
        self._failed(error)
        longest_s = min(AGAIN_S_MAX, FIRST_S * 2.0 ** min(one.tries, 16))
        pause_s = max(after_s or 0.0, longest_s * random.uniform(0.5, 1.0))  # noqa: S311  # spreads tries
        at_ms = self._now_ms() + round(min(pause_s, AGAIN_S_MAX) * 1_000)
        await self._records.run(lambda connection: notices.later(connection, one.id, at_ms, error))

    async def _give_up(self, one: Due, error: str) -> None:
        await self._records.run(lambda connection: notices.give_up(connection, one.id, self._now_ms(), error))
        self._metrics.given_up.labels(self._name).inc()
        log.error("alert was not told", notifier=self._name, alert=one.alert.id, error=error)

    def _failed(self, error: str) -> None:
        self._metrics.failures.labels(self._name).inc()
        if not self._trouble:
            log.warning("notifier fails, what it has to tell waits", notifier=self._name, error=error)
        self._trouble = error

    def _show(self, waiting: int, gone: int) -> None:
        self._metrics.waiting.labels(self._name).set(waiting)
        said = [f"{waiting} waiting: {self._trouble}"] if waiting and self._trouble else []
        said += [f"{gone} given up within a day"] if gone else []
        self.health = "; ".join(said) or "ok"
