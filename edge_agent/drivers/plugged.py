"""Drivers of plug-ins, kept apart from the rest: what one gets wrong costs its own devices only."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from math import isfinite
from typing import Final, TypeVar

import msgspec
import structlog

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.drivers.contract import DeviceReport, Driver, Sink
from edge_agent.drivers.plugin import DriverParts, PluginSource
from foundation.faults import kind_of
from foundation.logs import FirstOnly
from foundation.plugins import PluginError, cause_of
from telemetry.quality import Quality
from telemetry.readings import Chunk

UNUSABLE: Final = "plugin_unusable"
"""Readings of a plug-in that cannot be ones: not of its devices, or no number with a time."""
TIME_MS_MAX: Final = 2**53
VALUE_MAX: Final = sys.float_info.max
REASONS_MAX: Final = 32
"""Different reasons for refusals of one driver."""
_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_QUALITIES: Final = frozenset(map(int, Quality))

Observation = TypeVar("Observation", CheckObservation, TapObservation)

log = structlog.get_logger()


def make_plugged(source: PluginSource, parts: DriverParts) -> Driver:
    """The driver of a table ``[[plugin.NAME]]``. Raises PluginError."""
    try:
        driver = source.plugin.make(source.settings, parts)
    except Exception as error:
        raise PluginError(
            f"{source.offer.shown} makes no driver for {source.name}: {cause_of(error)}; look at its table, or "
            "take it out of plugins.enabled"
        ) from error
    if not all(callable(getattr(driver, method, None)) for method in ("run", "check")):
        raise PluginError(f"{source.offer.shown} makes a {type(driver).__name__}, which is no driver")
    return PluggedDriver(driver, source, parts)


class PluggedDriver:
    """A plug-in's driver behind a guard: what it gives must be readings of its own devices."""

    def __init__(self, driver: Driver, source: PluginSource, parts: DriverParts) -> None:
        self.name = source.name
        self._driver = driver
        self._plugin = source.offer.name
        self._parts = parts
        self._devices = frozenset(device.id for device in source.devices)

    async def run(self, sink: Sink) -> None:
        await self._driver.run(GuardedSink(sink, self._devices, self._plugin, self._parts))

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        waiting = set(self._devices)
        why = "its driver did not report it"
        try:
            # The driver bounds itself; this bounds a driver that does not.
            async with asyncio.timeout(timeout_s * 2):
                async for report in self._driver.check(timeout_s):
                    waiting.discard(report.device)
                    yield report
        except TimeoutError:
            why = f"no answer within {timeout_s:g} s"
        except Exception as error:  # noqa: BLE001  # a supervising boundary: its devices are reported all the same
            why = f"its driver failed: {kind_of(error)}"
        for device in sorted(waiting):
            yield DeviceReport(device, ok=False, text=f"{why} (plug-in {self._plugin})")


class GuardedSink:
    """Lets pass what can be a reading of the plug-in's own devices."""

    def __init__(self, sink: Sink, devices: frozenset[str], plugin: str, parts: DriverParts) -> None:
        self._sink = sink
        self._devices = devices
        self._plugin = plugin
        self._parts = parts
        self._reasons: set[str] = set()
        self._reported = FirstOnly()

    def readings(self, chunk: Chunk) -> None:
        good, lost = Chunk(), 0
        try:
            columns = list(zip(chunk.series, chunk.time_ms, chunk.value, chunk.quality, strict=True))
        except (TypeError, ValueError, AttributeError):
            columns, lost = [], 1
        for series, time_ms, value, quality in columns:
            if self._is_reading(series, time_ms, value, quality):
                good.append(series, time_ms, float(value), quality)
            else:
                lost += 1
        if lost:
            self._lost(lost, "readings")
        if good:
            self._sink.readings(good)

    def _is_reading(self, series: object, time_ms: object, value: object, quality: object) -> bool:
        table = self._parts.table
        return (
            type(series) is int
            and 0 <= series < len(table)
            and table[series].device in self._devices
            and type(time_ms) is int
            and abs(time_ms) <= TIME_MS_MAX
            and isinstance(value, int | float)
            and abs(value) <= VALUE_MAX
            and isinstance(quality, int)
            and quality in _QUALITIES
        )

    def check(self, observation: CheckObservation) -> None:
        found = self._observation(observation, CheckObservation)
        if found is not None and isfinite(found.temperature_c) and isfinite(found.ambient_c or 0.0):
            self._sink.check(found)
        else:
            self._lost(1, "checks")

    def tap(self, observation: TapObservation) -> None:
        found = self._observation(observation, TapObservation)
        if found is not None:
            self._sink.tap(found)
        else:
            self._lost(1, "taps")

    def _observation(self, given: tuple[object, ...], expected: type[Observation]) -> Observation | None:
        """The same, if each field is what it must be; a named tuple checks nothing by itself."""
        try:
            found = msgspec.convert(tuple(given), expected)
        except (msgspec.ValidationError, TypeError):
            return None
        return found if found.device in self._devices and abs(found.time_ms) <= TIME_MS_MAX else None

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        # A reason becomes a label of a metric: a word of a few, never a part of the input.
        if len(self._reasons) < REASONS_MAX and _REASON.fullmatch(reason):
            self._reasons.add(reason)
        known = device if device in self._devices else "unknown"
        self._sink.refused(known, reason if reason in self._reasons else UNUSABLE, int(size_bytes))

    def _lost(self, count: int, what: str) -> None:
        self._parts.counters.dropped[UNUSABLE] += count
        if self._reported.first(what):
            log.error("a plug-in's driver gives what cannot be used", plugin=self._plugin, what=what)
