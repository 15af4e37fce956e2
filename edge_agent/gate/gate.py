"""Decides what may pass from the drivers to the buffer, and in which form. Default: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import structlog

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.gate.admission import NOT_IN_POLICY, Admission
from edge_agent.gate.checks import MorningChecks
from edge_agent.gate.heart_rate import HeartRates
from edge_agent.gate.policy import Policy, RecordRule
from edge_agent.gate.routes import WORN, Routes
from edge_agent.gate.safety import SafetyEvents
from edge_agent.gate.taps import Access, Meals
from edge_agent.identity.carriers import Carriers
from edge_agent.identity.credentials import Credentials, Lookup
from foundation.logs import FirstOnly
from telemetry.limits import Limits
from telemetry.readings import Chunk, SeriesTable
from telemetry.records import Record

TICK_S: Final = 1.0

log = structlog.get_logger()


class Outlet(Protocol):
    """What stands behind the gate."""

    def bulk(self, chunk: Chunk) -> None: ...

    def urgent(self, chunk: Chunk | None, records: Sequence[Record], *, alarm: bool) -> None:
        """What is to be on its way at once."""

    def records(self, records: Sequence[Record]) -> None:
        """What can wait until the batch closes."""


class Gate:
    """The drivers' sink. Ambient readings pass if their quantity is registered, safety events among
    them on the urgent stream; what concerns a person passes as a typed record under a pseudonym, if
    the policy names it and the person's permits allow it. What does not pass is counted by reason.
    """

    def __init__(
        self,
        table: SeriesTable,
        clock: Clock,
        credentials: Credentials,
        carriers: Carriers,
        outlet: Outlet,
        counters: Counters,
        limits: Limits,
        *,
        policy: Policy,
        meals: Collection[str],
        zone: ZoneInfo,
    ) -> None:
        """meals: readers at which a tap is a meal. zone: in which it is lunchtime or not."""
        self._table = table
        self._carriers = carriers
        self._outlet = outlet
        self._counters = counters
        self._reported = FirstOnly()
        self._meal_readers = frozenset(meals)
        rules = policy.records

        def admission(record: str, rule: RecordRule) -> Admission:
            return Admission(record, rule, credentials, clock)

        self._safety = SafetyEvents(
            rules.safety_event, admission("safety_event", rules.safety_event), carriers
        )
        self._checks: MorningChecks | None = None
        if rules.morning_check:
            judged = admission("morning_check", rules.morning_check)
            self._checks = MorningChecks(rules.morning_check, judged, limits)
        self._access: Access | None = None
        if rules.access_event:
            self._access = Access(rules.access_event, admission("access_event", rules.access_event))
        self._meals: Meals | None = None
        if rules.meal_record:
            judged = admission("meal_record", rules.meal_record)
            self._meals = Meals(policy, rules.meal_record, judged, zone)
        self._heart_rates: HeartRates | None = None
        if rules.heart_rate_window:
            judged = admission("heart_rate_window", rules.heart_rate_window)
            self._heart_rates = HeartRates(
                table, rules.heart_rate_window, judged, carriers, clock, counters.dropped
            )
        self._routes = Routes(
            table,
            policy,
            carriers,
            scales=bool(self._meals and self._meals.needs_scales and self._meal_readers),
            reported=self._reported,
        )
        self._special = self._routes.special

    def readings(self, chunk: Chunk) -> None:
        routes = self._routes
        if routes.judged < len(self._table) or routes.changes != self._carriers.changes:
            routes.renew()
        if self._special.isdisjoint(chunk.series):
            self._outlet.bulk(chunk)
        elif routes.heart_rates.issuperset(chunk.series):
            self._take_heart_rates(chunk)
        else:
            self._sort(chunk)

    def _sort(self, chunk: Chunk) -> None:
        routes, dropped = self._routes, self._counters.dropped
        bulk, dangers, heart_rates = Chunk(), Chunk(), Chunk()
        for row in _rows(chunk):
            series, _, value, _ = row
            if series in routes.refused:
                dropped[routes.refused[series]] += 1
            elif series in routes.heart_rates:
                heart_rates.append(*row)
            elif series in routes.dangers and value == 1:
                dangers.append(*row)
            elif series in routes.carried:
                dropped[WORN] += 1
            else:
                bulk.append(*row)
        if dangers:
            self._warn(dangers)
        if not routes.scales.isdisjoint(bulk.series):
            self._weigh(bulk)
        if bulk:
            self._outlet.bulk(bulk)
        if heart_rates:
            self._take_heart_rates(heart_rates)

    def _warn(self, chunk: Chunk) -> None:
        """Of what belongs to a room the reading passes and a record; of what is carried, a record alone."""
        readings, records = Chunk(), list[Record]()
        for row in _rows(chunk):
            series, time_ms, _, _ = row
            key = self._table[series]
            if series in self._routes.carried:
                records.append(self._safety.of_carrier(key, time_ms))
            else:
                readings.append(*row)
                records.append(self._safety.of_room(key, time_ms))
        self._outlet.urgent(readings or None, records, alarm=True)

    def _weigh(self, chunk: Chunk) -> None:
        for series, time_ms, value, _ in _rows(chunk):
            if self._meals is not None and series in self._routes.scales:
                self._meals.weigh(self._table[series].place, time_ms, value)

    def _take_heart_rates(self, chunk: Chunk) -> None:
        if self._heart_rates is None:
            self._counters.dropped[NOT_IN_POLICY] += len(chunk)
        elif closed := self._heart_rates.take(chunk):
            self._outlet.records(closed)

    def check(self, observation: CheckObservation) -> None:
        self._counters.checks_in += 1
        found = NOT_IN_POLICY if self._checks is None else self._checks.take(observation)
        if isinstance(found, str):
            self._drop(found)
        else:
            record, fever = found
            self._outlet.urgent(None, (record,), alarm=fever)

    def tap(self, observation: TapObservation) -> None:
        kind = self._meals if observation.device in self._meal_readers else self._access
        found = NOT_IN_POLICY if kind is None else kind.take(observation)
        if isinstance(found, str):
            self._drop(found)
        else:
            self._outlet.records((found,))

    def _drop(self, reason: str) -> None:
        self._counters.dropped[reason] += 1
        if reason == Lookup.MAP_UNUSABLE.value and self._reported.first(reason):
            log.error("no usable credential map: of what concerns people only alarms pass, anonymously")

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self._counters.refused[device, reason] += 1
        if self._reported.first((device, reason)):
            log.warning("device input refused", device=device, reason=reason, size_bytes=size_bytes)

    async def run(self) -> None:
        """Closes the windows that time has ended, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """To be called every second or so."""
        if self._heart_rates and (closed := self._heart_rates.tick()):
            self._outlet.records(closed)

    def flush(self) -> None:
        """Hands on what is in open windows: the drivers have stopped."""
        if self._heart_rates and (closed := self._heart_rates.close()):
            self._outlet.records(closed)


def _rows(chunk: Chunk) -> Iterator[tuple[int, int, float, int]]:
    return zip(chunk.series, chunk.time_ms, chunk.value, chunk.quality, strict=True)
