"""Who has been heard when, and who has been silent for too long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import structlog

from edge_agent.counters import Counters, DeviceCounters
from telemetry.readings import Chunk, SeriesKey, SeriesTable

SILENT: Final = "device_silent"

log = structlog.get_logger()


class WatchedDevice(NamedTuple):
    """A configured device; `silent_after_s` 0: never called silent."""

    id: str
    place: str
    model: str
    silent_after_s: float


class _State:
    __slots__ = ("after_s", "counters", "heard_s", "id", "seen_ms", "series", "told")

    def __init__(self, device: WatchedDevice, series: int, counters: DeviceCounters, now_s: float) -> None:
        self.id = device.id
        self.after_s = device.silent_after_s
        self.series = series
        self.counters = counters
        self.heard_s = now_s
        self.seen_ms: int | None = None
        self.told: bool | None = None
        """What was handed on last: silent, or not; None before the first word."""


class DeviceWatch:
    """Keeps when each device was heard. Any sign of life counts, a refused message too.

    A change becomes a reading of `device_silent`, so that whoever looks at the room sees it. Times are
    monotonic in seconds; the readings' time is ms UTC.
    """

    def __init__(
        self, devices: Iterable[WatchedDevice], table: SeriesTable, counters: Counters, now_s: float
    ) -> None:
        self._table = table
        self._counters = counters
        self._states: dict[str, _State] = {}
        self.renew(devices, now_s)

    def renew(self, devices: Iterable[WatchedDevice], now_s: float) -> None:
        """From now on these are watched; what is known of those that stay where they are is kept."""
        states: dict[str, _State] = {}
        for one in devices:
            series = self._table.index(SeriesKey(SILENT, one.id, one.place, one.model))
            state = self._states.get(one.id)
            if state is None or state.series != series:
                counters = self._counters.devices.setdefault(one.id, DeviceCounters())
                state = _State(one, series, counters, now_s)
            state.after_s = one.silent_after_s
            states[one.id] = state
        self._states = states
        self._of_series: list[_State | None] = []

    def heard_series(self, series: Iterable[int], now_s: float, now_ms: int) -> None:
        """Readings of these series have come."""
        known = self._of_series
        if len(known) < len(self._table):
            known += [self._states.get(self._table[at].device) for at in range(len(known), len(self._table))]
        for at in series:
            state = known[at]
            if state is not None:
                state.heard_s = now_s
                state.counters.last_seen_ms = now_ms

    def heard(self, device: str, now_s: float, now_ms: int) -> None:
        state = self._states.get(device)
        if state is not None:
            state.heard_s = now_s
            state.counters.last_seen_ms = now_ms

    def changes(self, now_s: float, now_ms: int) -> Chunk:
        """A reading for each device that has fallen silent or speaks again since the last call."""
        chunk = Chunk()
        fell: list[str] = []
        spoke: list[str] = []
        for state in self._states.values():
            if not state.after_s:
                continue
            if state.counters.last_seen_ms != state.seen_ms:
                # Its driver has heard it, if only a heartbeat that gives nothing to hand on.
                state.seen_ms = state.counters.last_seen_ms
                state.heard_s = now_s
            silent = now_s - state.heard_s > state.after_s
            # Its first word is told too: before a restart it may have been called silent.
            unheard = state.told is None and state.counters.last_seen_ms is None
            if silent == state.told or (unheard and not silent):
                continue
            if silent:
                fell.append(state.id)
            elif state.told:
                spoke.append(state.id)
            state.told = state.counters.silent = silent
            chunk.append(state.series, now_ms, float(silent))
        _tell("devices are silent", fell)
        _tell("devices speak again", spoke)
        return chunk


def _tell(what: str, devices: Sequence[str]) -> None:
    if devices:
        say = log.warning if what.endswith("silent") else log.info
        say(what, devices=", ".join(devices[:10]), count=len(devices))
