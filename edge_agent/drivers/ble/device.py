"""One configured device as the driver sees it: its decoder, when it was heard, how it fares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bleak.backends.device import BLEDevice

from device_profiles.ble import Advertisement, BleDecoder
from edge_agent.counters import DeviceCounters
from telemetry.readings import Chunk, SeriesKey, SeriesTable

SILENCE_S: Final = 300.0
"""Who was not heard for so long may have been switched off in between: it warms up anew."""


class _Told(NamedTuple):
    """What BlueZ said last of a device: the very objects, for a new one is a new report."""

    path: str
    manufacturer: Mapping[int, bytes] | None
    service_data: Mapping[str, bytes] | None
    state: tuple[object, ...]


class Device:
    """Bound to its decoder. Times are monotonic, in seconds, but for `received_ms`."""

    def __init__(
        self,
        decoder: BleDecoder,
        counters: DeviceCounters,
        table: SeriesTable,
        *,
        turn_s: float,
        rssi: bool,
        told_as: str = "",
    ) -> None:
        """told_as: in counters and logs; left out: its id."""
        self.id = decoder.device
        self.told_as = told_as or self.id
        self.decoder = decoder
        self.counters = counters
        self.turn_s = turn_s
        self.peer: BLEDevice | None = None
        """Where it can be connected to; None until it is heard."""
        key = SeriesKey("rssi", decoder.device, decoder.place, decoder.model)
        self._rssi = table.index(key) if rssi else None
        self._told: _Told | None = None
        self.heard_s: float | None = None
        self._warm_s = 0.0

    @property
    def wants_link(self) -> bool:
        return bool(self.decoder.characteristics)

    def forget(self) -> None:
        """The radio starts anew: what was known of this device need not hold any more."""
        self.peer = None
        self._told = None

    def alive(self, now_s: float, received_ms: int) -> None:
        if self.heard_s is None or now_s - self.heard_s > SILENCE_S:
            self._warm_s = now_s + self.decoder.spec.warm_up_s
        self.heard_s = now_s
        self.counters.last_seen_ms = received_ms

    def warming_up(self, now_s: float) -> bool:
        return now_s < self._warm_s

    def fresh(
        self, path: str, props: Mapping[str, Any], advertisement: Advertisement
    ) -> Advertisement | None:
        """What of an advertisement as bleak hands it on was in the air just now; None: nothing was.

        bleak calls for every change of what BlueZ knows of a device, also when it was connected to or
        a scan has ended, and always with all that is known. Data that was heard a minute ago must not
        become a reading of now.
        """
        manufacturer, service_data = props.get("ManufacturerData"), props.get("ServiceData")
        state = (props.get("Connected"), props.get("ServicesResolved"), props.get("Paired"))
        before, self._told = self._told, _Told(path, manufacturer, service_data, state)
        if "RSSI" not in props:
            return None
        if before is None or before.path != path:
            return advertisement
        new_manufacturer = manufacturer is not before.manufacturer
        new_service_data = service_data is not before.service_data
        if not (new_manufacturer or new_service_data):
            if before.state != state:
                return None
            # The strength alone: the same was heard again. Of several parts nobody knows which.
            parts = len(advertisement.manufacturer) + len(advertisement.service_data)
            return advertisement if parts == 1 else advertisement._replace(manufacturer={}, service_data={})
        return advertisement._replace(
            manufacturer=_new(advertisement.manufacturer, before.manufacturer) if new_manufacturer else {},
            service_data=_new(advertisement.service_data, before.service_data) if new_service_data else {},
        )

    def decode(
        self, advertisement: Advertisement, now_s: float, received_ms: int, chunk: Chunk
    ) -> tuple[str, ...]:
        """Appends the readings of an advertisement; returns a reason for everything refused."""
        self.alive(now_s, received_ms)
        if self._rssi is not None and advertisement.rssi is not None:
            chunk.append(self._rssi, received_ms, float(advertisement.rssi))
        return self.decoder.decode(advertisement, received_ms, chunk, warming_up=self.warming_up(now_s))


def _new(now: Mapping[Any, bytes], before: Mapping[Any, bytes] | None) -> dict[Any, bytes]:
    """The parts that changed; BlueZ hands on the others with them. All, when none did."""
    changed = {key: data for key, data in now.items() if before is None or before.get(key) != data}
    return changed or dict(now)
