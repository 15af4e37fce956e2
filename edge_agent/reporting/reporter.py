"""The drivers' sink: listens for signs of life, applies the rules of reporting, hands on to the gate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import Sink
from edge_agent.reporting.rules import ReportRule
from edge_agent.reporting.silence import DeviceWatch, WatchedDevice
from edge_agent.reporting.strategies import Aggregate, OnChange, Strategy
from telemetry.quantities import QUANTITIES, Lane, Statistic
from telemetry.readings import Chunk, SeriesKey, SeriesTable

TICK_S: Final = 1.0

log = structlog.get_logger()


class Reporter:
    """Stands before the gate. A chunk in which no series has a rule passes as it is.

    What is left out by a rule is counted in `Counters.thinned`, apart from what is lost. Safety events
    and what concerns a person have no rules.
    """

    def __init__(
        self,
        sink: Sink,
        rules: Sequence[ReportRule],
        watch: DeviceWatch,
        *,
        table: SeriesTable,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._sink = sink
        self._rules = rules
        self._watch = watch
        self._table = table
        self._clock = clock
        self._counters = counters
        self._judged = 0
        self._strategies: dict[int, Strategy] = {}

    def renew(self, rules: Sequence[ReportRule], devices: Iterable[WatchedDevice]) -> None:
        """From now on these rules are in force, and these devices are watched. A series whose rule stays
        keeps what is collected of it; of the others it is handed on.
        """
        self._watch.renew(devices, time.monotonic())
        before, self._rules = self._rules, rules
        out = Chunk()
        for index in list(self._strategies):
            key = self._table[index]
            if _rule_for(key, before) != _rule_for(key, rules):
                self._strategies.pop(index).close(None, out)
        if out:
            self._sink.readings(out)
        self._judged = 0

    def readings(self, chunk: Chunk) -> None:
        self._counters.readings_in += len(chunk)
        self._watch.heard_series(set(chunk.series), time.monotonic(), self._clock.now_ms())
        if not self._rules:
            self._sink.readings(chunk)
            return
        if self._judged < len(self._table):
            self._judge_new_series()
        if self._strategies.keys().isdisjoint(chunk.series):
            self._sink.readings(chunk)
            return
        out = Chunk()
        for series, time_ms, value, quality in zip(
            chunk.series, chunk.time_ms, chunk.value, chunk.quality, strict=True
        ):
            strategy = self._strategies.get(series)
            if strategy is None:
                out.append(series, time_ms, value, quality)
                continue
            before = len(out)
            strategy.offer(time_ms, value, quality, out)
            if len(out) == before:
                self._counters.thinned += 1
        if out:
            self._sink.readings(out)

    def check(self, observation: CheckObservation) -> None:
        self._heard(observation.device)
        self._sink.check(observation)

    def tap(self, observation: TapObservation) -> None:
        self._heard(observation.device)
        self._sink.tap(observation)

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self._heard(device)
        self._sink.refused(device, reason, size_bytes)

    async def run(self) -> None:
        """Closes intervals and looks for the silent, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        now_ms = self._clock.now_ms()
        if changes := self._watch.changes(time.monotonic(), now_ms):
            self._sink.readings(changes)
        self._close(now_ms)

    def flush(self) -> None:
        """Hands on what is collected in intervals that have not ended: nothing more will come."""
        self._close(None)

    def _close(self, now_ms: int | None) -> None:
        out = Chunk()
        for strategy in self._strategies.values():
            strategy.close(now_ms, out)
        if out:
            self._sink.readings(out)

    def _heard(self, device: str) -> None:
        self._watch.heard(device, time.monotonic(), self._clock.now_ms())

    def _judge_new_series(self) -> None:
        first, self._judged = self._judged, len(self._table)
        for index in range(first, self._judged):
            if index in self._strategies:
                continue
            key = self._table[index]
            rule = _rule_for(key, self._rules)
            strategy = None if rule is None else self._strategy(index, key, rule)
            if strategy is not None:
                self._strategies[index] = strategy

    def _strategy(self, index: int, key: SeriesKey, rule: ReportRule) -> Strategy | None:
        quantity = QUANTITIES.get(key.quantity)
        if quantity is None or quantity.urgent or quantity.lane is not Lane.AMBIENT or quantity.statistic:
            return None
        if rule.mode == "on-change" or (rule.mode == "aggregate" and quantity.is_bool):
            return OnChange(index, dead_band=rule.dead_band, heartbeat_s=rule.heartbeat_s)
        if rule.mode == "every":
            return None
        low, high = (
            self._table.index(key._replace(quantity=f"{key.quantity}_{statistic}"))
            for statistic in (Statistic.MIN, Statistic.MAX)
        )
        return Aggregate(index, low, high, interval_s=rule.interval_s)


def _rule_for(key: SeriesKey, rules: Sequence[ReportRule]) -> ReportRule | None:
    return next((one for one in rules if one.fits(key)), None)
