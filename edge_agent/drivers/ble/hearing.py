"""From what bleak hears to readings: each advertisement to the device it is from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from device_profiles.ble import Advertisement, BleDecoder
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.ble.bands import AirBands
from edge_agent.drivers.ble.device import Device
from edge_agent.drivers.ble.turns import Turns
from edge_agent.drivers.contract import Sink
from telemetry.readings import Chunk

UNKNOWN_RSSI: Final = -127


class Hearing:
    """Takes advertisements. Readings that come in one turn of the event loop go on together.

    heard_s: when anybody was heard last, monotonic. well: called when the first is heard. bands: what is
    made of advertisements of nobody that is configured; turns: where those that must be connected to sit.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        sink: Sink,
        clock: Clock,
        counters: Counters,
        *,
        well: Callable[[], None] = lambda: None,
        bands: AirBands | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.devices = devices
        self.heard_s = asyncio.get_running_loop().time()
        self.reports = 0
        self.bands = bands
        self._turns = turns
        self._well = well
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._by_address: dict[str, list[Device]] = {}
        for device in devices:
            self._by_address.setdefault(device.decoder.address, []).append(device)
        self._wandering = [device for device in devices if device.decoder.has_inner_address]
        """Those that may come under any address."""
        self._chunk = Chunk()
        self._handing_on = False

    def heard(self, peer: BLEDevice, data: AdvertisementData) -> None:
        """What a scan calls for every report."""
        path, props = data.platform_data
        if "RSSI" in props:
            self.heard_s = self._loop.time()
            self.reports += 1
            if self.reports == 1:
                self._well()
        found: Sequence[Device] | None = self._by_address.get(peer.address)
        if found is None and not self._wandering and self.bands is None:
            return
        advertisement = Advertisement(
            peer.address,
            None if data.rssi == UNKNOWN_RSSI else data.rssi,
            data.local_name,
            data.manufacturer_data,
            data.service_data,
        )
        if found is None:
            found = [device for device in self._wandering if device.decoder.accepts(advertisement)]
        if not found and self.bands is not None:
            found = self.bands.find(advertisement, data, self._turns, self._loop.time(), self._clock.now_ms())
        for device in found:
            device.peer = peer
            fresh = device.fresh(path, props, advertisement)
            if fresh is not None:
                self._decode(device, fresh)

    def value(self, device: Device, uuid: str, data: bytes) -> None:
        """The value of a characteristic, notified or read."""
        now_s, received_ms = self._loop.time(), self._clock.now_ms()
        self.heard_s = now_s
        self._counters.messages_in += 1
        device.alive(now_s, received_ms)
        reasons = device.decoder.decode_value(
            uuid, data, received_ms, self._chunk, warming_up=device.warming_up(now_s)
        )
        self._pass(device, reasons, len(data))

    def tend(self) -> None:
        """To be called every second or so."""
        if self.bands is not None:
            self.bands.tend(self._turns, self._clock.now_ms())

    def forget(self) -> None:
        """The radio starts anew: what was known need not hold any more."""
        for device in self.devices:
            device.forget()
        if self.bands is not None:
            self.bands.forget()

    @property
    def decoders(self) -> list[BleDecoder]:
        """Of everybody it listens for."""
        return [*(device.decoder for device in self.devices), *(self.bands.probes if self.bands else ())]

    def flush(self) -> None:
        """Hands on what is there."""
        self._handing_on = False
        chunk, self._chunk = self._chunk, Chunk()
        if chunk:
            self._sink.readings(chunk)

    def _decode(self, device: Device, advertisement: Advertisement) -> None:
        self._counters.messages_in += 1
        reasons = device.decode(advertisement, self._loop.time(), self._clock.now_ms(), self._chunk)
        size = sum(map(len, advertisement.manufacturer.values())) + sum(
            map(len, advertisement.service_data.values())
        )
        self._pass(device, reasons, size)

    def _pass(self, device: Device, reasons: Sequence[str], size_bytes: int) -> None:
        for reason in reasons:
            self._sink.refused(device.told_as, reason, size_bytes)
        if self._chunk and not self._handing_on:
            self._handing_on = True
            self._loop.call_soon(self.flush)
