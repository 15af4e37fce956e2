"""Reads the Bluetooth devices around one adapter, each through its profile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers.ble.bands import AirBands
from edge_agent.drivers.ble.bluez import Bluez, RadioAwayError
from edge_agent.drivers.ble.config import BleSource, ScanMode, bind_device, read_bind_key
from edge_agent.drivers.ble.device import Device
from edge_agent.drivers.ble.hearing import Hearing
from edge_agent.drivers.ble.links import Links
from edge_agent.drivers.ble.period import Scan, StaleError, work
from edge_agent.drivers.ble.shown import Shown
from edge_agent.drivers.ble.turns import Turns
from edge_agent.drivers.contract import DeviceReport, Sink
from edge_agent.identity.overheard import Overheard
from foundation.backoff import Backoff
from foundation.logs import FirstOnly
from telemetry.readings import SeriesTable

log = structlog.get_logger()

AWAY_S_MAX: Final = 10.0
QUIET_S_MAX: Final = 3_600.0
"""Where nobody is, nobody is heard: resets that did not help come ever more rarely, but once an hour."""


class BleDriver:
    """One adapter: scans, connects, and starts over whenever bluetoothd or the adapter failed.

    overheard: who names bands that are not configured. Raises KeyFileError for a bind key that cannot
    be read.
    """

    def __init__(
        self,
        source: BleSource,
        *,
        catalogue: Catalogue,
        table: SeriesTable,
        clock: Clock,
        counters: Counters,
        overheard: Overheard | None = None,
    ) -> None:
        self.name = source.name
        self._source = source
        self._catalogue = catalogue
        self._table = table
        self._clock = clock
        self._counters = counters
        self._keys = {
            device.id: read_bind_key(device.bind_key_file)
            for device in source.devices
            if device.bind_key_file is not None
        }
        self._devices = self._make_devices(counters)
        self._bands = (
            AirBands(source.bands, overheard, catalogue, table)
            if source.bands and overheard is not None
            else None
        )
        self._reported = FirstOnly()
        self._quiet_s = source.stale_s
        self._mode: ScanMode = source.mode
        # Their log lines name addresses, and a band's is personal.
        for library in ("bleak", "dbus_fast"):
            logging.getLogger(library).setLevel(logging.CRITICAL + 1)

    async def run(self, sink: Sink) -> None:
        source = self._source
        turns = Turns(self._devices, source.links_max)
        log.info(
            "listening for Bluetooth devices",
            driver=self.name,
            adapter=source.adapter,
            mode=source.mode,
            devices=len(self._devices),
            bands=[rule.profile for rule in source.bands],
            connections=len(turns.seats),
        )
        self._state_gap(turns)
        backoff = Backoff(0.5, AWAY_S_MAX)
        while True:
            hearing = Hearing(
                self._devices,
                sink,
                self._clock,
                self._counters,
                well=self._well,
                bands=self._bands,
                turns=turns,
            )
            try:
                async with Bluez(source.adapter) as bluez:
                    await self._period(bluez, hearing, turns, sink)
            except RadioAwayError as error:
                if hearing.reports:
                    backoff.reset()
                say = log.warning if self._reported.first("away") else log.debug
                say("no Bluetooth, trying again", driver=self.name, reason=str(error))
                await asyncio.sleep(backoff.delay_s())

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        # Apart from what runs, so that nothing of it is counted there.
        counters = Counters()
        devices = self._make_devices(counters)
        shown = Shown(self._table)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        checking = asyncio.create_task(self._listen(devices, shown, counters), name=f"check-{self.name}")
        waiting = {device.id: device for device in devices}
        try:
            while waiting and not checking.done() and loop.time() < deadline_s:
                await shown.wait(checking, deadline_s - loop.time())
                for name in [name for name in waiting if name in shown.told]:
                    del waiting[name]
                    yield DeviceReport(name, ok=True, text=shown.words(name))
            away = None
            if checking.done() and (error := checking.exception()) is not None:
                if not isinstance(error, RadioAwayError):
                    raise error
                away = str(error)
            for device in waiting.values():
                yield DeviceReport(device.id, ok=False, text=away or _why_not(device, shown))
        finally:
            checking.cancel()
            await asyncio.wait({checking})

    async def _listen(self, devices: Sequence[Device], sink: Sink, counters: Counters) -> None:
        """One period that resets nothing. Raises RadioAwayError."""
        hearing = Hearing(devices, sink, self._clock, counters)
        source = self._source
        # Turns are short, so that each device can be met within the time.
        links = Links(
            self.name, source.adapter, Turns(devices, source.links_max, turn_s_max=1.0), hearing, sink,
            silent_s=source.stale_s,
        )  # fmt: skip
        async with Bluez(source.adapter) as bluez:
            scan = Scan(source.adapter, source.mode, hearing)
            await work(bluez, scan, hearing, links, QUIET_S_MAX)

    async def _period(self, bluez: Bluez, hearing: Hearing, turns: Turns, sink: Sink) -> None:
        """Until something is amiss. Raises RadioAwayError."""
        source = self._source
        if await bluez.switch_on():
            log.warning("the adapter was off and has been switched on", driver=self.name)
        freed = await bluez.free({seat.device.decoder.address for seat in turns.seats})
        if freed:
            log.info("connections left over from before were ended", driver=self.name, connections=freed)
        links = Links(self.name, source.adapter, turns, hearing, sink, silent_s=source.stale_s)
        scan = Scan(source.adapter, self._mode, hearing, fell_back=self._fell_back)
        try:
            await work(bluez, scan, hearing, links, self._quiet_s)
        except StaleError:
            self._counters.radio_resets += 1
            say = log.warning if self._reported.first("stale") else log.debug
            say("nobody is heard: the adapter is reset", driver=self.name, after_s=round(self._quiet_s, 1))
            self._quiet_s = min(2 * self._quiet_s, QUIET_S_MAX)
            if source.mode == "passive" and not hearing.reports:
                # BlueZ may take the order for a passive scan, and drop it without a word.
                self._mode = "active" if self._mode == "passive" else "passive"
                self._fell_back()
            await bluez.reset()

    def _well(self) -> None:
        """Somebody is heard."""
        self._quiet_s = self._source.stale_s
        self._reported.forget("stale")
        if self._reported.forget("away"):
            log.info("Bluetooth is there again", driver=self.name)

    def _fell_back(self) -> None:
        if self._reported.first("passive"):
            log.info("no passive scan is to be had here: scanning actively", driver=self.name)

    def _state_gap(self, turns: Turns) -> None:
        for seat in turns.seats:
            seat.device.counters.gap_s = turns.gap_s
        if turns.crowded:
            log.warning(
                "more devices want a connection than the adapter holds: they take turns",
                driver=self.name,
                devices=len(turns.seats),
                links=turns.links_max,
                gap_s=round(turns.gap_s),
            )

    def _make_devices(self, counters: Counters) -> list[Device]:
        return [
            Device(
                bind_device(device, self._catalogue, self._table, self._keys.get(device.id)),
                counters.devices.setdefault(device.id, DeviceCounters()),
                self._table,
                turn_s=device.turn_s,
                rssi=device.rssi,
            )
            for device in self._source.devices
        ]


def _why_not(device: Device, shown: Shown) -> str:
    if reasons := shown.reasons.get(device.id):
        return f"refused: {', '.join(sorted(reasons))}; is its profile {device.decoder.model} right?"
    if device.counters.last_seen_ms is not None or device.peer is not None:
        if device.wants_link:
            return "is heard, but gives no value over a connection"
        return "is heard, but gives nothing that its profile knows"
    return "is not heard; is it switched on, near, and its address right?"
